/**
 * The OCI runtime-spec's `config.json`, as far as libflux compiles it.
 *
 * Names, meanings and defaults: opencontainers/runtime-spec, `config.md` and `config-linux.md`, version 1.2.
 *
 * @module
 */

/** A mount, in the order in which it is attached. */
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

/** Who runs the command. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
  /** File mode mask; 0o022 if left out. */
  readonly umask?: number;
}

/** Names such as `CAP_CHOWN`, for each of the kernel's five sets. */
export interface Capabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly permitted?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly ambient?: readonly string[];
}

/** A resource limit of the command. */
export interface Rlimit {
  /** `RLIMIT_NOFILE` and its like. */
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** The command. */
export interface Process {
  readonly terminal?: boolean;
  /** Absolute path inside. */
  readonly cwd: string;
  /** `K=V` */
  readonly env?: readonly string[];
  /** The command, then its arguments. */
  readonly args: readonly string[];
  readonly user: User;
  readonly capabilities?: Capabilities;
  readonly rlimits?: readonly Rlimit[];
  readonly noNewPrivileges?: boolean;
  /** From -1000 to 1000. */
  readonly oomScoreAdj?: number;
}

/** The kinds of namespace, by the specification's names. */
export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

/** A namespace to make or, with a path, to join. */
export interface Namespace {
  readonly type: NamespaceType;
  readonly path?: string;
}

/** How far a clock of the container is ahead of the host's. */
export interface TimeOffset {
  readonly secs?: number;
  readonly nanosecs?: number;
}

/** What only Linux has. */
export interface Linux {
  readonly namespaces?: readonly Namespace[];
  readonly timeOffsets?: { readonly monotonic?: TimeOffset; readonly boottime?: TimeOffset };
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

/** A whole container. */
export interface Spec {
  readonly ociVersion: string;
  readonly root: { readonly path: string; readonly readonly?: boolean };
  readonly mounts?: readonly Mount[];
  readonly process: Process;
  readonly hostname?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
}
