/**
 * What a monitor's child does before it executes the launch program: the work of the stub of `ffi/spawn.ts`, as
 * instructions.
 *
 * @module
 */
import { AT, CLOSE_RANGE, or, PR } from "../../ffi/abi/constants.ts";
import type { ProgramBuilder } from "../../ffi/program.ts";
import { named } from "./context.ts";
import { MONITOR, type MonitorOptions } from "./monitor_options.ts";

/** Waits for libflux, takes the container's descriptors, and becomes it. */
export function becomeContainer(
  b: ProgramBuilder,
  { descriptors, keepCapabilities }: Pick<MonitorOptions, "descriptors" | "keepCapabilities">,
): void {
  const [gone, failed] = [b.target(), b.target()];
  const size = b.call("read", [MONITOR.gate, b.buffer(1), 1], "size", { label: "wait until libflux is ready" });
  b.branch(size, "!=", 1, gone, "if it is gone, end");
  const error = b.slot("error");
  for (const [here, there] of descriptors) {
    b.syscall("dup3", [here, there, 0], {
      label: `take descriptor ${there}`,
      result: error,
      optional: true,
    });
    b.branch(error, "<", 0, failed, "tell where it fails");
  }
  if (keepCapabilities > 0) keep(b, keepCapabilities);
  const bound = Math.max(...descriptors.map(([, there]) => there + 1));
  b.syscall("close_range", [bound, named(0xffffffff, "~0"), or(CLOSE_RANGE, "CLOSE_RANGE_CLOEXEC")], {
    label: "give it no more",
  });
  // An empty environment: nothing of the host's reaches even the interpreter.
  const [argv, envp] = [b.strings(["libflux-init"]), b.strings([])];
  b.syscall("execveat", [MONITOR.image, b.string(""), argv, envp, or(AT, "AT_EMPTY_PATH")], {
    label: "execute the launch program",
    result: error,
    optional: true,
  });
  b.place(failed);
  // As the stub of ffi/spawn.ts reports: no address of an instruction, and so 2, for "execveat".
  const report = b.words([2, 0]);
  b.copy(b.at(report, 8), b.addressOf(error), 8, "take what went wrong");
  b.syscall("write", [MONITOR.report, report, 16], { label: "report it", optional: true });
  b.place(gone);
  b.exit(named(125 << 8, "125"), "end");
}

/** In a new user namespace `execve` takes the capabilities of all but its root: so they are made ambient ones. */
function keep(b: ProgramBuilder, count: number): void {
  const all = (1n << BigInt(count)) - 1n;
  const [low, high] = [Number(all & 0xffffffffn), Number(all >> 32n)];
  const header = new Uint8Array(8);
  new DataView(header.buffer).setUint32(0, 0x20080522, true);
  const sets = new Uint8Array(24);
  const view = new DataView(sets.buffer);
  [low, low, low, high, high, high].forEach((word, index) => view.setUint32(index * 4, word, true));
  b.syscall("capset", [b.bytes(header), b.bytes(sets)], { label: "have all capabilities inherited", optional: true });
  for (let number = 0; number < count; number++) {
    b.syscall("prctl", [or(PR, "PR_CAP_AMBIENT"), or(PR, "PR_CAP_AMBIENT_RAISE"), number, 0, 0], {
      label: "keep a capability",
      optional: true,
    });
  }
}
