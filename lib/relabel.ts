/**
 * What a container is to share, labelled so that SELinux lets it: `--bind SRC:DST:z` for all containers, `:Z` for this one.
 *
 * The labels stay, as docker's and podman's do: it is the caller's wish that these files be containers' from now on.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import type { Descriptor } from "../ffi/libc.ts";
import { type ByteName, lookAt, openName, openPath, readNames, reopen, toText, typeOf } from "../ffi/files.ts";
import { sleep } from "../ffi/reactor.ts";
import { errnoText, PermissionError, printable, UsageError } from "./errors.ts";
import { allows, isOfHost, labelOf, selinuxMode, setLabel } from "./selinux.ts";
import { isBind } from "./spec/check_mount.ts";
import type { Mount, Spec } from "./spec/types.ts";
import { warn } from "./warnings.ts";

/** What is to be labelled, open as a path only. */
interface Wish {
  readonly file: Descriptor;
  readonly path: string;
  readonly label: string;
}

/**
 * Gives the sources of those binds that ask for it the label of the container's files, where the container has one; tells of
 * others that it won't be able to use.
 *
 * @throws {UsageError} It is one of the host's own directories: then nothing is labelled.
 * @throws {PermissionError} A file can't be labelled.
 */
export async function relabel(mounts: readonly Mount[], { linux, process }: Spec, signal?: AbortSignal): Promise<void> {
  const [own, user] = [linux?.mountLabel, process.selinuxLabel];
  if (own === undefined || user === undefined) return;
  using opened = new DisposableStack();
  const wishes = mounts.filter(isBind).flatMap(({ source = "", options = [] }): Wish[] => {
    const file = opened.use(must(openPath(source, ["O_PATH"]), source));
    // All containers' have no categories.
    if (options.includes("z")) return [wish(file, source, own.split(":").slice(0, 4).join(":"))];
    if (options.includes("Z")) return [wish(file, source, own)];
    warnOf(file, source, user);
    return [];
  });
  const walk = new Walk(signal);
  for (const { file, path, label } of wishes) await walk.label(file, path, label);
}

/** What is to be labelled, by the path that leads there now: whoever puts a link into it meanwhile only gets an error. */
function wish(found: Descriptor, source: string, label: string): Wish {
  const path = Deno.readLinkSync(`/proc/self/fd/${found.number}`);
  if (isOfHost(path)) {
    throw new UsageError(`${printable(path)} is the host's: its files can't be labelled as containers'`, {
      path: source,
      hint: "leave out z or Z, or bind a directory below it",
    });
  }
  return { file: found, path, label };
}

function must<T>(result: T | number, path: string): T {
  if (typeof result !== "number") return result;
  throw new PermissionError(`${printable(path)} can't be labelled as the container's: ${errnoText(-result)}`, {
    path,
    errno: -result,
    hint: "leave out z or Z where its files may keep their labels",
  });
}

/** After so many files others get their turn, such as whoever wants to end it. */
const BREATH = 1_000;

/** Labels trees: no link is followed, and nothing outside is reached, whatever others do to them meanwhile. */
class Walk {
  #count = 0;

  constructor(readonly signal: AbortSignal | undefined) {}

  /** Labels a file that is open as a path only, and all below it. Closes it. */
  async label(file: Descriptor, path: string, label: string): Promise<void> {
    if (++this.#count % BREATH === 0) {
      await sleep(0);
      this.signal?.throwIfAborted();
    }
    using top = file;
    if (labelOf(top) !== label) {
      const set = setLabel(top, label);
      // Such filesystems have one label for all of their files: theirs to say.
      if (set < 0 && set !== -E.EOPNOTSUPP) must(set, path);
    }
    const facts = lookAt(top.number);
    if (typeof facts === "number" || typeOf(facts) !== "directory") return;
    using directory = must(reopen(top.number, ["O_RDONLY", "O_DIRECTORY"]), path);
    // One descriptor a level.
    top.close();
    const names = readNames(directory.number);
    for (const name of names === -E.ENOENT ? [] : must(names, path) as readonly ByteName[]) {
      const entry = openName(directory.number, name, ["O_PATH"]);
      // Somebody has just removed it.
      if (entry === -E.ENOENT) continue;
      const below = `${path}/${toText(name)}`;
      await this.label(must(entry, below), below, label);
    }
  }
}

/** What a process has to be allowed to do with a file of which kind, to use it at all. */
const USES: Partial<Record<ReturnType<typeof typeOf>, readonly [kind: string, permissions: readonly string[]]>> = {
  directory: ["dir", ["read", "search"]],
  file: ["file", ["read"]],
  socket: ["sock_file", ["write"]],
  fifo: ["fifo_file", ["read"]],
  device: ["chr_file", ["read"]],
};

/** Tells of what a container with this label won't be able to use: inside only "permission denied" is seen of it. */
function warnOf(file: Descriptor, source: string, user: string): void {
  if (selinuxMode() !== "enforcing") return;
  const [label, facts] = [labelOf(file), lookAt(file.number)];
  if (label === undefined || typeof facts === "number") return;
  const [kind, permissions] = USES[typeOf(facts)] ?? [];
  if (kind === undefined || permissions === undefined || allows(user, label, kind, permissions)) return;
  warn(
    `SELinux won't let the container use ${printable(source)}, which is ${printable(label)}: bind it with :z, which ` +
      `labels it for all containers, or :Z, for this one`,
  );
}
