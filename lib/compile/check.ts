/**
 * What no spec may have in it, whatever it is compiled to.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

/** Throws a `UsageError` that names the field where a text can't be the kernel's, or a path has no root. */
export function checkTexts(value: unknown, field = ""): void {
  if (typeof value === "string") {
    if (value.includes("\0")) throw new UsageError(`${field} has a NUL character in it`);
    if (/(^root\.path|\.destination|^process\.cwd)$/.test(field) && !value.startsWith("/")) {
      throw new UsageError(`${field} must be an absolute path, and "${printable(value)}" isn't`);
    }
  } else if (Array.isArray(value)) value.forEach((one, index) => checkTexts(one, `${field}[${index}]`));
  else if (typeof value === "object" && value !== null) {
    for (const [key, one] of Object.entries(value)) {
      // Hundreds of names that never become the kernel's: they are looked up.
      if (field !== "linux" || key !== "seccomp") checkTexts(one, field === "" ? key : `${field}.${key}`);
    }
  }
}
