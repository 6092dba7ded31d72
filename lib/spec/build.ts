/**
 * RunOptions → Spec: docker's and podman's defaults, spelled out. Pure.
 *
 * @module
 */
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { UsageError } from "../errors.ts";
import { defaultSeccomp } from "../seccomp/filters.ts";
import { type Profile, resolveProfile } from "../seccomp/profile.ts";
import type { Seccomp } from "../seccomp/types.ts";
import { type Account, parseGroups, parsePasswd, resolveGroups, resolveUser } from "../users.ts";
import { capabilitiesOf, wishOf } from "./capabilities.ts";
import { DEFAULT_PATH } from "./defaults.ts";
import { labelsOf, type SelinuxContexts } from "./labels.ts";
import { hostId, type IdMaps, KEEP_GROUPS } from "./id_maps.ts";
import { checkNodes, collides, deviceRules, type FoundDevice } from "./device_rules.ts";
import { toResources } from "./limits.ts";
import { RELABEL_OPTIONS } from "./check_mount.ts";
import { checkOptions, type RunOptions } from "./options.ts";
import { protectedPaths } from "./security.ts";
import type { Capabilities, IdMapping, Mount, NamespaceType, Rlimit, Spec } from "./types.ts";

/** What the host and the image say. */
export interface Facts {
  /** The container's name. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** The image's absolute path, all symlinks resolved. */
  readonly image: string;
  /** The image's `/etc/passwd`; empty where there is none. */
  readonly passwd: string;
  /** The image's `/etc/group`; empty where there is none. */
  readonly group: string;
  /** The host's own host name. */
  readonly hostname: string;
  /** The limit of open files that the command inherits from the caller, where libflux's own is another. */
  readonly fileLimit?: Rlimit | undefined;
  /** Where the network namespace is that it joins; nothing where it gets its own or has the host's. */
  readonly networkPath?: string;
  /** The capabilities that libflux itself has, asked where some are to be added; none if left out. */
  readonly capabilities?: () => readonly string[];
  /** The devices that the caller named, as they are on the host. */
  readonly devices?: readonly FoundDevice[];
  /** All devices of the host's, where the container is to have them. */
  readonly hostDevices?: readonly FoundDevice[];
  /** Whether the host has rules about devices; none if left out. */
  readonly hasDeviceRules?: boolean;
  /** What it runs on: which syscalls there are. */
  readonly architecture: Architecture;
  /** The seccomp profile that the caller gave, and the kernel's release, which it may ask for. */
  readonly profile?: { readonly content: Profile; readonly kernel: string };
  /** What its users are on the host, where it gets a user namespace. */
  readonly ids?: IdMaps | undefined;
  /** The AppArmor profile; none if left out. */
  readonly apparmor?: string | undefined;
  /** What the host's SELinux policy says of containers, where this one is to have a label. */
  readonly selinux?: SelinuxContexts | undefined;
  /** The level that is its own; that of all if left out. */
  readonly level?: string | undefined;
  /** `linux.cgroupsPath`: a path, or "slice:prefix:name" where systemd manages cgroups. */
  readonly cgroupsPath: string;
}

/** What the host has at the same place: of another's namespace no filesystem can be mounted. */
function hosts(destination: string, ...more: readonly string[]): Mount {
  return {
    destination,
    type: "bind",
    source: destination,
    options: ["rbind", "nosuid", "noexec", "nodev", ...more],
  };
}

/** The group of terminals, the same in every distribution. */
const TTY = 5;

/** The filesystems that every container has. Sizes as in docker. */
function systemMounts(options: RunOptions, { ids, networkPath }: Facts): Mount[] {
  const isNested = ids !== undefined;
  const access = options.privileged === true ? "rw" : "ro";
  if (isNested && options.pid === "host" && (options.procOptions ?? []).length > 0) {
    throw new UsageError("with --pid host and users of its own the container has the host's /proc as it is", {
      hint: "leave out --security-opt proc-opts, or --pid host",
    });
  }
  const hasGroup = ids === undefined || hostId(ids.gids, TTY) !== undefined;
  const shm: Mount = options.ipc === "host" ? hosts("/dev/shm") : {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  };
  return [
    isNested && options.pid === "host" ? hosts("/proc") : {
      destination: "/proc",
      type: "proc",
      source: "proc",
      options: ["nosuid", "noexec", "nodev", ...options.procOptions ?? []],
    },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ...hasGroup ? [`gid=${TTY}`] : [],
      ],
    },
    shm,
    // Its queues can be had without.
    ...isNested && options.ipc === "host" ? [] : [
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    ],
    isNested && (options.network === "host" || networkPath !== undefined)
      ? hosts("/sys", "ro")
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", access] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup2",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", options.writableCgroups === true ? "rw" : access],
    },
  ];
}

/**
 * A mount of the user's replaces one of the system's on the same place. Those that lie below others come after them, in
 * whatever order they were given, as in docker: the one above would hide them.
 */
function mergeMounts(system: readonly Mount[], user: readonly Mount[]): Mount[] {
  const normal = (path: string): string =>
    "/" + path.split("/").filter((part) => part !== "" && part !== ".").join("/");
  const mine = user.map((mount) => ({
    ...mount,
    destination: normal(mount.destination),
    // What is done before there is a container is no part of its mounts.
    ...(mount.options === undefined
      ? {}
      : { options: mount.options.filter((option) => !RELABEL_OPTIONS.includes(option)) }),
  }));
  const taken = new Set<string>();
  for (const { destination } of mine) {
    if (taken.has(destination)) {
      throw new UsageError(`two mounts go to ${destination}`, { path: destination, hint: "leave one out" });
    }
    taken.add(destination);
    if (destination === "/dev" || destination === "/sys") {
      throw new UsageError(`nothing may be mounted over ${destination}`, { path: destination });
    }
  }
  const depth = ({ destination }: Mount): number => destination.split("/").length;
  mine.sort((a, b) => depth(a) - depth(b));
  return [...system.filter(({ destination }) => !taken.has(destination)), ...mine];
}

/** Builds the spec. Throws a `UsageError` where an option can't be. */
export function buildSpec(options: RunOptions, facts: Facts): Spec {
  checkOptions(options);
  const account = accountOf(options, facts);
  const { ids } = facts;
  const hostname = options.uts === "host" ? facts.hostname : options.hostname ?? defaultHostname(facts.name);
  const shared = new Set<NamespaceType>();
  if (options.network === "host" || facts.networkPath !== undefined) shared.add("network");
  if (options.pid === "host") shared.add("pid");
  if (options.ipc === "host") shared.add("ipc");
  if (options.uts === "host") shared.add("uts");
  const kinds: readonly NamespaceType[] = ["mount", "pid", "ipc", "uts", "cgroup", "network"];
  const env: Record<string, string> = {
    PATH: DEFAULT_PATH,
    HOME: account.home,
    HOSTNAME: hostname,
    ...(options.terminal === undefined ? {} : { TERM: "xterm" }),
    // What programs inside ask for to learn that they are in a container, and in whose.
    container: "libflux",
    ...options.env,
  };
  const paths = protectedPaths(options);
  const rlimits = withInherited(options.ulimits, facts.fileLimit);
  const offset = { secs: options.timeOffset ?? 0 };
  const labels = options.selinux === "disable" || facts.selinux === undefined
    ? undefined
    : labelsOf(options.selinux ?? {}, facts.selinux, facts.level ?? "s0");
  const hasRules = facts.hasDeviceRules;
  const capabilities = capabilitiesOf(account.uid, wishOf(options), facts.capabilities ?? (() => []), hasRules);
  const { devices = [], hostDevices = [] } = facts;
  const named = devices.map(({ node }) => node);
  checkNodes(named);
  // What was asked for by name wins.
  const nodes = [...named, ...hostDevices.map(({ node }) => node).filter((one) => !collides(one, named))];
  const seccomp = seccompOf(options, facts, capabilities);
  return {
    ociVersion: "1.2.0",
    root: { path: facts.image, ...(options.readOnly === true ? { readonly: true } : {}) },
    mounts: mergeMounts(systemMounts(options, facts), options.mounts ?? []),
    process: {
      ...(options.terminal === undefined ? {} : { terminal: true }),
      cwd: options.workdir ?? "/",
      env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
      args: options.command,
      user: {
        uid: account.uid,
        gid: account.gid,
        ...(account.groups.length === 0 ? {} : { additionalGids: account.groups }),
      },
      capabilities,
      noNewPrivileges: options.noNewPrivileges ?? options.privileged !== true,
      ...(rlimits === undefined ? {} : { rlimits }),
      ...(options.oomScoreAdj === undefined ? {} : { oomScoreAdj: options.oomScoreAdj }),
      ...(facts.apparmor === undefined ? {} : { apparmorProfile: facts.apparmor }),
      ...(labels === undefined ? {} : { selinuxLabel: labels.process }),
    },
    ...(options.uts === "host" ? {} : { hostname }),
    ...(options.labels === undefined ? {} : { annotations: options.labels }),
    linux: {
      cgroupsPath: facts.cgroupsPath,
      resources: {
        ...toResources(options.limits ?? {}),
        // Without rules all devices of the host's can be used.
        ...(options.privileged === true && ids === undefined ? {} : { devices: deviceRules(devices) }),
      },
      ...(nodes.length === 0 ? {} : { devices: nodes }),
      namespaces: [
        ...kinds.filter((type) => !shared.has(type)).map((type) => ({ type })),
        ...(facts.networkPath === undefined ? [] : [{ type: "network" as const, path: facts.networkPath }]),
        ...(ids === undefined ? [] : [{ type: "user" as const }]),
        ...(options.timeOffset === undefined ? [] : [{ type: "time" as const }]),
      ],
      ...(ids === undefined ? {} : { uidMappings: ids.uids, gidMappings: ids.gids }),
      ...(options.timeOffset === undefined ? {} : { timeOffsets: { monotonic: offset, boottime: offset } }),
      ...(options.sysctls === undefined ? {} : { sysctl: options.sysctls }),
      maskedPaths: paths.masked,
      readonlyPaths: paths.readonly,
      ...(labels === undefined ? {} : { mountLabel: labels.mount }),
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
}

/** Who runs the command. Throws a `UsageError` where there is no such user, or the container hasn't got its ids. */
export function accountOf(
  { user, groupAdd = [] }: Pick<RunOptions, "user" | "groupAdd">,
  { passwd, group, ids }: Pick<Facts, "passwd" | "group"> & { readonly ids?: Omit<IdMaps, "writer"> | undefined },
): Account {
  const groups = parseGroups(group);
  const account = resolveUser(user ?? ids?.user ?? "0", parsePasswd(passwd), groups);
  const added = resolveGroups(groupAdd.filter((text) => text !== KEEP_GROUPS), groups);
  if (ids === undefined) return { ...account, groups: [...new Set([...account.groups, ...added])] };
  requireMapped(ids.uids, account.uid, "user");
  for (const gid of [account.gid, ...added]) requireMapped(ids.gids, gid, "group");
  // Of those that the image alone names, what stands for nobody here can't be had.
  const own = account.groups.filter((gid) => hostId(ids.gids, gid) !== undefined);
  return { ...account, groups: [...new Set([...own, ...added])] };
}

function requireMapped(lines: readonly IdMapping[], id: number, what: "user" | "group"): void {
  if (hostId(lines, id) !== undefined) return;
  const has = lines.map(({ containerID, size }) =>
    size === 1 ? `${containerID}` : `${containerID}-${containerID + size - 1}`
  );
  throw new UsageError(`the container has no ${what} ${id}: those that it has are ${has.join(", ")}`, {
    hint: lines.length === 1 && lines[0]?.size === 1
      ? "more take ranges in /etc/subuid and /etc/subgid: 'libflux info' tells how to get them"
      : "map it, or use another",
  });
}

/** The filter of its syscalls: capabilities that it can't get need no calls that take them. */
function seccompOf(
  { privileged, seccomp }: RunOptions,
  facts: Facts,
  { bounding = [] }: Capabilities,
): Seccomp | undefined {
  const { architecture, profile } = facts;
  if (seccomp === "unconfined" || seccomp === undefined && privileged === true) return undefined;
  if (profile === undefined) return defaultSeccomp(architecture, bounding);
  return resolveProfile(profile.content, { architecture, kernel: profile.kernel, capabilities: bounding });
}

/** The caller's limit of open files, unless there is to be another. */
function withInherited(ulimits: readonly Rlimit[] | undefined, inherited: Rlimit | undefined) {
  if (inherited === undefined || ulimits?.some(({ type }) => type === inherited.type)) return ulimits;
  return [...ulimits ?? [], inherited];
}

/** A container's name as a host name: what DNS doesn't allow becomes a dash. */
function defaultHostname(name: string): string {
  const text = name.replace(/[^A-Za-z0-9.-]/g, "-").replace(/^[.-]+|[.-]+$/g, "").slice(0, 63);
  return text === "" ? "container" : text;
}
