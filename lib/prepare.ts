/**
 * From what the caller said to a launch program: looks at the host, changes nothing on it.
 *
 * @module
 */
import { E, SIG } from "../ffi/abi/constants.ts";
import { ARCHITECTURE, checked } from "../ffi/libc.ts";
import { isType, stat } from "../ffi/stat.ts";
import type { LaunchProgram } from "../ffi/program.ts";
import { callersFileLimit, callersPath } from "./caller.ts";
import { cgroupFacts, hasDeviceRules, managerFacts, planContainer } from "./cgroups/host.ts";
import { cgroupsPath, chooseManager } from "./cgroups/manager.ts";
import type { CgroupPlan } from "./cgroups/plan.ts";
import { CAPABILITIES } from "./spec/capabilities.ts";
import { compile, type Launch, wantsLandlock } from "./compile/mod.ts";
import { errnoText, ImageError, PermissionError, printable, UsageError } from "./errors.ts";
import { appArmorAttributes, landlockVersion, profileOf } from "./labels.ts";
import { mayBeConfined, selinuxContexts } from "./selinux.ts";
import { lastCapability, ownCapabilities, ownLimit } from "./privileges.ts";
import { readProfile } from "./seccomp/read.ts";
import { buildSpec } from "./spec/build.ts";
import { isBind } from "./spec/check_mount.ts";
import { hasUserNamespace, hostId, type IdMaps, KEEP_GROUPS, planIds } from "./spec/id_maps.ts";
import { checkBoundDevices, findDevices, hostDevices } from "./spec/devices.ts";
import { levelOf, pairsOf } from "./spec/labels.ts";
import { checkOptions, type RunOptions } from "./spec/options.ts";
import type { Spec } from "./spec/types.ts";
import { type HostFiles, networkFiles, type Place } from "./network/files.ts";
import { networkPath } from "./network/join.ts";
import { findPasta } from "./network/pasta.ts";
import { checkUsersNetwork, defaultNetwork } from "./spec/networks.ts";
import { readIfThere } from "./store/directory.ts";
import { idOwner } from "./user_namespace.ts";
import { adoptedDirectories, mountPoints, partsOf } from "./rootfs/parts.ts";
import { layOut } from "./streams.ts";
import { readInRoot } from "./users.ts";

/** A container that could be started. */
export interface Prepared {
  readonly name: string;
  readonly spec: Spec;
  /** What the compiler is told beside, but for the files of the network. */
  readonly launch: Omit<Launch, "files">;
  /** The cgroups to make before it starts. */
  readonly cgroups: CgroupPlan;
  /** The cgroup of v2 from which on down controllers are libflux's to hand down; nothing where there is no v2. */
  readonly top: string | undefined;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** What its users are on the host, where it gets a user namespace. */
  readonly ids: IdMaps | undefined;
  /** The number of the pair of SELinux categories that is its own, where it has one. */
  readonly pair: number | undefined;
}

/** Takes the first of these that no other container has; nothing where each is taken. */
export type Take = (what: "ids" | "categories", starts: Iterable<number>, size: number) => number | undefined;

const decoder = new TextDecoder();

/** The image's absolute path without symlinks. Throws an `ImageError` where it can't be a root filesystem. */
function resolveImage(options: RunOptions): string {
  const path = options.image ?? "/";
  const shown = printable(path);
  let resolved: string;
  try {
    resolved = Deno.realPathSync(callersPath(path));
    if (kindOf(resolved) === "file") {
      throw new ImageError(`the image ${shown} is a file and not a directory`, {
        path,
        hint: "unpack it into a directory first: libflux runs directories with a root filesystem",
      });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new ImageError(`there is no image ${shown}`, {
        path,
        hint: "--image takes a directory with a root filesystem",
        cause: error,
      });
    }
    if (error instanceof Deno.errors.NotADirectory) {
      throw new ImageError(`the image ${shown} is below a file and not below a directory`, { path, cause: error });
    }
    if (error instanceof Deno.errors.FilesystemLoop || /os error 36/.test(String(error))) {
      const why = error instanceof Deno.errors.FilesystemLoop
        ? "it is a loop of symbolic links"
        : "its name is too long";
      throw new ImageError(`the image ${shown} can't be found: ${why}`, { path, cause: error });
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new PermissionError(`the image ${shown} can't be read: permission denied`, { path, cause: error });
    }
    throw error;
  }
  if (resolved === "/" && options.writable === true) {
    throw new UsageError("--writable with the image / would change this host itself", {
      path,
      hint: "leave out --writable, or give an image of its own",
    });
  }
  return resolved;
}

/** What is at a path; `-errno` where that can't be told. */
function kindOf(path: string): "directory" | "file" | number {
  const found = stat(path);
  return typeof found === "number" ? found : isType(found, "S_IFDIR") ? "directory" : "file";
}

/** What every mount source is. Throws a `UsageError` for one that isn't there. */
function kindsOf(options: RunOptions): Map<string, "directory" | "file"> {
  const kinds = new Map<string, "directory" | "file">();
  for (const mount of options.mounts ?? []) {
    const { source = "", destination } = mount;
    if (!isBind(mount)) continue;
    const kind = kindOf(source);
    if (typeof kind === "number") {
      const [shown, target] = [printable(source), printable(destination)];
      if (kind === -E.ENOENT) {
        throw new UsageError(`there is no ${shown} to bind on ${target}`, {
          path: source,
          hint: "make it first, or correct the path",
        });
      }
      throw new UsageError(`${shown} can't be bound on ${target}: ${errnoText(-kind)}`, { path: source });
    }
    kinds.set(source, kind);
  }
  return kinds;
}

/** The host's own files, as far as the container's follow them. */
function hostFiles({ network = "none" }: RunOptions): HostFiles {
  const read = (path: string): string => network === "none" ? "" : readIfThere(path) ?? "";
  return {
    hosts: read("/etc/hosts"),
    resolv: read("/etc/resolv.conf"),
    upstream: read("/run/systemd/resolve/resolv.conf"),
  };
}

/** Random bytes as hexadecimal digits, from the kernel: `crypto` takes ten times as long to load. */
function randomHex(count: number): string {
  const bytes = new Uint8Array(count);
  checked("getrandom", bytes, count, 0);
  return bytes.toHex();
}

/** A name for a container that wasn't given one. */
export function generateName(): string {
  return `flux-${randomHex(6)}`;
}

/** What the caller said, with what is usual where nothing was said. */
export function withDefaults<T extends RunOptions>(options: T): T & { readonly network: string } {
  const usual = (): string => defaultNetwork(Deno.uid(), () => findPasta() !== undefined, options);
  return { ...options, network: options.network ?? usual() };
}

/** Compiles what was prepared. @param place Where the container is on a network of libflux's. */
export function compileProgram({ spec, launch }: Prepared, options: RunOptions, place?: Place): LaunchProgram {
  const files = networkFiles(options, spec.hostname ?? Deno.hostname(), hostFiles(options), place);
  return compile(spec, { ...launch, files });
}

/** {@linkcode prepare} once more, with other options for the same container. */
export function prepareAgain(
  options: RunOptions,
  nullStreams: readonly number[],
  { id, ids, pair }: Prepared,
): Prepared {
  return prepare(options, nullStreams, id, (what) => what === "ids" ? ids?.uids[0]?.hostID : pair);
}

const first: Take = (_what, starts) => {
  for (const start of starts) return start;
  return undefined;
};

/** Whether setgroups stays denied: newgidmap, too, allows it only where it maps groups that root has given to this user. */
function setsNoGroups(ids: IdMaps | undefined): boolean {
  const [line, ...more] = ids?.gids ?? [];
  return ids?.writer === "self" ||
    ids?.writer === "tools" && more.length === 0 && line?.size === 1 && line.hostID === Deno.gid();
}

/** What the compiler is told where the container has users of its own. */
function usersOf(
  { uids, gids, writer }: IdMaps,
  uid: number,
  { root, mounts = [], process }: Spec,
  isWritable: boolean,
): Pick<Launch, "isRootInside" | "hasMappedImage" | "parts" | "adopted"> {
  const isRootInside = hostId(uids, 0) === uid && hostId(gids, 0) === Deno.gid();
  if (writer === "root") return { isRootInside, hasMappedImage: true };
  if (isWritable) return { isRootInside };
  const parts = partsOf(root.path, mountPoints(readIfThere("/proc/self/mountinfo") ?? ""));
  const places = [...mounts.map(({ destination }) => destination), process.cwd, "/etc/hostname"]
    // What is below these is libflux's own.
    .filter((place) => !/^\/(dev|proc|sys)\//.test(place));
  const adopted = adoptedDirectories(root.path, places, uids, gids);
  return { isRootInside, ...(parts === undefined ? {} : { parts }), ...(adopted.length === 0 ? {} : { adopted }) };
}

/** The pair of categories that a container gets; where all that are tried are taken, it shares one. */
function ownPair(id: string, take: Take): number | undefined {
  const pairs = [...pairsOf(id)];
  return take("categories", pairs, 1) ?? pairs[0];
}

/** Whether the level of its SELinux label is one that was asked for. */
const hasLevel = ({ selinux }: RunOptions): boolean => typeof selinux === "object" && selinux.level !== undefined;

/**
 * Looks at what the caller said, and at the host.
 *
 * @param nullStreams Streams that are to be the container's own `/dev/null`.
 * @param id The container's; a new one if left out.
 * @param take Takes ids and categories for it; the first there are, which it might not get, if left out.
 */
export function prepare(
  options: RunOptions,
  nullStreams: readonly number[] = [],
  id: string = randomHex(32),
  take: Take = first,
): Prepared {
  checkOptions(options);
  const name = options.name ?? generateName();
  const image = resolveImage(options);
  const text = (path: string): string => decoder.decode(readInRoot(image, path));
  const hostname = Deno.hostname();
  const host = cgroupFacts();
  const uid = Deno.uid() ?? 0;
  checkUsersNetwork(options, uid);
  const joined = networkPath(options);
  // systemd hands no huge pages down.
  const wish = options.cgroupManager ?? (options.limits?.hugetlb === undefined ? "auto" : "cgroupfs");
  const manager = chooseManager(wish, options.cgroupParent, managerFacts(host, uid));
  const ids = hasUserNamespace(options, uid)
    ? planIds(options, idOwner((starts, size) => take("ids", starts, size)))
    : undefined;
  if (ids !== undefined && joined !== undefined) {
    throw new UsageError("a container with users of its own can't join another network namespace", {
      hint: "leave out --userns, or use another --network",
    });
  }
  const devices = findDevices(options.devices ?? []);
  const selinux = selinuxContexts(options, image);
  const pair = selinux === undefined || hasLevel(options) ? undefined : ownPair(id, take);
  const spec = buildSpec(options, {
    name,
    id,
    image,
    passwd: text("/etc/passwd"),
    // Only read where somebody is looked up.
    group: options.user === undefined && options.groupAdd === undefined ? "" : text("/etc/group"),
    hostname,
    fileLimit: callersFileLimit(),
    capabilities: ids === undefined ? ownCapabilities : () => CAPABILITIES.slice(0, lastCapability() + 1),
    ids,
    devices,
    // In a user namespace nobody can make a node that opens anything.
    hasDeviceRules: ids !== undefined || hasDeviceRules(host),
    apparmor: profileOf(options, uid),
    selinux,
    level: pair === undefined ? undefined : levelOf(pair),
    ...(options.privileged === true && ids === undefined ? { hostDevices: hostDevices() } : {}),
    ...(joined === undefined ? {} : { networkPath: joined }),
    architecture: ARCHITECTURE,
    ...(options.seccomp === undefined || options.seccomp === "unconfined"
      ? {}
      : { profile: { content: readProfile(options.seccomp), kernel: Deno.osRelease() } }),
    cgroupsPath: cgroupsPath(manager, options.cgroupParent, id, uid),
  });
  const cgroups = planContainer(options, spec, manager, host, uid);
  // An ordinary user's rules may not come into force.
  if (uid === 0 && cgroups.devices !== undefined) checkBoundDevices(options.mounts ?? [], cgroups.devices.rules);
  const launch = {
    architecture: ARCHITECTURE,
    writable: options.writable ?? false,
    // Not with users of its own: an image may have a node of the host's disk, and give it to them.
    ...(options.privileged === true && ids === undefined ? { openDevices: true } : {}),
    init: options.init ?? true,
    nullStreams: options.terminal === undefined ? nullStreams : [],
    kinds: kindsOf(options),
    ...(options.network === "pasta" ? { guardLoopback: true } : {}),
    ...(ids === undefined ? {} : { bound: new Map(devices.map(({ source, node }) => [node.path, source])) }),
    ...(ids === undefined ? {} : usersOf(ids, uid, spec, options.writable ?? false)),
    // Where no group may be set, those that libflux is in show as nobody's.
    ...(setsNoGroups(ids) || options.groupAdd?.includes(KEEP_GROUPS) === true ? { keepGroups: true } : {}),
    ...(spec.process.apparmorProfile === undefined ? {} : { appArmorAttributes: appArmorAttributes() }),
    ...(uid !== 0 && wantsLandlock(spec)
      ? {
        landlock: {
          version: landlockVersion(),
          streams: layOut(options, mayBeConfined(options)).flatMap((how, stream) =>
            how === "inherited" ? [stream] : []
          ),
        },
      }
      : {}),
    // Deno ignores it for itself. What else is ignored was so before it started, and stays so, as with any exec.
    ignoredSignals: [SIG.SIGPIPE],
    lastCapability: lastCapability(),
    rlimits: (spec.process.rlimits ?? []).map(({ type }) => ownLimit(type)),
    legacyGroups: [...new Set(cgroups.legacy.values())].map((directory) => ({
      name: [...cgroups.legacy].filter(([, group]) => group === directory).map(([name]) => name).join(","),
      directory,
      required: cgroups.required.has(directory),
    })),
    ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
  };
  return { name, id, ids, pair, spec, launch, cgroups, top: cgroups.scope?.directory ?? host.unified };
}
