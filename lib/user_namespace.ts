/**
 * A container's own user namespace: what ids this user has, which of them are taken, and writing the maps of a new one.
 *
 * @module
 */
import { AT, E, F, MOUNT_ATTR, MS, O, OPEN_TREE, openFlags, RESOLVE } from "../ffi/abi/constants.ts";
import { execute } from "../ffi/execute.ts";
import { ARCHITECTURE, checked, Descriptor, syscall, SyscallError } from "../ffi/libc.ts";
import { errnoText, ImageError, LaunchError, PermissionError, printable } from "./errors.ts";
import { sendDescriptor } from "../ffi/unix_socket.ts";
import type { IdMaps, IdOwner } from "./spec/id_maps.ts";
import { parseIdRanges } from "./spec/id_ranges.ts";
import type { IdMapping } from "./spec/types.ts";
import { defaultRoot, makePrivateDirectory, readIfThere, unwritable } from "./store/directory.ts";
import { findProgram } from "./store/programs.ts";
import { parsePasswd } from "./users.ts";

const [NEWUIDMAP, NEWGIDMAP] = ["newuidmap", "newgidmap"] as const;

/**
 * Ids, and pairs of SELinux categories, that are taken as long as this is open: each is a byte of a file, and locked.
 *
 * Nothing is written, so nothing stays when libflux is killed; and whatever state root a container has, they are the
 * host's.
 */
export class IdLock implements Disposable {
  readonly #files = new Map<string, Descriptor>();

  /** Takes the first of these beginnings of a range that is free; nothing where none is. */
  take(what: "ids" | "categories", starts: Iterable<number>, size: number): number | undefined {
    const file = this.#files.get(what) ?? open(what);
    this.#files.set(what, file);
    for (const start of starts) if (lock(file, start, size)) return start;
    return undefined;
  }

  /** What holds them. */
  get held(): readonly Descriptor[] {
    return [...this.#files.values()];
  }

  /** Gives them back, unless somebody else holds the same. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

function open(what: string): Descriptor {
  const root = defaultRoot();
  makePrivateDirectory(root);
  const path = `${root}/.${what}.lock`;
  const flags = openFlags(ARCHITECTURE, "O_RDWR", "O_CREAT", "O_NOFOLLOW", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, path, flags, 0o600);
  if (opened < 0) throw unwritable(path, -opened);
  return new Descriptor(opened);
}

const F_WRLCK = 1;

/** Locks bytes of an open file for whoever has this very description of it; false where somebody else has some. */
function lock({ number }: Descriptor, start: number, length: number): boolean {
  // struct flock, asm-generic/fcntl.h: l_type, l_whence (SEEK_SET), l_start, l_len, l_pid.
  const flock = new Uint8Array(32);
  const view = new DataView(flock.buffer);
  view.setInt16(0, F_WRLCK, true);
  view.setBigInt64(8, BigInt(start), true);
  view.setBigInt64(16, BigInt(length), true);
  const locked = syscall("fcntl", number, F.F_OFD_SETLK, flock);
  if (locked < 0 && locked !== -E.EAGAIN && locked !== -E.EACCES) throw new SyscallError("fcntl", -locked);
  return locked === 0;
}

/** Who runs libflux, as far as maps of ids go. */
export function idOwner(take: IdOwner["take"]): IdOwner {
  const uid = Deno.uid() ?? 0;
  const read = (path: string): string => readIfThere(path) ?? "";
  return {
    uid,
    gid: Deno.gid() ?? 0,
    name: parsePasswd(read("/etc/passwd")).find((entry) => entry.uid === uid)?.name ?? String(uid),
    subuids: parseIdRanges(read("/etc/subuid")),
    subgids: parseIdRanges(read("/etc/subgid")),
    accounts: () =>
      ["/etc/passwd", "/etc/group"].flatMap((path) => read(path).split("\n").map((line) => Number(line.split(":")[2]))),
    hasTools: [NEWUIDMAP, NEWGIDMAP].every((name) => findProgram(name) !== undefined),
    take,
  };
}

/** Writes the maps of a process that waits in a new user namespace. */
export async function writeMaps(pid: number, { uids, gids, writer }: IdMaps): Promise<void> {
  if (writer === "tools") {
    // Both are waited for, whichever fails: they have descriptors of this process.
    const both = await Promise.allSettled([runTool(NEWUIDMAP, pid, uids), runTool(NEWGIDMAP, pid, gids)]);
    for (const one of both) if (one.status === "rejected") throw one.reason;
    return;
  }
  // Else a group that denies something could be left (CVE-2014-8989).
  if (writer === "self") write(pid, "setgroups", "deny");
  for (const [file, lines] of [["uid_map", uids], ["gid_map", gids]] as const) {
    write(pid, file, lines.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join(""));
  }
}

/** In one call: the kernel takes a map once. */
function write(pid: number, name: string, text: string): void {
  const path = `/proc/${pid}/${name}`;
  const opened = syscall("openat", AT.AT_FDCWD, path, O.O_WRONLY | O.O_CLOEXEC, 0);
  if (opened < 0) throw refused(`open ${path}`, -opened);
  using file = new Descriptor(opened);
  const bytes = new TextEncoder().encode(text);
  const written = syscall("write", file.number, bytes, bytes.length);
  if (written < 0) throw refused(`write ${path}`, -written);
}

function refused(step: string, errno: number): LaunchError {
  const options = {
    step,
    errno,
    hint: "is libflux itself in a container or a user namespace, which hasn't got these ids?",
  };
  const text = `could not map the container's users: could not ${step}: ${errnoText(errno)}`;
  return errno === E.EPERM ? new PermissionError(text, options) : new LaunchError(text, options);
}

/** Has a set-user-ID program of the host's write a map: it looks up whose ids they are. */
async function runTool(name: string, pid: number, lines: readonly IdMapping[]): Promise<void> {
  const path = findProgram(name);
  const execution = path === undefined ? E.ENOENT : execute(
    path,
    [String(pid), ...lines.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String))],
  );
  const { code, output, errno } = typeof execution === "number"
    ? { code: undefined, output: "", errno: execution }
    : await execution.ended;
  if (code === 0) return;
  const says = printable(output.trim().split("\n")[0] ?? "").slice(0, 300);
  throw new LaunchError(
    `could not map the container's users: ${name} ${
      code === undefined ? `can't be executed: ${errnoText(errno)}` : `has failed (${code}): ${says}`
    }`,
    {
      step: `run ${name}`,
      hint: `it must be set-user-ID root (or have cap_setuid and cap_setgid), and the ids be this user's in ${
        name === NEWUIDMAP ? "/etc/subuid" : "/etc/subgid"
      }`,
    },
  );
}

/**
 * Sends the image to a launch program, as a mount whose files belong to the container's users. Nobody changes an owner.
 *
 * @param pid A process in the container's user namespace, whose maps are written.
 */
export function sendImage(socket: Descriptor, pid: number, path: string, isWritable: boolean): void {
  using users = new Descriptor(checked("openat", AT.AT_FDCWD, `/proc/${pid}/ns/user`, O.O_RDONLY | O.O_CLOEXEC, 0));
  // An overlay sees what is mounted in its lower layer not.
  const more = isWritable ? AT.AT_RECURSIVE : 0;
  const flags = OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | more;
  // Without symlinks when it was looked at: somebody may have put one there since.
  const how = new Uint8Array(
    new BigUint64Array([
      BigInt(openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value),
      0n,
      BigInt(RESOLVE.RESOLVE_NO_SYMLINKS),
    ]).buffer,
  );
  const found = syscall("openat2", AT.AT_FDCWD, path, how, how.length);
  using opening = new DisposableStack();
  if (found >= 0) opening.use(new Descriptor(found));
  const opened = found < 0 ? found : syscall("open_tree", found, "", flags | OPEN_TREE.AT_EMPTY_PATH);
  if (opened < 0) {
    throw new ImageError(`the image ${printable(path)} can't be opened: ${errnoText(-opened)}`, {
      path,
      errno: -opened,
      hint: "has somebody moved it, or put a symbolic link in its path, since libflux has looked at it?",
    });
  }
  using image = new Descriptor(opened);
  // struct mount_attr, linux/mount.h: attr_set, attr_clr, propagation, userns_fd.
  const attributes = new Uint8Array(
    new BigUint64Array([
      BigInt(MOUNT_ATTR.MOUNT_ATTR_IDMAP),
      0n,
      BigInt(MS.MS_PRIVATE),
      BigInt(users.number),
    ]).buffer,
  );
  const mapped = syscall("mount_setattr", image.number, "", AT.AT_EMPTY_PATH | more, attributes, attributes.length);
  if (mapped < 0) {
    throw new ImageError(
      `the image ${printable(path)} can't be given the container's users: ${errnoText(-mapped)}`,
      {
        path,
        errno: -mapped,
        hint: "put it on a filesystem that has id-mapped mounts, such as ext4, xfs, btrfs or (since Linux 6.3) tmpfs" +
          (isWritable ? ", and with nothing mounted in it" : ""),
      },
    );
  }
  // One that has gone tells by its end.
  sendDescriptor(socket.number, image.number);
}
