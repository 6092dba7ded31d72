/**
 * Spec → launch program. Pure: the same spec and facts give the same program, on any machine, without root.
 *
 * @module
 */
import { CLONE } from "../../ffi/abi/constants.ts";
import type { LaunchProgram } from "../../ffi/program.ts";
import type { Spec } from "../spec/types.ts";
import { checkTexts } from "./check.ts";
import { Context, type Launch } from "./context.ts";
import { credentials, enterWorkingDirectory, limits, makeWorkingDirectory } from "./credentials.ts";
import { nullStreams } from "./devices.ts";
import { endWithParent, execute, executeBelowInit } from "./execute.ts";
import {
  awaitHost,
  cgroupNamespace,
  clearUmask,
  closeInherited,
  hasNetworkBeside,
  joinCgroups,
  joinedNetwork,
  joinNetwork,
  joinsNetwork,
  newKeyring,
  notDumpable,
  privateMounts,
  rootPropagation,
  timeNamespace,
} from "./isolate.ts";
import { securityLabels } from "./labels.ts";
import { secondWall, wantsLandlock } from "./landlock.ts";
import { attachMounts, attachProc, prepareBinds, prepareFiles, prepareFilesystems } from "./mounts.ts";
import { guardLoopback, hostname, loopback, maskPaths, readonlyPaths, readonlyRoot, sysctls } from "./protect.ts";
import { readonlyParts } from "./overlay.ts";
import { openImage, pivot, prepareRoot, scratchFilesystem } from "./rootfs.ts";
import { filterSyscalls } from "./seccomp.ts";
import { newSession, openTerminal } from "./terminal.ts";
import { becomeRoot, checkMappings, openNullDevice, prepareDevices } from "./users.ts";

/** The order of a launch program: see ARCHITECTURE.md, "The order of a launch program". */
const STEPS: readonly ((context: Context) => void)[] = [
  checkMappings,
  closeInherited,
  joinNetwork,
  joinCgroups,
  cgroupNamespace,
  notDumpable,
  clearUmask,
  newKeyring,
  openImage,
  prepareBinds,
  prepareDevices,
  becomeRoot,
  privateMounts,
  scratchFilesystem,
  prepareRoot,
  prepareFilesystems,
  prepareFiles,
  timeNamespace,
  pivot,
  attachMounts,
  openNullDevice,
  makeWorkingDirectory,
  attachProc,
  sysctls,
  openTerminal,
  maskPaths,
  readonlyPaths,
  nullStreams,
  rootPropagation,
  readonlyRoot,
  readonlyParts,
  hostname,
  loopback,
  guardLoopback,
  awaitHost,
  limits,
  securityLabels,
  secondWall,
  filterSyscalls,
  credentials,
  enterWorkingDirectory,
];

/** Compiles a spec. Throws a `UsageError` that names the field where the spec can't be compiled. */
export function compile(spec: Spec, launch: Launch): LaunchProgram {
  checkTexts(spec);
  const context = new Context(spec, launch);
  for (const step of STEPS) step(context);
  if (launch.init) executeBelowInit(context);
  else {
    newSession(context);
    endWithParent(context);
    execute(context);
  }
  return context.builder.build();
}

const NAMESPACE_FLAGS: Readonly<Record<string, number>> = {
  mount: CLONE.CLONE_NEWNS,
  pid: CLONE.CLONE_NEWPID,
  ipc: CLONE.CLONE_NEWIPC,
  uts: CLONE.CLONE_NEWUTS,
  network: CLONE.CLONE_NEWNET,
  user: CLONE.CLONE_NEWUSER,
};

/**
 * The flags `clone3` takes for a spec's new namespaces. Time and cgroup aren't among them: the interpreter unshares them, the
 * one with its clocks set, the other from the cgroup it is in by then. Nor is a network that it joins.
 */
export function cloneFlags(spec: Spec): number {
  const flags = (spec.linux?.namespaces ?? []).reduce(
    (flags, { type, path }) => path === undefined ? flags | (NAMESPACE_FLAGS[type] ?? 0) : flags,
    0,
  );
  return (joinsNetwork(spec) ? flags & ~CLONE.CLONE_NEWNET : flags) >>> 0;
}

export { hasNetworkBeside, joinedNetwork, joinsNetwork, type Launch, wantsLandlock };
