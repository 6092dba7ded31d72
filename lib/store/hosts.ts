/**
 * The names of neighbours in a container's `/etc/hosts`, which follow who comes and goes.
 *
 * @module
 */
import { AT, openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, syscall } from "../../ffi/libc.ts";
import { isType, statDescriptor } from "../../ffi/stat.ts";
import type { HostsFile, Lease } from "./network.ts";
import { isAlive, startTime } from "./process.ts";

const BEGIN = "# others on the network, kept by libflux";
const END = "# end of the others";

const linesOf = ({ address, ipv6Address, names }: Lease): string =>
  [address, ipv6Address].filter((one) => one !== undefined).map((one) => `${one}\t${names.join(" ")}\n`).join("");

/** The lines of everybody but one. @param id Of that one. */
export function neighbours(leases: readonly Lease[], id: string): string {
  const others = leases.filter((lease) => lease.id !== id).toSorted((a, b) => a.name < b.name ? -1 : 1);
  return `${BEGIN}\n${others.map(linesOf).join("")}${END}\n`;
}

/** A file with new lines of neighbours in it; nothing where there is no place for them any more, or no change. */
export function withNeighbours(text: string, lines: string): string | undefined {
  const begin = text.indexOf(`${BEGIN}\n`);
  const end = begin < 0 ? -1 : text.indexOf(`${END}\n`, begin);
  if (end < 0) return undefined;
  const changed = text.slice(0, begin) + lines + text.slice(end + END.length + 1);
  return changed === text ? undefined : changed;
}

/** `linux/openat2.h`: RESOLVE_NO_XDEV isn't among them, since the file is a mount of its own. */
const RESOLVE = { RESOLVE_NO_MAGICLINKS: 2, RESOLVE_NO_SYMLINKS: 4, RESOLVE_IN_ROOT: 16 } as const;
/** A container may have written anything to its own file. */
const MAX_SIZE = 1 << 16;

/** Opens a container's file, looked up as in its own root and through no link; nothing where it isn't a plain file. */
function openHosts(
  pid: number,
): { readonly file: Descriptor; readonly device: string; readonly inode: number } | undefined {
  const path = openFlags(ARCHITECTURE, "O_PATH", "O_DIRECTORY", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, `/proc/${pid}/root`, path, 0);
  if (opened < 0) return undefined;
  using root = new Descriptor(opened);
  // struct open_how: flags, mode, resolve.
  const how = new BigUint64Array([
    BigInt(openFlags(ARCHITECTURE, "O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value),
    0n,
    BigInt(RESOLVE.RESOLVE_NO_MAGICLINKS | RESOLVE.RESOLVE_NO_SYMLINKS | RESOLVE.RESOLVE_IN_ROOT),
  ]);
  const number = syscall("openat2", root.number, "etc/hosts", new Uint8Array(how.buffer), 24);
  if (number < 0) return undefined;
  const file = new Descriptor(number);
  const found = statDescriptor(number);
  if (typeof found === "object" && isType(found, "S_IFREG")) {
    return { file, device: found.filesystem, inode: Number(found.inode) };
  }
  file.close();
  return undefined;
}

/** The file that the others are to be written to; nothing where the container has put another in its place. */
export function hostsFile(pid: number): HostsFile | undefined {
  const started = startTime(pid);
  const found = openHosts(pid);
  found?.file.close();
  return started === undefined || found === undefined
    ? undefined
    : { pid, startTime: started, device: found.device, inode: found.inode };
}

/** Writes who else is there into the files of all. Who has ended, or has another file there, is passed over. */
export function tellNeighbours(leases: readonly Lease[]): void {
  for (const { id, hosts } of leases) if (hosts !== undefined) tell(hosts, neighbours(leases, id));
}

function tell(hosts: HostsFile, lines: string): void {
  if (!isAlive(hosts)) return;
  const found = openHosts(hosts.pid);
  if (found === undefined) return;
  using file = found.file;
  if (found.device !== hosts.device || found.inode !== hosts.inode) return;
  const bytes = new Uint8Array(MAX_SIZE);
  const size = syscall("read", file.number, bytes, MAX_SIZE);
  if (size < 0 || size === MAX_SIZE) return;
  const changed = withNeighbours(new TextDecoder().decode(bytes.subarray(0, size)), lines);
  if (changed === undefined) return;
  const text = new TextEncoder().encode(changed);
  syscall("lseek", file.number, 0, 0);
  // In place, since the file is a mount; in one call, so that whoever reads it meanwhile finds all of it or the old one.
  if (syscall("write", file.number, text, text.length) === text.length) {
    syscall("ftruncate", file.number, text.length);
  }
}
