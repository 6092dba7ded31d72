/**
 * What a stream of this process is.
 *
 * @module
 */
import { syscall } from "./libc.ts";
import { isType, statDescriptor } from "./stat.ts";

/** What a descriptor is, as far as a container's streams are concerned. */
export function streamKind(descriptor: number): "closed" | "terminal" | "null" | "directory" | "other" {
  const found = statDescriptor(descriptor);
  if (typeof found === "number") return "closed";
  if (isType(found, "S_IFDIR")) return "directory";
  if (!isType(found, "S_IFCHR")) return "other";
  const [major, minor] = found.device;
  if (major === 1 && minor === 3) return "null";
  return syscall("ioctl", descriptor, 0x5401, new Uint8Array(64)) === 0 ? "terminal" : "other";
}
