/**
 * Error numbers and texts of others, in words for a person.
 *
 * @module
 */

/** `asm-generic/errno-base.h` and `asm-generic/errno.h`: names and meanings of the numbers that syscalls of libflux give. */
const ERRNO: Readonly<Record<number, readonly [string, string]>> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  3: ["ESRCH", "no such process"],
  4: ["EINTR", "interrupted"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "arguments or environment too long"],
  8: ["ENOEXEC", "not an executable format"],
  9: ["EBADF", "bad file descriptor"],
  10: ["ECHILD", "no child process"],
  11: ["EAGAIN", "a resource limit is reached"],
  12: ["ENOMEM", "out of memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "busy"],
  17: ["EEXIST", "exists already"],
  18: ["EXDEV", "on another filesystem"],
  19: ["ENODEV", "not supported by this kernel"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files on this system"],
  24: ["EMFILE", "too many open files"],
  26: ["ETXTBSY", "the file is being written to"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left, or a kernel limit (user.max_*_namespaces, fs.mount-max) is reached"],
  30: ["EROFS", "read-only filesystem"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  34: ["ERANGE", "out of range"],
  36: ["ENAMETOOLONG", "name too long"],
  38: ["ENOSYS", "not implemented by this kernel"],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many symbolic links, or a symbolic link where none is allowed"],
  75: ["EOVERFLOW", "value too large"],
  80: ["ELIBBAD", "damaged library or loader"],
  87: ["EUSERS", "too many users or namespaces"],
  95: ["EOPNOTSUPP", "operation not supported"],
  116: ["ESTALE", "stale file handle"],
  122: ["EDQUOT", "disk quota exceeded"],
  129: ["EKEYREJECTED", "key rejected"],
};

/** An error number in words: "no such file or directory (ENOENT)". */
export function errnoText(errno: number): string {
  const known = ERRNO[errno];
  return known === undefined ? `error ${errno}` : `${known[1]} (${known[0]})`;
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

/** A text with control characters shown as escapes: an error message must not be able to drive a terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
