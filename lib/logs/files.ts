/**
 * The files of a log, as they are opened to be written.
 *
 * @module
 */
import { openFlags } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor } from "../../ffi/libc.ts";
import { LOG_FILE } from "../store/history.ts";

const FLAGS = openFlags(ARCHITECTURE, "O_RDWR", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC").value;

/** Opens the file that a log goes on in; makes it where there is none. @param directory From `History`. */
export function openLog(directory: Descriptor): Descriptor {
  return new Descriptor(checked("openat", directory.number, LOG_FILE, FLAGS, 0o600));
}
