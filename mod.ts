/**
 * libflux as a library: containers in-process, without a daemon.
 *
 * @example Run a command in a container and read its output
 * ```ts
 * import { run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["uname", "-a"] });
 * console.log(await new Response(container.stdout).text());
 * ```
 *
 * @module
 */
export { Container, type ContainerStatus, run, type Signal, type Timings } from "./lib/container.ts";
export { exec, type ExecOptions } from "./lib/exec.ts";
export { ExecSession } from "./lib/exec_session.ts";
export { attach, hasKeyboard, type TerminalOptions, terminalSize } from "./lib/attach.ts";
export { type ContainerInfo, list, type ListOptions } from "./lib/list.ts";
export { type ContainerDetails, inspect } from "./lib/inspect.ts";
export { prune, type PruneOptions, type PruneResult, remove, type RemoveOptions } from "./lib/prune.ts";
export { events, type EventsOptions } from "./lib/events.ts";
export type { ContainerEvent } from "./lib/store/events.ts";
export { type LogEntry, logs, type LogsOptions } from "./lib/logs.ts";
export { type ControlOptions, pause, unpause, update } from "./lib/control.ts";
export { type ContainerProcess, type ContainerStats, stats, top } from "./lib/stats.ts";
export { explain, type Explanation } from "./lib/explain.ts";
export { benchmark, type BenchmarkOptions, type BenchmarkResult, type Statistics } from "./lib/benchmark.ts";
export {
  createNetwork,
  inspectNetwork,
  listNetworks,
  type NetworkInfo,
  type NetworkMember,
  type NetworkOptions,
  pruneNetworks,
  reloadNetworks,
  removeNetwork,
} from "./lib/networks.ts";
export { type DetachedContainer, type DetachedOptions, runDetached } from "./lib/detach.ts";
export { kill, restart, stop, type StopOptions, wait } from "./lib/lifecycle.ts";
export { type AttachOptions, attachTo } from "./lib/attach_to.ts";
export { rename } from "./lib/rename.ts";
export { archiveFrom, type ArchiveSink, type ArchiveSource, extractTo } from "./lib/archive.ts";
export { copyFrom, type CopyOptions, type CopyResult, copyTo } from "./lib/copy.ts";
export { type Change, diff } from "./lib/diff.ts";
export type { Health, HealthCheck } from "./lib/spec/health.ts";
export type { LogOptions } from "./lib/spec/log_options.ts";
export type { RestartPolicy } from "./lib/spec/restart.ts";
export { type Feature, type HostInfo, info } from "./lib/info.ts";
export type { HostEntry } from "./lib/spec/addresses.ts";
export type { RunOptions, Stream, TerminalSize } from "./lib/spec/options.ts";
export type { SelinuxLabel } from "./lib/spec/labels.ts";
export type { DeviceMapping } from "./lib/spec/device_rules.ts";
export type { Limits } from "./lib/spec/limits.ts";
export type { PortMapping, PublishedPort } from "./lib/spec/ports.ts";
export { onWarning } from "./lib/warnings.ts";
export type { Usage } from "./lib/cgroups/usage.ts";
export type {
  Capabilities,
  Device,
  DeviceRate,
  DeviceRule,
  IdMapping,
  Linux,
  Mount,
  Namespace,
  NamespaceType,
  Process,
  Resources,
  Rlimit,
  Spec,
  TimeOffset,
  User,
} from "./lib/spec/types.ts";
export type {
  Seccomp,
  SeccompAction,
  SeccompArchitecture,
  SeccompArgument,
  SeccompFlag,
  SeccompOperator,
  SeccompSyscall,
} from "./lib/seccomp/types.ts";
export {
  CommandNotFoundError,
  FluxError,
  type FluxErrorOptions,
  ImageError,
  LaunchError,
  LimitError,
  NameInUseError,
  NetworkError,
  NoContainerError,
  NotExecutableError,
  PermissionError,
  ScopeError,
  UsageError,
} from "./lib/errors.ts";
