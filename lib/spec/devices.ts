/**
 * Devices that a caller names by their paths.
 *
 * @module
 */
import { isType, stat } from "../../ffi/stat.ts";
import { UsageError } from "../errors.ts";

/** The numbers of a block device. Throws a `UsageError` where there is none. @param flag For what it was named. */
export function blockDevice(path: string, flag: string): { readonly major: number; readonly minor: number } {
  const found = stat(path);
  if (typeof found === "number" || !isType(found, "S_IFBLK")) {
    const why = typeof found === "number" ? "there is no such file" : "it is no block device";
    throw new UsageError(`${flag}: ${why}`, { path, hint: "lsblk lists those of this host" });
  }
  const [major, minor] = found.device;
  return { major, minor };
}
