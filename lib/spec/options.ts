/**
 * What a caller may say about a container, and what is wrong with what was said.
 *
 * @module
 */
import { SIG, type Signal } from "../../ffi/abi/constants.ts";
import { printable, UsageError } from "../errors.ts";
import { checkCapabilities, wishOf } from "./capabilities.ts";
import { checkMount, checkPath } from "./check_mount.ts";
import { checkDevice, type DeviceMapping } from "./device_rules.ts";
import type { HostEntry } from "./addresses.ts";
import { checkNetworkOptions } from "./networks.ts";
import { checkLabels, type SelinuxLabel } from "./labels.ts";
import { checkProcOptions } from "./proc_options.ts";
import { checkSecurity } from "./security.ts";
import type { PortMapping } from "./ports.ts";
import { checkLimits, checkRlimit, isWhole, type Limits } from "./limits.ts";
import { checkHealth, type HealthCheck } from "./health.ts";
import { checkUserNamespace } from "./id_maps.ts";
import { checkLog, type LogOptions } from "./log_options.ts";
import { checkRestart, type RestartPolicy } from "./restart.ts";
import type { IdMapping, Mount, Rlimit } from "./types.ts";

/**
 * Where one of the command's streams goes: as `Deno.Command` has it.
 *
 * @example Throw away what a command writes
 * ```ts
 * import { run, type Stream } from "@libflux/cli/mod";
 *
 * const nowhere: Stream = "null";
 * await using container = await run({ command: ["ls"], stdout: nowhere, stderr: nowhere });
 * console.log((await container.status).code);
 * ```
 */
export type Stream = "inherit" | "piped" | "null";

/**
 * The size of a terminal, in characters.
 *
 * @example A command with a terminal
 * ```ts
 * import { run, type TerminalSize } from "@libflux/cli/mod";
 *
 * const terminal: TerminalSize = { columns: 132, rows: 43 };
 * await using container = await run({ command: ["stty", "size"], terminal });
 * console.log(await new Response(container.stdout).text()); // "43 132"
 * ```
 */
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
  /** Devices of the host's, besides those that every container has: `{ source: "/dev/fuse" }`. */
  readonly devices?: readonly DeviceMapping[];
  /** Environment variables, on top of PATH, HOME, HOSTNAME and TERM. Nothing of the caller's is passed by itself. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory inside, made if it isn't there; `/` if left out. */
  readonly workdir?: string;
  /** `UID[:GID]` or `NAME[:GROUP]`, looked up in the image's own files; root if left out. */
  readonly user?: string;
  /** More groups of the command's, by number or as the image has them; or `keep-groups` alone: those that libflux has. */
  readonly groupAdd?: readonly string[];
  /**
   * Whose users it has. `host`: the host's own, if left out and libflux runs as root. `auto`: from a range of ids that no
   * other container has (`auto:size=N`). `keep-id`: an ordinary user has the same id inside (`keep-id:uid=N,gid=N`: this
   * one). `UID:GID:SIZE`: ids from 0 on are those from UID and GID on of the host's.
   *
   * Who runs libflux without being root is root inside, with `host` as if left out, and all others are from that user's
   * ranges in `/etc/subuid` and `/etc/subgid`.
   */
  readonly userns?: "host" | "auto" | "keep-id" | (string & Record<never, never>);
  /** Its user ids, in place of {@linkcode RunOptions.userns}. */
  readonly uidMap?: readonly IdMapping[];
  /** Its group ids; as the user ids, or they as these, where only one is given. */
  readonly gidMap?: readonly IdMapping[];
  /** The container's host name; its name if left out. */
  readonly hostname?: string;
  /**
   * A PID 1 that reaps and forwards signals above the command; true if left out. Without one, a command that AppArmor or
   * SELinux confines outlives a monitor that was killed, until the next libflux command: the kernel forgets then what it was
   * to end with.
   */
  readonly init?: boolean;
  /** Labels to find it by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** End a container of the same name first. */
  readonly replace?: boolean;
  /** The directory that state is kept in; `/run/libflux` for root if left out. */
  readonly root?: string;
  /**
   * `bridge`: the network of all who name none; any other name: a network that was made for them; `none`: only `lo`;
   * `host`: the host's; `pasta`: connected in user mode, which changes nothing on the host; `container:NAME`: another
   * container's; `ns:PATH`: that of a namespace's file, such as /run/netns/web. If left out `bridge` for root, and for
   * others `pasta` where it is installed.
   */
  readonly network?:
    | "bridge"
    | "none"
    | "host"
    | "pasta"
    | `container:${string}`
    | `ns:${string}`
    | (string & Record<never, never>);
  /** Its IPv4 address on the network; a free one if left out. */
  readonly ip?: string;
  /** Its IPv6 address there. */
  readonly ip6?: string;
  /** Give it an IPv6 address too. */
  readonly ipv6?: boolean;
  /** The address of its network card: "02:00:00:12:34:56". */
  readonly macAddress?: string;
  /** More names that the others on its network know it by. */
  readonly networkAliases?: readonly string[];
  /** Ports of the host that lead to its own. */
  readonly ports?: readonly PortMapping[];
  /** More lines of `/etc/hosts`. */
  readonly addHosts?: readonly HostEntry[];
  /** Addresses of resolvers, in place of the host's. */
  readonly dns?: readonly string[];
  /** Domains that short names are looked up in, in place of the host's; "." is none. */
  readonly dnsSearch?: readonly string[];
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
  /**
   * Take every wall away that is not a namespace: all capabilities that libflux has, no seccomp filter, nothing hidden or
   * read-only of `/proc`, `/sys` and the image's device nodes, new privileges by set-id programs; false if left out. This
   * isolates nothing from whoever is root inside, who can be root of the host at will. What is asked for besides holds.
   */
  readonly privileged?: boolean;
  /** Capabilities besides the usual ones: "NET_RAW", or "ALL" that libflux has. */
  readonly capAdd?: readonly string[];
  /** Capabilities that it doesn't get; "ALL" for none but those that are added. */
  readonly capDrop?: readonly string[];
  /** Whether set-id programs give the command nothing; true if left out, but with `privileged`. */
  readonly noNewPrivileges?: boolean;
  /** Paths that are hidden from it, besides those of the kernel's that are in any case. */
  readonly mask?: readonly string[];
  /** Paths that are neither hidden nor read-only, though they usually are: "/proc/acpi", "/proc/*", or "ALL". */
  readonly unmask?: readonly string[];
  /** Options of `/proc`: "hidepid=2" hides processes of other users', "subset=pid" all but processes. */
  readonly procOptions?: readonly string[];
  /** Settings of the kernel's for its own namespaces: `{ "net.core.somaxconn": "1024" }`. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** A file with a seccomp profile in docker's JSON format, or `unconfined`; libflux's own profile if left out, none with `privileged`. */
  readonly seccomp?: "unconfined" | (string & Record<never, never>);
  /**
   * The AppArmor profile, or `unconfined` for none. If left out `libflux-default` where AppArmor is active and libflux runs
   * as root, but none with `privileged`.
   */
  readonly apparmor?: "unconfined" | (string & Record<never, never>);
  /**
   * What of the SELinux label is other than the host's policy has for containers, or `disable` for none. If left out the
   * policy's own, where SELinux is active and the policy lets libflux give it; none with `privileged`, `writable`, or the
   * host's `pid` or `ipc` namespace.
   */
  readonly selinux?: "disable" | SelinuxLabel;
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
  /** Keep no record and no log of it when it has ended. */
  readonly remove?: boolean;
  /** Gives the command a terminal of this size, in place of the three streams. */
  readonly terminal?: TerminalSize;
  /** What is kept of what it writes, for `logs()`; nothing if left out, and it isn't detached. */
  readonly log?: LogOptions;
  /** Whether it is started again when it has ended; `no` if left out. Of detached containers only. */
  readonly restart?: RestartPolicy;
  /** What is run in it again and again to see whether all is well. Of detached containers only. */
  readonly health?: HealthCheck;
  /** The signal by which it is asked to end; SIGTERM if left out. */
  readonly stopSignal?: Signal;
  /** Seconds that it has to end then before it is killed; 10 if left out. */
  readonly stopTimeout?: number;
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
    ["the state directory", options.root],
    ["the seccomp profile", options.seccomp],
    ...(options.groupAdd ?? []).map((text) => ["a group", text] as const),
    ...options.command.map((text) => ["the command", text] as const),
    ...Object.entries(options.labels ?? {}).flat().map((text) => ["a label", text] as const),
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
  for (const device of options.devices ?? []) checkDevice(device);
  if (options.limits !== undefined) checkLimits(options.limits);
  for (const limit of options.ulimits ?? []) checkRlimit(limit);
  if (options.oomScoreAdj !== undefined && !isWhole(options.oomScoreAdj, -1000, 1000)) {
    throw new UsageError(`the OOM score adjustment is a whole number from -1000 to 1000, not ${options.oomScoreAdj}`);
  }
  if (options.terminal !== undefined) checkSize(options.terminal);
  if (options.cgroupParent !== undefined) checkCgroup(options.cgroupParent);
  if (options.stopSignal !== undefined && !Object.hasOwn(SIG, options.stopSignal)) {
    throw new UsageError(`there is no signal ${printable(options.stopSignal)}`, { hint: "such as SIGTERM or SIGQUIT" });
  }
  if (options.stopTimeout !== undefined && !(Number.isFinite(options.stopTimeout) && options.stopTimeout >= 0)) {
    throw new UsageError(`a container can't be given ${options.stopTimeout} seconds to end`, {
      hint: "give 0 or more",
    });
  }
  if (options.health !== undefined) checkHealth(options.health);
  if (options.log !== undefined) checkLog(options.log);
  if (options.restart !== undefined) checkRestart(options.restart);
  checkUserNamespace(options);
  checkNetworkOptions(options);
  checkCapabilities(wishOf(options));
  checkSecurity(options);
  checkLabels(options);
  checkProcOptions(options);
}

/** Throws a {@link UsageError} unless a size can be a terminal's: `struct winsize` has 16 bits for each number. */
export function checkSize({ columns, rows }: TerminalSize): void {
  if (isWhole(columns, 0, 0xffff) && isWhole(rows, 0, 0xffff)) return;
  throw new UsageError(`a terminal has from 0 to 65535 columns and rows, not ${columns}x${rows}`);
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
