/**
 * What a container's `/proc` shows. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { RunOptions } from "./options.ts";

/** `Documentation/filesystems/proc.rst`, "Mount options": as the kernel spells them, since Linux 5.8. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  hidepid: ["0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable"],
  subset: ["pid"],
};

/** Throws a {@link UsageError} that names the first option of `/proc` that can't be. */
export function checkProcOptions({ procOptions = [], sysctls }: Pick<RunOptions, "procOptions" | "sysctls">): void {
  const given = new Set<string>();
  for (const option of procOptions) {
    const [, name = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(option) ?? [];
    const values = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
    if (values === undefined) {
      throw new UsageError(`"${printable(option)}" is no option of /proc that libflux knows`, {
        hint: "write --security-opt proc-opts=hidepid=2, subset=pid, or both with a comma between them",
      });
    }
    if (!values.includes(value)) {
      throw new UsageError(`${name} of /proc is ${values.join(", ")}, not "${printable(value)}"`);
    }
    if (given.has(name)) throw new UsageError(`${name} of /proc is given twice`, { hint: "leave one out" });
    given.add(name);
  }
  if (given.has("subset") && Object.keys(sysctls ?? {}).length > 0) {
    throw new UsageError("with subset=pid there is no /proc/sys to set sysctls by", {
      hint: "leave out subset=pid or --sysctl",
    });
  }
}
