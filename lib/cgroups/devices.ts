/**
 * Rules about devices, put into force.
 *
 * @module
 */
import { AT, E, O } from "../../ffi/abi/constants.ts";
import { attachDeviceProgram, loadDeviceProgram } from "../../ffi/bpf.ts";
import { Descriptor, syscall } from "../../ffi/libc.ts";
import { errnoText, LimitError } from "../errors.ts";
import { DEFAULT_RULES } from "../spec/device_rules.ts";
import { deviceLines, type DevicePlan } from "./device_rules.ts";

/** Has a cgroup that was made keep to its rules, before anybody is in it. Throws a {@link LimitError} where it can't. */
export function enforceDevices(plan: DevicePlan): void {
  if (plan.kind === "lines") writeLines(plan);
  else attach(plan);
}

function refused(directory: string, what: string, errno: number, hint: string): LimitError {
  return new LimitError(`the rules about devices can't be enforced: ${what}: ${errnoText(errno)}`, {
    path: directory,
    errno,
    hint,
  });
}

const USUAL: ReadonlySet<string> = new Set(deviceLines(DEFAULT_RULES).map(({ value }) => value));

/** v1 takes one line at a time. */
function writeLines({ directory, lines }: DevicePlan & { readonly kind: "lines" }): void {
  const encoder = new TextEncoder();
  using opened = new DisposableStack();
  const files = new Map<string, number>();
  for (const { file, value } of lines) {
    const path = `${directory}/${file}`;
    const known = files.get(file);
    const descriptor = known ?? syscall("openat", AT.AT_FDCWD, path, O.O_WRONLY | O.O_CLOEXEC, 0);
    if (known === undefined && descriptor >= 0) opened.use(new Descriptor(descriptor));
    files.set(file, descriptor);
    const bytes = encoder.encode(value);
    const result = descriptor < 0 ? descriptor : syscall("write", descriptor, bytes, bytes.length);
    // What the cgroup above hasn't got can't be had by libflux itself either: the container then lacks it, and runs.
    if (result >= 0 || result === -E.EPERM && file === "devices.allow" && USUAL.has(value)) continue;
    throw refused(
      path,
      `${file} doesn't take "${value}"`,
      -result,
      "is libflux itself in a container that may not use it?",
    );
  }
}

/** Who may not load programs can't make nodes either, or is told so by {@link DevicePlan.required}. */
const NOT_FOR_US: readonly number[] = [-E.EPERM, -E.ENOSYS];

function attach({ directory, code, required }: DevicePlan & { readonly kind: "program" }): void {
  const program = loadDeviceProgram(code, "libflux_devices");
  using closing = new DisposableStack();
  if (typeof program !== "number") closing.use(program);
  const result = typeof program === "number" ? program : attachDeviceProgram(program, directory);
  if (result === 0 || !required && NOT_FOR_US.includes(result)) return;
  const what = typeof program === "number"
    ? "the kernel doesn't take their program"
    : "their program can't be attached";
  const hint = result === -E.EPERM
    ? "this takes CAP_SYS_ADMIN and the system call bpf; or leave out --cap-add MKNOD, and devices without rw"
    : "this takes a kernel with CONFIG_CGROUP_BPF";
  throw refused(directory, what, -result, hint);
}
