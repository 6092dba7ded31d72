/**
 * The OCI runtime-spec's `config.json`, as far as libflux compiles it.
 *
 * Names, meanings and defaults: opencontainers/runtime-spec, `config.md` and `config-linux.md`, version 1.2.
 *
 * @module
 */

import type { Seccomp } from "../seccomp/types.ts";
import type { Device, DeviceRate, DeviceRule } from "./device_types.ts";

export type { Device, DeviceRate, DeviceRule };

/**
 * A mount, in the order in which it is attached.
 *
 * @example A directory of the host, for reading
 * ```ts
 * import { type Mount, run } from "@libflux/cli/mod";
 *
 * const data: Mount = { destination: "/data", type: "bind", source: "/usr", options: ["rbind", "ro"] };
 * await using container = await run({ command: ["ls", "/data"], mounts: [data] });
 * console.log(await new Response(container.stdout).text());
 * ```
 */
export interface Mount {
  /** Absolute path inside. */
  readonly destination: string;
  /** A filesystem type, or `bind`. */
  readonly type?: string;
  /** For a bind an absolute path of the host; else what the filesystem calls its source. */
  readonly source?: string;
  /** As `mount -o` takes them. */
  readonly options?: readonly string[];
}

/**
 * Who runs the command.
 *
 * @example Whom does a name stand for?
 * ```ts
 * import { explain, type User } from "@libflux/cli/mod";
 *
 * const user: User = explain({ command: ["true"], user: "1000:100" }).spec.process.user;
 * console.log(user.uid, user.gid); // 1000 100
 * ```
 */
export interface User {
  /** The user id. */
  readonly uid: number;
  /** The group id. */
  readonly gid: number;
  /** Supplementary groups. */
  readonly additionalGids?: readonly number[];
  /** File mode mask; 0o022 if left out. */
  readonly umask?: number;
}

/**
 * Names such as `CAP_CHOWN`, for each of the kernel's five sets.
 *
 * @example What may root inside do?
 * ```ts
 * import { type Capabilities, explain } from "@libflux/cli/mod";
 *
 * const held: Capabilities | undefined = explain({ command: ["true"] }).spec.process.capabilities;
 * console.log(held?.effective); // [ "CAP_CHOWN", … ]
 * ```
 */
export interface Capabilities {
  /** What no program can go beyond. */
  readonly bounding?: readonly string[];
  /** What is in effect. */
  readonly effective?: readonly string[];
  /** What may be put into effect. */
  readonly permitted?: readonly string[];
  /** Kept across `execve`, with a file's own inheritable set. */
  readonly inheritable?: readonly string[];
  /** Kept across `execve`. */
  readonly ambient?: readonly string[];
}

/**
 * A resource limit of the command.
 *
 * @example At most 1024 open files
 * ```ts
 * import { type Rlimit, run } from "@libflux/cli/mod";
 *
 * const files: Rlimit = { type: "RLIMIT_NOFILE", soft: 1024, hard: 1024 };
 * await using container = await run({ command: ["sh", "-c", "ulimit -n"], ulimits: [files] });
 * console.log(await new Response(container.stdout).text()); // "1024"
 * ```
 */
export interface Rlimit {
  /** `RLIMIT_NOFILE` and its like. */
  readonly type: string;
  /** What holds. */
  readonly soft: number;
  /** As far as the soft one can be raised. */
  readonly hard: number;
}

/**
 * The command.
 *
 * @example With which environment does it run?
 * ```ts
 * import { explain, type Process } from "@libflux/cli/mod";
 *
 * const process: Process = explain({ command: ["true"], env: { MODE: "fast" } }).spec.process;
 * console.log(process.env, process.cwd);
 * ```
 */
export interface Process {
  /** Whether it gets a terminal. */
  readonly terminal?: boolean;
  /** Absolute path inside. */
  readonly cwd: string;
  /** `K=V` */
  readonly env?: readonly string[];
  /** The command, then its arguments. */
  readonly args: readonly string[];
  /** Who runs it. */
  readonly user: User;
  /** What it may do; nothing where left out. */
  readonly capabilities?: Capabilities;
  /** What it may use. */
  readonly rlimits?: readonly Rlimit[];
  /** Whether `execve` may grant it anything. */
  readonly noNewPrivileges?: boolean;
  /** From -1000 to 1000. */
  readonly oomScoreAdj?: number;
  /** The AppArmor profile. */
  readonly apparmorProfile?: string;
  /** The SELinux label. */
  readonly selinuxLabel?: string;
}

/**
 * The kinds of namespace, by the specification's names.
 *
 * @example Which namespaces are shared with the host?
 * ```ts
 * import { explain, type NamespaceType } from "@libflux/cli/mod";
 *
 * const all: readonly NamespaceType[] = ["pid", "network", "ipc", "uts"];
 * const own = explain({ command: ["true"], pid: "host" }).spec.linux?.namespaces?.map(({ type }) => type);
 * console.log(all.filter((type) => own?.includes(type) !== true)); // [ "pid" ]
 * ```
 */
export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

/**
 * A namespace to make or, with a path, to join.
 *
 * @example Is any namespace joined?
 * ```ts
 * import { explain, type Namespace } from "@libflux/cli/mod";
 *
 * const namespaces: readonly Namespace[] = explain({ command: ["true"] }).spec.linux?.namespaces ?? [];
 * console.log(namespaces.some(({ path }) => path !== undefined)); // false: all are new
 * ```
 */
export interface Namespace {
  /** Its kind. */
  readonly type: NamespaceType;
  /** One that is there already, such as `/proc/1/ns/net`. */
  readonly path?: string;
}

/**
 * Ids of users or groups that stand for others of the host's.
 *
 * @example Root inside is an ordinary user outside
 * ```ts
 * import { type IdMapping, run } from "@libflux/cli/mod";
 *
 * const ids: IdMapping = { containerID: 0, hostID: 600_000, size: 65_536 };
 * await using container = await run({ command: ["id"], uidMap: [ids] });
 * console.log(await new Response(container.stdout).text()); // "uid=0(root) …"
 * ```
 */
export interface IdMapping {
  /** The first inside. */
  readonly containerID: number;
  /** What it is on the host. */
  readonly hostID: number;
  /** How many follow, itself among them. */
  readonly size: number;
}

/**
 * How far a clock of the container is ahead of the host's.
 *
 * @example A clock that is a day ahead
 * ```ts
 * import { explain, type TimeOffset } from "@libflux/cli/mod";
 *
 * const ahead: TimeOffset | undefined = explain({ command: ["true"], timeOffset: 86_400 }).spec.linux?.timeOffsets?.boottime;
 * console.log(ahead?.secs); // 86400
 * ```
 */
export interface TimeOffset {
  /** Seconds. */
  readonly secs?: number;
  /** Nanoseconds on top. */
  readonly nanosecs?: number;
}

/**
 * How much the container may use of what its host has; what isn't named is as much as there is.
 *
 * @example What do limits stand for?
 * ```ts
 * import { explain, type Resources } from "@libflux/cli/mod";
 *
 * const resources: Resources | undefined = explain({ command: ["true"], limits: { pids: 100 } }).spec.linux?.resources;
 * console.log(resources?.pids?.limit); // 100
 * ```
 */
export interface Resources {
  /** Bytes. `swap` is memory and swap together; -1 is no limit. */
  readonly memory?: { readonly limit?: number; readonly reservation?: number; readonly swap?: number };
  /** `quota` and `period` in microseconds; `cpus` and `mems` as lists: "0-2,7". */
  readonly cpu?: {
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  /** Processes and threads; -1 is no limit. */
  readonly pids?: { readonly limit: number };
  /** Rates in bytes or operations a second. */
  readonly blockIO?: {
    readonly throttleReadBpsDevice?: readonly DeviceRate[];
    readonly throttleWriteBpsDevice?: readonly DeviceRate[];
    readonly throttleReadIOPSDevice?: readonly DeviceRate[];
    readonly throttleWriteIOPSDevice?: readonly DeviceRate[];
  };
  /** `pageSize` as the kernel writes it, "2MB"; `limit` in bytes. */
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** Which devices it may use: the last rule that fits decides. */
  readonly devices?: readonly DeviceRule[];
  /** Files of cgroup v2 and what to write to them. */
  readonly unified?: Readonly<Record<string, string>>;
}

/**
 * What only Linux has.
 *
 * @example What can nobody inside read?
 * ```ts
 * import { explain, type Linux } from "@libflux/cli/mod";
 *
 * const linux: Linux | undefined = explain({ command: ["true"] }).spec.linux;
 * console.log(linux?.maskedPaths);
 * ```
 */
export interface Linux {
  /** The cgroup, counted from the root of the hierarchies: "/libflux-ID". */
  readonly cgroupsPath?: string;
  /** Its limits. */
  readonly resources?: Resources;
  /** Device nodes to be made. */
  readonly devices?: readonly Device[];
  /** Those that aren't named are the host's. */
  readonly namespaces?: readonly Namespace[];
  /** Of a new user namespace: what its users are on the host. */
  readonly uidMappings?: readonly IdMapping[];
  /** Of a new user namespace: what its groups are on the host. */
  readonly gidMappings?: readonly IdMapping[];
  /** Of a new time namespace. */
  readonly timeOffsets?: { readonly monotonic?: TimeOffset; readonly boottime?: TimeOffset };
  /** Values by name: `net.ipv4.ip_forward`. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** `private`, `slave`, `shared` or `unbindable`. */
  readonly rootfsPropagation?: string;
  /** Absolute paths inside that nobody can read. */
  readonly maskedPaths?: readonly string[];
  /** Absolute paths inside that nobody can write. */
  readonly readonlyPaths?: readonly string[];
  /** The SELinux label of its files. */
  readonly mountLabel?: string;
  /** Which syscalls are let through; all where left out. */
  readonly seccomp?: Seccomp;
}

/**
 * A whole container.
 *
 * @example What do the options stand for?
 * ```ts
 * import { explain, type Spec } from "@libflux/cli/mod";
 *
 * const spec: Spec = explain({ command: ["true"], network: "host" }).spec;
 * console.log(spec.linux?.namespaces?.map(({ type }) => type));
 * ```
 */
export interface Spec {
  /** Of the specification: "1.2.0". */
  readonly ociVersion: string;
  /** The directory that becomes `/`. */
  readonly root: { readonly path: string; readonly readonly?: boolean };
  /** In the order in which they are attached. */
  readonly mounts?: readonly Mount[];
  /** What runs in it. */
  readonly process: Process;
  /** Its host name. */
  readonly hostname?: string;
  /** Its labels. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What only Linux has. */
  readonly linux?: Linux;
}
