/**
 * What a caller may say about a container, and what is wrong with what was said.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";

export { printable };
import { checkLimits, type Limits } from "./limits.ts";
import type { Mount, Rlimit } from "./types.ts";

/** Where one of the command's streams goes: as `Deno.Command` has it. */
export type Stream = "inherit" | "piped" | "null";

/** The size of a terminal, in characters. */
export interface TerminalSize {
  /** Characters in a line. */
  readonly columns: number;
  /** Lines. */
  readonly rows: number;
}

/**
 * What {@linkcode run} makes a container of.
 *
 * @example A read-only container with a scratch directory
 * ```ts
 * import { run, type RunOptions } from "@libflux/cli/mod";
 *
 * const options: RunOptions = {
 *   name: "scratch",
 *   command: ["sh", "-c", "echo $GREETING >/scratch/file; cat /scratch/file"],
 *   env: { GREETING: "hello" },
 *   readOnly: true,
 *   mounts: [{ destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["size=1m"] }],
 * };
 * await using container = await run(options);
 * console.log(await new Response(container.stdout).text());
 * ```
 */
export interface RunOptions {
  /** Its name: letters, digits, `_ + - .`, at most 64; one is made up if left out. */
  readonly name?: string;
  /** A directory with a root filesystem; `/`, the host's own, if left out. */
  readonly image?: string;
  /** The command and its arguments; looked up in the container's PATH. */
  readonly command: readonly string[];
  /** Write changes into the image instead of throwing them away. */
  readonly writable?: boolean;
  /** Make the root filesystem read-only. */
  readonly readOnly?: boolean;
  /** More mounts, on top of `/proc`, `/sys`, `/dev`: `{ destination, type: "bind" | "tmpfs", source, options }`. */
  readonly mounts?: readonly Mount[];
  /** Environment variables, on top of PATH, HOME, HOSTNAME and TERM. Nothing of the caller's is passed by itself. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory inside, made if it isn't there; `/` if left out. */
  readonly workdir?: string;
  /** `UID[:GID]` or `NAME[:GROUP]`, looked up in the image's own files; root if left out. */
  readonly user?: string;
  /** The container's host name; its name if left out. */
  readonly hostname?: string;
  /** A PID 1 that reaps and forwards signals above the command; true if left out. */
  readonly init?: boolean;
  /** Labels to find it by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** End a container of the same name first. */
  readonly replace?: boolean;
  /** The directory that state is kept in; `/run/libflux` for root if left out. */
  readonly root?: string;
  /** `none`: only `lo`; `host`: the host's. `none` if left out. */
  readonly network?: "none" | "host";
  /** Whose processes are seen; `private` if left out. */
  readonly pid?: "private" | "host";
  /** Whose System V and POSIX IPC is seen; `private` if left out. */
  readonly ipc?: "private" | "host";
  /** Whose host name is seen; `private` if left out. */
  readonly uts?: "private" | "host";
  /** Seconds that `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` are ahead inside. */
  readonly timeOffset?: number;
  /** How much it may use. */
  readonly limits?: Limits;
  /** Resource limits of the command: `{ type: "RLIMIT_NOFILE", soft, hard }`. */
  readonly ulimits?: readonly Rlimit[];
  /** How soon the kernel kills it when the host is short of memory, from -1000 to 1000. */
  readonly oomScoreAdj?: number;
  /**
   * The cgroup to make the container's in, counted from the root of the hierarchies: "/my/group"; the root if left out.
   * With systemd a slice: "my.slice"; `machine.slice` if left out, `user.slice` of an ordinary user's.
   */
  readonly cgroupParent?: string;
  /** Let it make cgroups of its own below the one that it is in; false if left out. Takes v2, mounted with `nsdelegate`. */
  readonly writableCgroups?: boolean;
  /** Who makes the cgroups; `auto` if left out: systemd where it is PID 1 and v2 has all controllers. */
  readonly cgroupManager?: "auto" | "cgroupfs" | "systemd";
  /** Ask the cgroups at the end what was used: `ContainerStatus.usage`. */
  readonly measure?: boolean;
  /** `null` if left out. */
  readonly stdin?: Stream;
  /** `piped` if left out. */
  readonly stdout?: Stream;
  /** `piped` if left out. */
  readonly stderr?: Stream;
  /** Gives the command a terminal of this size, in place of the three streams. */
  readonly terminal?: TerminalSize;
  /** Kills the container when it fires. */
  readonly signal?: AbortSignal;
}

/** SECURITY.md, rule 5. */
const NAME = /^[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,63}$/;

/** Whether a name can be a container's. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

/** Throws a {@link UsageError} unless a name can be a container's. */
export function checkName(name: string): void {
  if (isName(name)) return;
  throw new UsageError(`"${printable(name)}" can't be a container's name`, {
    hint: "use 1 to 64 letters, digits, '_', '+', '-' or '.', the first not a '.'",
  });
}

/** Throws a {@link UsageError} that names the first option that can't be. */
export function checkOptions(options: RunOptions): void {
  if (options.name !== undefined) checkName(options.name);
  const texts: readonly (readonly [string, string | undefined])[] = [
    ["the image", options.image],
    ["the working directory", options.workdir],
    ["the user", options.user],
    ["the host name", options.hostname],
    ...options.command.map((text) => ["the command", text] as const),
    ...Object.entries(options.env ?? {}).flatMap(([key, value]) =>
      [["an environment variable", key], [key, value]] as const
    ),
  ];
  for (const [what, text] of texts) {
    if (text?.includes("\0") === true) {
      throw new UsageError(`${printable(what)} has a NUL character in it: "${printable(text)}"`);
    }
  }
  if (options.image === "") {
    throw new UsageError("the image's path is empty", { hint: "give a directory with a root filesystem" });
  }
  if (options.command.length === 0 || options.command[0] === "") {
    throw new UsageError("there is no command to run", {
      hint: "put it after '--': libflux run NAME --image ROOTFS -- COMMAND [ARGUMENT…]",
    });
  }
  for (const key of Object.keys(options.env ?? {})) {
    if (key === "" || key.includes("=")) {
      throw new UsageError(`"${printable(key)}" can't be the name of an environment variable`);
    }
  }
  if (options.workdir !== undefined) checkPath(options.workdir, "the working directory");
  if (options.hostname !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/.test(options.hostname)) {
    throw new UsageError(`"${printable(options.hostname)}" can't be a host name`, {
      hint: "use at most 64 letters, digits, '-', '_' and '.'",
    });
  }
  if (options.uts === "host" && options.hostname !== undefined) {
    throw new UsageError("with the host's UTS namespace the container has no host name of its own", {
      hint: "leave out --hostname or --uts host",
    });
  }
  if (options.timeOffset !== undefined && !Number.isSafeInteger(options.timeOffset)) {
    throw new UsageError(`the time offset ${options.timeOffset} is no whole number of seconds`);
  }
  for (const mount of options.mounts ?? []) checkMount(mount);
  if (options.limits !== undefined) checkLimits(options.limits);
  if (options.cgroupParent !== undefined) checkCgroup(options.cgroupParent);
}

/** SECURITY.md, rule 5. */
function checkCgroup(path: string): void {
  // A slice of systemd's: the manager looks at it.
  if (/^[^/\0]+\.slice$/.test(path)) return;
  if (/^(\/[^/\0]+)+$/.test(path) && !path.split("/").some((part) => part === "." || part === "..")) return;
  throw new UsageError(`"${printable(path)}" can't be the cgroup above the container's`, {
    hint: "write it from the root of the hierarchy, without '.' and '..': /my/group; or a slice: my.slice",
  });
}

/** Throws unless a path inside is absolute and has no `..`. */
export function checkPath(path: string, what: string): void {
  if (!path.startsWith("/")) {
    throw new UsageError(`${what} must be an absolute path inside the container, and "${printable(path)}" isn't`, {
      path,
      hint: `write /${printable(path)}`,
    });
  }
  if (path.split("/").includes("..")) {
    throw new UsageError(`${what} must not have ".." in it: "${printable(path)}"`, { path });
  }
}

/** What `lxcfs` and its like may cover below `/proc` (CVE-2019-16884). */
const PROC_TARGETS = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/net/dev",
  "/proc/sys/kernel/ns_last_pid",
]);

/** Whether a mount is a bind: by its type or, as in the OCI specification, by its options. */
export function isBind({ type, options = [] }: Mount): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

function checkMount(mount: Mount): void {
  const { destination, source, type, options = [] } = mount;
  checkPath(destination, "a mount's destination");
  const normal = "/" + destination.split("/").filter((part) => part !== "" && part !== ".").join("/");
  if (normal === "/") {
    throw new UsageError("nothing can be mounted over the container's root", {
      path: destination,
      hint: "use --image to choose another root",
    });
  }
  if ((normal === "/proc" || normal.startsWith("/proc/")) && !PROC_TARGETS.has(normal)) {
    throw new UsageError(`nothing may be mounted over ${normal}`, {
      path: destination,
      hint: "below /proc only the files that lxcfs serves can be covered, such as /proc/meminfo",
    });
  }
  for (const text of [destination, source ?? "", type ?? "", ...options]) {
    if (text.includes("\0")) throw new UsageError(`a mount has a NUL character in it: "${printable(text)}"`);
  }
  if (isBind(mount) && (source === undefined || !source.startsWith("/"))) {
    throw new UsageError(
      `the source of the bind on ${destination} must be an absolute path, and "${printable(source ?? "")}" isn't`,
      { path: destination },
    );
  }
}
