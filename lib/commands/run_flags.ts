/**
 * The flags of `libflux run`, and what they mean as options of the library.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { parseDevice } from "../spec/parse_device.ts";
import { parseLog } from "../spec/log_options.ts";
import { parseBind, parseMount, parseTmpfs } from "../spec/mounts.ts";
import { checkName, type RunOptions } from "../spec/options.ts";
import { checkRestart, type RestartPolicy } from "../spec/restart.ts";
import type { Mount } from "../spec/types.ts";
import { ENVIRONMENT_FLAGS, readEnvironment } from "./environment_flags.ts";
import { type Flag, type Parsed, parseFlags } from "./flags.ts";
import { LIMIT_FLAGS, PROCESS_LIMIT_FLAGS, readLimits, readScore, readUlimits } from "./limit_flags.ts";
import { NETWORK_FLAGS, readNetworkOptions } from "./network_flags.ts";
import { readSecurity, SECURITY_FLAGS } from "./security_flags.ts";
import { HEALTH_FLAGS, readHealth } from "./health_flags.ts";
import { readSeconds, readSignal, SIGNAL_NAMES } from "./signal_flags.ts";
import { readUsers, USER_FLAGS } from "./user_flags.ts";

/** All of them. */
export const RUN_FLAGS: readonly Flag[] = [
  {
    name: "image",
    value: "DIR",
    help: "the root filesystem: a directory; / (default) is this host's own, copy-on-write",
  },
  { name: "writable", help: "write changes into the image instead of throwing them away" },
  { name: "read-only", help: "make the root filesystem read-only" },
  {
    name: "bind",
    short: "v",
    aliases: ["volume"],
    value: "SRC:DST[:OPT,…]",
    repeated: true,
    help: "show SRC at DST; options: ro, nosuid, nodev, noexec, rshared, …; z, Z: label it for SELinux",
  },
  {
    name: "mount",
    value: "type=…,…",
    repeated: true,
    help: "type=bind,src=SRC,dst=DST[,ro] or type=tmpfs,dst=DST[,tmpfs-size=…]; relabel=shared, private: as z, Z",
  },
  {
    name: "tmpfs",
    value: "DST[:OPT,…]",
    repeated: true,
    help: "an empty filesystem in memory at DST; options: size=64m, mode=1777, …",
  },
  {
    name: "device",
    value: "SRC[:DST[:rwm]]",
    repeated: true,
    help: "give it a device of this host's, or a directory of them: /dev/fuse, /dev/kvm:/dev/kvm:rw",
  },
  ...ENVIRONMENT_FLAGS,
  { name: "workdir", short: "w", value: "DIR", complete: {}, help: "the working directory inside" },
  ...USER_FLAGS,
  { name: "hostname", value: "NAME", help: "the host name inside; the container's name by default" },
  { name: "init", help: "a PID 1 that reaps and forwards signals (default); --no-init: the command is PID 1" },
  { name: "tty", short: "t", help: "give the command a terminal (default when run from one); --no-tty: don't" },
  { name: "interactive", short: "i", help: "pass standard input on (default); --no-interactive: don't" },
  { name: "label", short: "l", value: "K=V", repeated: true, help: "a label, for 'libflux ps --filter label=K=V'" },
  {
    name: "detach",
    short: "d",
    help: "start it in the background and print its name; with -t, -i: for 'libflux attach'",
  },
  {
    name: "restart",
    value: "POLICY",
    complete: { choices: ["no", "on-failure", "on-failure:", "always"] },
    help: "with --detach, start it again when it ends: no (default), on-failure[:N] or always",
  },
  ...HEALTH_FLAGS,
  { name: "stop-signal", value: "SIGNAL", complete: SIGNAL_NAMES, help: "what asks it to end; SIGTERM by default" },
  { name: "stop-timeout", value: "SECONDS", help: "how long it has then before it is killed; 10 by default" },
  { name: "rm", help: "keep no record and no log of it when it has ended" },
  { name: "replace", help: "end a container of the same name first" },
  {
    name: "log-driver",
    value: "file|journald|syslog|none",
    help: "where its output is logged: file by default",
  },
  {
    name: "log-opt",
    value: "OPT=VALUE",
    repeated: true,
    help: "max-size=SIZE (10m by default, -1: no end) and max-file=NUMBER (3) of the log",
  },
  ...NETWORK_FLAGS,
  { name: "pid", value: "private|host", help: "whose processes are seen inside" },
  { name: "ipc", value: "private|host", help: "whose IPC objects are seen inside" },
  { name: "uts", value: "private|host", help: "whose host name is seen inside" },
  { name: "time-offset", value: "SECONDS", help: "how far the monotonic and boot-time clocks are ahead inside" },
  ...LIMIT_FLAGS,
  ...PROCESS_LIMIT_FLAGS,
  ...SECURITY_FLAGS,
  { name: "quiet", short: "q", help: "say nothing of libflux's own, errors apart" },
  { name: "time", help: "show at the end where the time went" },
];

function choice<T extends string>(flags: Parsed, name: string, choices: readonly T[]): T | undefined {
  const value = flags.value(name);
  if (value === undefined) return undefined;
  const found = choices.find((one) => one === value);
  if (found === undefined) throw new UsageError(`--${name} is ${choices.join(" or ")}, not "${printable(value)}"`);
  return found;
}

function parseLabel(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  if (key === "") throw new UsageError(`"${printable(text)}" is no label`, { hint: "write --label K=V" });
  return [key, at < 0 ? "" : text.slice(at + 1)];
}

function readRestart(flags: Parsed): RestartPolicy | undefined {
  const text = flags.value("restart");
  if (text === undefined) return undefined;
  const policy = checkRestart(text);
  if (flags.on("detach") === true || policy === "no") return policy;
  throw new UsageError("a container in the foreground isn't started again when it has ended", {
    hint: "add --detach, or leave out --restart",
  });
}

/** A parsed `run` command line. */
export interface RunCommandLine {
  readonly options: RunOptions & { readonly name: string };
  /** `--tty` and `--no-tty`; nothing where it is left to the streams. */
  readonly tty: boolean | undefined;
  /** `--interactive` and `--no-interactive`; nothing where neither was given. */
  readonly interactive: boolean | undefined;
  readonly detach: boolean;
  /** `--rm` */
  readonly remove: boolean;
  readonly quiet: boolean;
  readonly time: boolean;
}

/** Reads the arguments of `run`. Throws a `UsageError` where they are wrong; nothing comes back for `--help`. */
export function parseRun(command: string, args: readonly string[]): RunCommandLine | undefined {
  const flags = parseFlags(command, RUN_FLAGS, args);
  if (flags.on("help") === true) return undefined;
  const [name, ...extra] = flags.positional;
  const form = `write libflux ${command} NAME --image ROOTFS -- COMMAND [ARGUMENT…]`;
  if (name === undefined) throw new UsageError("the container has no name", { hint: form });
  if (extra.length > 0) {
    throw new UsageError(`"${printable(extra[0] ?? "")}" comes after the name and before '--'`, {
      hint: `the command goes after '--': ${form}`,
    });
  }
  checkName(name);
  if (flags.rest === undefined || flags.rest.length === 0) {
    throw new UsageError("there is no command to run", { hint: form });
  }
  const mounts: Mount[] = [
    ...flags.values("bind").map(parseBind),
    ...flags.values("mount").map(parseMount),
    ...flags.values("tmpfs").map(parseTmpfs),
  ];
  const devices = flags.values("device").map(parseDevice);
  const env = readEnvironment(flags);
  const offset = flags.value("time-offset");
  if (offset !== undefined && !/^[+-]?[0-9]{1,12}$/.test(offset)) {
    throw new UsageError(`--time-offset is a whole number of seconds, not "${printable(offset)}"`);
  }
  const given = {
    image: flags.value("image"),
    writable: flags.on("writable"),
    readOnly: flags.on("read-only"),
    workdir: flags.value("workdir"),
    ...readUsers(flags),
    hostname: flags.value("hostname"),
    init: flags.on("init"),
    replace: flags.on("replace"),
    log: parseLog(flags.value("log-driver"), flags.values("log-opt")),
    restart: readRestart(flags),
    health: readHealth(flags),
    stopSignal: readSignal(flags, "stop-signal"),
    stopTimeout: readSeconds(flags, "stop-timeout"),
    root: flags.value("root"),
    ...readNetworkOptions(flags),
    pid: choice(flags, "pid", ["private", "host"]),
    ipc: choice(flags, "ipc", ["private", "host"]),
    uts: choice(flags, "uts", ["private", "host"]),
    timeOffset: offset === undefined ? undefined : Number(offset),
    devices: devices.length === 0 ? undefined : devices,
    limits: readLimits(flags),
    ulimits: readUlimits(flags),
    oomScoreAdj: readScore(flags),
    cgroupParent: flags.value("cgroup-parent"),
    ...readSecurity(flags),
    cgroupManager: choice(flags, "cgroup-manager", ["auto", "cgroupfs", "systemd"]),
  };
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    options: {
      ...defined,
      name,
      command: flags.rest,
      mounts,
      env,
      labels: Object.fromEntries(flags.values("label").map(parseLabel)),
    },
    tty: flags.on("tty"),
    interactive: flags.on("interactive"),
    detach: flags.on("detach") ?? false,
    remove: flags.on("rm") ?? false,
    quiet: flags.on("quiet") ?? false,
    time: flags.on("time") ?? false,
  };
}
