/**
 * Who a container's command runs as, from the image's own `/etc/passwd` and `/etc/group`.
 *
 * Parsed here, strictly: no name-service library ever runs on a container's files (CVE-2019-14271).
 *
 * @module
 */
import { AT, E, O, openFlags, RESOLVE } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../ffi/libc.ts";
import { isType, statDescriptor } from "../ffi/stat.ts";
import { printable, UsageError } from "./errors.ts";

/** A line of `passwd`. */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A line of `group`. */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Who the command will be. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** 2³² − 1 means "no change" to the kernel, so it is nobody's. */
const MAX_ID = 2 ** 32 - 2;
const MAX_FILE = 1 << 20;

/** A decimal id and nothing else: no sign, no blanks, no other base. */
function id(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= MAX_ID ? number : undefined;
}

/** The well-formed lines of a `passwd` file (`man 5 passwd`). */
export function parsePasswd(text: string): PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(":");
    const [name = "", , uidText = "", gidText = "", , home = ""] = fields;
    const [uid, gid] = [id(uidText), id(gidText)];
    if (fields.length !== 7 || name === "" || uid === undefined || gid === undefined || line.includes("\0")) return [];
    return [{ name, uid, gid, home }];
  });
}

/** The well-formed lines of a `group` file (`man 5 group`). */
export function parseGroups(text: string): GroupEntry[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(":");
    const [name = "", , gidText = "", members = ""] = fields;
    const gid = id(gidText);
    if (fields.length !== 4 || name === "" || gid === undefined) return [];
    return [{ name, gid, members: members.split(",").filter((member) => member !== "") }];
  });
}

/**
 * Reads `UID[:GID]` or `NAME[:GROUP]`. A number that is no one's is taken as it is, with group 0, as docker does.
 *
 * Throws a `UsageError` on a name that isn't there.
 */
export function resolveUser(text: string, users: readonly PasswdEntry[], groups: readonly GroupEntry[]): Account {
  const [userText = "", groupText, ...rest] = text.split(":");
  if (userText === "" || groupText === "" || rest.length > 0) {
    throw new UsageError(`"${printable(text)}" is no user`, { hint: "write UID, UID:GID, NAME or NAME:GROUP" });
  }
  const uid = id(userText);
  const user = uid === undefined ? users.find(({ name }) => name === userText) : users.find((one) => one.uid === uid);
  if (uid === undefined && user === undefined) {
    if (/^[0-9+-]/.test(userText)) {
      throw new UsageError(`"${printable(userText)}" is no user id`, { hint: `an id is a number from 0 to ${MAX_ID}` });
    }
    throw new UsageError(`there is no user "${printable(userText)}" in the image's /etc/passwd`, {
      hint: "use its number, or a user that is there",
    });
  }
  const gid = groupText === undefined ? user?.gid ?? 0 : resolveGroup(groupText, groups);
  // An explicit group replaces the memberships.
  const memberships = groupText === undefined && user !== undefined
    ? groups.filter(({ members }) => members.includes(user.name)).map((group) => group.gid)
    : [];
  return {
    uid: uid ?? user?.uid ?? 0,
    gid,
    // The primary one too: a program that drops it must still be bound by what is denied to it (CVE-2022-36109).
    groups: [...new Set([gid, ...memberships])],
    home: user?.home.startsWith("/") === true ? user.home : (uid === 0 ? "/root" : "/"),
  };
}

/** The ids of groups that are given by number or name. Throws a `UsageError` on a name that isn't there. */
export function resolveGroups(texts: readonly string[], groups: readonly GroupEntry[]): number[] {
  return texts.map((text) => resolveGroup(text, groups));
}

function resolveGroup(text: string, groups: readonly GroupEntry[]): number {
  const gid = id(text) ?? groups.find(({ name }) => name === text)?.gid;
  if (gid === undefined) {
    throw new UsageError(`there is no group "${printable(text)}" in the image's /etc/group`, {
      hint: "use its number",
    });
  }
  return gid;
}

/**
 * Opens a regular file of a tree whose symlinks are not to be trusted: they are resolved as if the tree were the root.
 *
 * @returns Its first `limit` bytes; nothing where there is no such regular file.
 */
export function readInRoot(root: string, path: string, limit = MAX_FILE): Uint8Array<ArrayBuffer> | undefined {
  const directory = syscall(
    "openat",
    AT.AT_FDCWD,
    root,
    openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value,
    0,
  );
  if (directory < 0) return undefined;
  using at = new Descriptor(directory);
  // struct open_how, linux/openat2.h. Non-blocking: the file may be a FIFO.
  const how = new Uint8Array(24);
  const view = new DataView(how.buffer);
  view.setBigUint64(0, BigInt(O.O_RDONLY | O.O_NONBLOCK | O.O_NOCTTY | O.O_CLOEXEC), true);
  view.setBigUint64(16, BigInt(RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS), true);
  const name = path.replace(/^\/+/, "") || ".";
  let opened = -E.EAGAIN;
  // Whoever renames or mounts anything on this host meanwhile makes the kernel unsure of a "..": then it asks to try again.
  for (let tries = 0; opened === -E.EAGAIN && tries < 100; tries++) {
    opened = syscall("openat2", at.number, name, how, 24);
  }
  if (opened < 0) return undefined;
  using file = new Descriptor(opened);
  const found = statDescriptor(file.number);
  if (typeof found === "number" || !isType(found, "S_IFREG")) return undefined;
  const bytes = new Uint8Array(Math.min(limit, found.size));
  let size = 0;
  while (size < bytes.length) {
    const read = syscall("read", file.number, bytes.subarray(size), bytes.length - size);
    if (read <= 0) break;
    size += read;
  }
  return bytes.subarray(0, size);
}
