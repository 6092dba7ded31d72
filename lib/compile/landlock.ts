/**
 * Step 9: a second wall around the container's root.
 *
 * Whoever is root of a user namespace has been a step from the host's files whenever a mount namespace leaked a descriptor
 * of something outside. Landlock asks of each file that is opened whether it lies beneath the container's `/`, whatever
 * descriptor the path begins at. It can't be taken off, and needs no privilege.
 *
 * @module
 */
import { E, type Named, or } from "../../ffi/abi/constants.ts";
import { LANDLOCK, LANDLOCK_ACCESS_FS as FS, LANDLOCK_SCOPE as SCOPE } from "../../ffi/abi/landlock.ts";
import type { Reference } from "../../ffi/program.ts";
import { isDefault } from "../seccomp/filters.ts";
import type { Spec } from "../spec/types.ts";
import { type Context, CWD, isNew, type Launch } from "./context.ts";

/** The oldest version of the interface in which files can be renamed and linked from one directory to another. */
export const LANDLOCK_NEEDED = 2;

type Wall = NonNullable<Launch["landlock"]>;
type Access = keyof typeof FS;

/** What the wall is about: all that a version of the interface knows of. */
function handled(version: number): Access[] {
  const since: Partial<Record<Access, number>> = {
    LANDLOCK_ACCESS_FS_REFER: 2,
    LANDLOCK_ACCESS_FS_TRUNCATE: 3,
    LANDLOCK_ACCESS_FS_IOCTL_DEV: 5,
  };
  return (Object.keys(FS) as Access[]).filter((name) => version >= (since[name] ?? 1));
}

/** Where POSIX message queues are. */
const QUEUES = "/dev/mqueue";

/** What can be done to a file that is no directory. */
const OF_FILES: readonly Access[] = [
  "LANDLOCK_ACCESS_FS_EXECUTE",
  "LANDLOCK_ACCESS_FS_WRITE_FILE",
  "LANDLOCK_ACCESS_FS_READ_FILE",
  "LANDLOCK_ACCESS_FS_TRUNCATE",
  "LANDLOCK_ACCESS_FS_IOCTL_DEV",
];

/**
 * Whether a container gets the wall: one of a user namespace that could not mount anyway, since within it nobody can. Who
 * has a profile of syscalls of another's, or none, may want to make containers inside.
 */
export function wantsLandlock({ linux, process }: Spec): boolean {
  const { seccomp } = linux ?? {};
  const canMount = process.capabilities?.bounding?.includes("CAP_SYS_ADMIN") === true;
  return linux?.namespaces?.some(({ type }) => type === "user") === true && !canMount && seccomp !== undefined &&
    isDefault(seccomp);
}

/**
 * What namespaces keep apart already is kept apart once more; what is shared on purpose stays so. A wall of its own would
 * keep a command that enters the container from signalling those who are there already.
 */
function scopes(spec: Spec, { version, isInside = false }: Wall): Named {
  if (version < 6 || isInside) return or(SCOPE);
  return or(
    SCOPE,
    ...isNew(spec, "network") ? ["LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET"] as const : [],
    ...isNew(spec, "pid") ? ["LANDLOCK_SCOPE_SIGNAL"] as const : [],
  );
}

/** Puts up the wall. Before the syscalls are filtered, and the privilege goes that does without no_new_privs. */
export function secondWall(context: Context): void {
  const { builder: b, launch, spec } = context;
  const { landlock } = launch;
  if (landlock === undefined || landlock.version < LANDLOCK_NEEDED) return;
  const { version, streams } = landlock;
  const meaning = { field: "linux.namespaces", hint: "'libflux info' tells of Landlock" };
  const all = or(FS, ...handled(version));
  const scoped = scopes(spec, landlock);
  // struct landlock_ruleset_attr: handled_access_fs; since version 4 handled_access_net, since 6 scoped.
  const attributes = [all.value, 0, scoped.value].slice(0, version >= 6 ? 3 : 1);
  const ruleset = b.call("landlock_create_ruleset", [b.words(attributes), attributes.length * 8, 0], "ruleset", {
    ...meaning,
    label: "begin a second wall around the container's files",
  });
  const flags = context.open("O_PATH", "O_DIRECTORY", "O_CLOEXEC");
  const type = or(LANDLOCK, "LANDLOCK_RULE_PATH_BENEATH");
  // struct landlock_path_beneath_attr, packed: allowed_access (u64), parent_fd (s32).
  const beneath = (access: Named, file: number): Reference => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(access.value), true);
    view.setInt32(8, file, true);
    return b.bytes(bytes);
  };
  // A queue is opened by a mount of the kernel's own, which is beneath no root: but it is the same filesystem.
  const hasQueues = spec.mounts?.some(({ destination, type }) => destination === QUEUES && type === "mqueue") === true;
  for (const path of ["/", ...hasQueues ? [QUEUES] : []]) {
    const directory = b.call("openat", [CWD, b.string(path), flags, 0], "directory", {
      ...meaning,
      path,
      label: path === "/"
        ? "open the container's root, which the wall is around"
        : "open the container's message queues",
    });
    const whole = beneath(all, -1);
    b.copy(b.at(whole, 8), b.addressOf(directory), 4, "name it in the rule");
    b.syscall("landlock_add_rule", [ruleset, type, whole, 0], { ...meaning, label: "allow all that is in it" });
    b.syscall("close", [directory], { label: "close what it was made of" });
  }
  const own = or(FS, ...OF_FILES.filter((name) => handled(version).includes(name)));
  for (const stream of streams) {
    // By /dev/stdout a program opens again what it has been given anyway.
    b.syscall("landlock_add_rule", [ruleset, type, beneath(own, stream), 0], {
      ...meaning,
      label: `allow the file that descriptor ${stream} is`,
      // Pipes and sockets are on no filesystem, and stand behind no wall.
      tolerate: E.EBADFD,
    });
  }
  b.syscall("landlock_restrict_self", [ruleset, 0], { ...meaning, label: "close the second wall" });
  b.syscall("close", [ruleset], { label: "close what it was made of" });
}
