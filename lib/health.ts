/**
 * A container's health check, compiled for its monitor.
 *
 * @module
 */
import type { Descriptor } from "../ffi/libc.ts";
import { link } from "../ffi/link.ts";
import { executable } from "../ffi/spawn.ts";
import { compileExec } from "./compile/exec.ts";
import type { Prepared } from "./prepare.ts";
import type { HealthCheck } from "./spec/health.ts";

/** Compiles a health check into what a monitor can execute. @param legacy The container's cgroups of v1. */
export function healthProgram(
  { command }: HealthCheck,
  { spec, launch }: Prepared,
  legacy: Readonly<Record<string, string>>,
): Descriptor {
  const { architecture, ignoredSignals, lastCapability, rlimits, keepGroups, appArmorAttributes, landlock } = launch;
  const groups = [...new Set(Object.values(legacy))];
  const program = compileExec({ ...spec, process: { ...spec.process, args: command } }, {
    ...{ architecture, ignoredSignals, lastCapability, rlimits },
    announces: true,
    mountsProc: Deno.uid() === 0,
    nullStreams: [0, 1, 2],
    legacyGroups: groups.map((directory) => ({
      name: Object.entries(legacy).filter(([, one]) => one === directory).map(([name]) => name).join(","),
      directory,
      required: true,
    })),
    guardsLegacyGroups: launch.legacyGroups.length > 0,
    isRootInside: launch.isRootInside ?? false,
    ...(keepGroups === undefined ? {} : { keepGroups }),
    ...(appArmorAttributes === undefined ? {} : { appArmorAttributes }),
    ...(landlock === undefined ? {} : { landlock: { version: landlock.version, streams: [] } }),
  });
  return executable(link(program).elf);
}
