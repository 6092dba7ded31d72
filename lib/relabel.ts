/**
 * What a container is to share, labelled so that SELinux lets it: `--bind SRC:DST:z` for all containers, `:Z` for this one.
 *
 * The labels stay, as docker's and podman's do: it is the caller's wish that these files be containers' from now on.
 *
 * @module
 */
import { E } from "../ffi/abi/constants.ts";
import type { Descriptor } from "../ffi/libc.ts";
import { lookAt, openName, openPath, readNames, reopen, toText, typeOf } from "../ffi/files.ts";
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

/** What is to be labelled. */
function wish(file: Descriptor, path: string, label: string): Wish {
  if (isOfHost(file)) {
    throw new UsageError(`${printable(path)} is the host's: its files can't be labelled as containers'`, {
      path,
      hint: "leave out z or Z, or bind a directory below it",
    });
  }
  return { file, path, label };
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
/** Each level has a directory open. */
const MOST_LEVELS = 400;

/** Labels trees: no link is followed, and nothing outside is reached, whatever others do to them meanwhile. */
class Walk {
  #count = 0;
  /** The first file that was passed over, and how many others. */
  #left: { readonly path: string; readonly errno: number; others: number } | undefined;

  constructor(readonly signal: AbortSignal | undefined) {}

  /** Labels a file that is open as a path only, and all below it on its filesystem. */
  async label(file: Descriptor, path: string, label: string): Promise<void> {
    this.#left = undefined;
    const facts = must(lookAt(file.number), path);
    const set = this.#set(file, label);
    // Such filesystems have one label for all of their files: theirs to say.
    if (set === -E.EOPNOTSUPP) return;
    if (set < 0) must(set, path);
    if (typeOf(facts) === "directory") await this.#below(file, facts.mount, path, label, 0);
    if (this.#left === undefined) return;
    const { path: first, errno, others } = this.#left;
    warn(
      `${printable(first)}${others === 0 ? "" : ` and ${others} others`} can't be labelled as the container's: ` +
        `${errnoText(errno)}; root could`,
    );
  }

  /** What has it already is left alone: each change is one to the disk. */
  #set(file: Descriptor, label: string): number {
    return labelOf(file) === label ? 0 : setLabel(file, label);
  }

  /** Labels what is in a directory. Closes that. */
  async #below(top: Descriptor, mount: bigint, path: string, label: string, level: number): Promise<void> {
    if (level > MOST_LEVELS) must(-E.ELOOP, `${path.slice(0, 60)}…`);
    const opened = reopen(top.number, ["O_RDONLY", "O_DIRECTORY"]);
    // One descriptor a level.
    top.close();
    if (typeof opened === "number") return this.#pass(path, -opened);
    using directory = opened;
    const names = readNames(directory.number);
    if (typeof names === "number") return this.#pass(path, -names);
    for (const name of names) {
      if (++this.#count % BREATH === 0) {
        await sleep(0);
        this.signal?.throwIfAborted();
      }
      const below = `${path}/${toText(name)}`;
      const entry = openName(directory.number, name, ["O_PATH"]);
      if (typeof entry === "number") {
        this.#pass(below, -entry);
        continue;
      }
      using one = entry;
      const facts = lookAt(one.number);
      if (typeof facts === "number") continue;
      // Whatever it is, nobody has asked for it to be labelled: the host's /dev, perhaps.
      if (facts.mount !== mount) {
        warn(`${printable(below)} isn't labelled, since something else is mounted there: bind it by itself`);
        continue;
      }
      const set = this.#set(one, label);
      if (set < 0) this.#pass(below, -set);
      if (typeOf(facts) === "directory") await this.#below(one, mount, below, label, level + 1);
    }
  }

  /** Files of others', such as a container's other users, are beyond an ordinary user. */
  #pass(path: string, errno: number): void {
    // Somebody has just removed it.
    if (errno === E.ENOENT) return;
    if (errno !== E.EPERM && errno !== E.EACCES) must(-errno, path);
    if (this.#left === undefined) this.#left = { path, errno, others: 0 };
    else this.#left.others++;
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
