/**
 * Step 2: a keyring and a mount tree of the container's own, and its clocks.
 *
 * @module
 */
import { CLONE, E, KEYCTL, MAGIC, MS, or, PR } from "../../ffi/abi/constants.ts";
import type { Meaning, Slot } from "../../ffi/program.ts";
import type { Spec } from "../spec/types.ts";
import { PROPAGATION } from "./attributes.ts";
import { CHILD, type Context, CWD, isNew, named } from "./context.ts";

/** Closes what libflux itself inherited and passed on. */
export function closeInherited(context: Context): void {
  const { launch, spec } = context;
  const used: number[] = [CHILD.report];
  if (launch.init) used.push(CHILD.status, CHILD.lifeline);
  used.push(CHILD.sync);
  if (launch.terminal !== undefined) used.push(CHILD.console);
  if (joinsNetwork(spec)) used.push(CHILD.network);
  if (launch.hasMappedImage === true || launch.fuse !== undefined) used.push(CHILD.image);
  closeAllBut(context, used);
}

/**
 * Closes every descriptor from the first of these on but these, which ascend (CVE-2024-21626): a shell's redirection such
 * as `3</etc/shadow` isn't close-on-exec, unlike all that libflux opens.
 */
export function closeAllBut({ builder: b }: Context, numbers: readonly number[]): void {
  const used = [...numbers, Infinity];
  used.slice(1).forEach((next, index) => {
    const first = (used[index] ?? 0) + 1;
    if (first >= next) return;
    b.syscall("close_range", [first, next === Infinity ? named(0xffffffff, "~0") : next - 1, 0], {
      label: "close the descriptors that libflux was started with",
      field: "process",
    });
  });
}

/**
 * True where the new network namespace is made by libflux, beside all else, and joined by the program. One that belongs to
 * a new user namespace can only be made inside it: by `clone3`.
 */
export function hasNetworkBeside(spec: Spec): boolean {
  return isNew(spec, "network") && !isNew(spec, "user");
}

/** Where the network namespace is that the spec has the program join; nothing where it names none. */
export function joinedNetwork(spec: Spec): string | undefined {
  return spec.linux?.namespaces?.find(({ type, path }) => type === "network" && path !== undefined)?.path;
}

/** True where the program joins a network namespace by a descriptor. */
export function joinsNetwork(spec: Spec): boolean {
  return hasNetworkBeside(spec) || joinedNetwork(spec) !== undefined;
}

/** Enters the network namespace, first of all: whatever is mounted for sysfs shows the one of who mounts it. */
export function joinNetwork({ builder: b, spec }: Context): void {
  if (!joinsNetwork(spec)) return;
  const path = joinedNetwork(spec);
  b.syscall("setns", [CHILD.network, or(CLONE, "CLONE_NEWNET")], {
    label: path === undefined
      ? "enter the network namespace that libflux has made, with its lo up"
      : `enter the network namespace ${path}`,
    ...(path === undefined ? {} : { path }),
    field: "linux.namespaces",
  });
  b.syscall("close", [CHILD.network], { label: "close its descriptor" });
}

/**
 * Joins the container's cgroups of v1. A process that writes "0" to `tasks` moves itself and nobody else, which spares the
 * kernel the lock that holds up every fork on the host while another process is moved.
 */
export function joinCgroups(context: Context): void {
  const { builder: b, launch } = context;
  const field = "linux.cgroupsPath";
  for (const { name, directory, required } of launch.legacyGroups) {
    const path = `${directory}/tasks`;
    const meaning = { path, field };
    const done = b.target();
    const tasks = b.call("openat", [CWD, b.string(path), context.open("O_WRONLY", "O_CLOEXEC"), 0], "tasks", {
      ...meaning,
      label: `open the container's cgroup of ${name}${required ? "" : ", if it is there"}`,
      ...(required ? {} : { tolerate: E.ENOENT }),
    });
    if (!required) b.branch(tasks, "<", 0, done, "if it isn't there, go on");
    b.syscall("write", [tasks, b.string("0"), 1], { ...meaning, label: `join the cgroup of ${name}` });
    b.syscall("close", [tasks], { ...meaning, label: "close it" });
    b.place(done);
  }
}

/** Makes the cgroups that the process is in by now the roots of what the container sees of cgroups. */
export function cgroupNamespace(context: Context): void {
  if (!context.has("cgroup")) return;
  context.builder.syscall("unshare", [or(CLONE, "CLONE_NEWCGROUP")], {
    label: "make its cgroups the roots of what the container sees",
    field: "linux.namespaces",
  });
}

/**
 * Step 8: waits for the host, which writes down what it has made while the mounts are being made here. One that was
 * killed before it could do so leaves nothing behind: this process ends, and its namespaces with it.
 */
export function awaitHost({ builder: b }: Context): void {
  const size = b.call("read", [CHILD.sync, b.buffer(1), 1], "size", { label: "wait until libflux is ready" });
  b.require(size, "==", 1, { label: "see that libflux is still there" });
  b.syscall("close", [CHILD.sync], { label: "close the pipe to libflux" });
}

/**
 * Keeps everybody without CAP_SYS_PTRACE from looking into the interpreter (CVE-2016-9962). The command's `execve` takes
 * that away; a PID 1 of libflux's keeps it.
 */
export function notDumpable({ builder }: Context): void {
  builder.syscall("prctl", [or(PR, "PR_SET_DUMPABLE"), 0, 0, 0, 0], { label: "let nobody look into this process" });
}

/** Makes file modes exact: libflux's caller may have any umask. Restored for the command by the last step. */
export function clearUmask({ builder }: Context): void {
  builder.syscall("umask", [0], { label: "clear the file mode mask" });
}

/** Leaves the caller's keyring behind, so that no key of the host's session is reachable. */
export function newKeyring({ builder }: Context): void {
  builder.syscall("keyctl", [or(KEYCTL, "KEYCTL_JOIN_SESSION_KEYRING"), 0], {
    label: "join a new session keyring",
    field: "process",
    hint: "raise kernel.keys.maxkeys, or end some containers",
    // ENOSYS: a kernel without keyrings has none to leak.
    tolerate: E.ENOSYS,
  });
}

/** Cuts the new mount namespace off from the host's: nothing mounted below may appear there. */
export function privateMounts({ builder }: Context): void {
  builder.syscall("mount", [0, builder.string("/"), 0, or(MS, "MS_REC", "MS_PRIVATE"), 0], {
    label: "make every mount private to the container",
    path: "/",
    field: "linux.namespaces",
  });
}

/** Gives the container's root the propagation that the spec names, after the pivot. */
export function rootPropagation({ builder, spec }: Context): void {
  const name = spec.linux?.rootfsPropagation;
  if (name === undefined) return;
  const flag = PROPAGATION[name];
  // Private is what it is already.
  if (flag === undefined || flag === "MS_PRIVATE") return;
  builder.syscall("mount", [0, builder.string("/"), 0, or(MS, "MS_REC", flag), 0], {
    label: `make the root ${name}`,
    path: "/",
    field: "linux.rootfsPropagation",
  });
}

/** Sets the clocks of a new time namespace and enters it; its offsets can only be written before anyone is in it. */
export function timeNamespace(context: Context): void {
  const { builder: b, spec, procfs } = context;
  if (!context.has("time") || procfs === undefined) return;
  const offsets = spec.linux?.timeOffsets ?? {};
  const lines = Object.entries(offsets).map(([clock, offset]) =>
    `${clock} ${offset?.secs ?? 0} ${offset?.nanosecs ?? 0}\n`
  ).join("");
  const field = "linux.timeOffsets";
  b.syscall("unshare", [or(CLONE, "CLONE_NEWTIME")], {
    label: "make a time namespace",
    field,
    hint: "time namespaces need Linux 5.6",
  });
  writeProc(context, "self/timens_offsets", lines, {
    label: "set the clocks of the time namespace",
    field,
    hint: "a clock inside can't be before 0, nor more than 146 years on",
  });
  const entry = b.call(
    "openat",
    [procfs, b.string("self/ns/time_for_children"), context.open("O_RDONLY", "O_CLOEXEC"), 0],
    "time_ns",
    {
      label: "open the time namespace",
      field,
    },
  );
  // Entered at once, so that it doesn't matter whether the kernel would do so at exec (Linux 6.1 does, 5.6 doesn't).
  b.syscall("setns", [entry, or(CLONE, "CLONE_NEWTIME")], { label: "enter the time namespace", field });
}

/**
 * Writes to a file of the private procfs, after seeing that it is one (CVE-2025-52881): a container sharing mounts
 * could otherwise redirect the write.
 */
export function writeProc(
  context: Context,
  path: string,
  content: string,
  meaning: { readonly label: string; readonly field: string; readonly hint?: string },
): void {
  const { builder: b } = context;
  const file = openProc(context, path, meaning);
  const bytes = new TextEncoder().encode(content);
  b.syscall("write", [file, b.bytes(bytes), bytes.length], { ...meaning, path: `/proc/${path}` });
  b.syscall("close", [file], { label: `close /proc/${path}` });
}

/** Opens a file of the private procfs for writing, and sees that it is one. */
export function openProc(context: Context, path: string, meaning: Omit<Meaning, "path">): Slot {
  const { builder: b, procfs } = context;
  if (procfs === undefined) throw new Error("no procfs was prepared");
  const file = b.call(
    "openat",
    [procfs, b.string(path), context.open("O_WRONLY", "O_NOFOLLOW", "O_CLOEXEC"), 0],
    "proc_file",
    {
      ...meaning,
      path: `/proc/${path}`,
    },
  );
  requireFilesystem(context, file, or(MAGIC, "PROC_SUPER_MAGIC"), "==", {
    ...meaning,
    label: `see that /proc/${path} is on procfs`,
  });
  return file;
}

/** Fails unless the filesystem behind a descriptor is (or isn't) of a type. */
export function requireFilesystem(
  { builder: b }: Context,
  descriptor: Parameters<typeof b.syscall>[1][number],
  magic: ReturnType<typeof named>,
  condition: "==" | "!=",
  meaning: Parameters<typeof b.require>[3],
): void {
  // struct statfs, asm-generic/statfs.h: 120 bytes, f_type first.
  const statfs = b.buffer(120);
  const type = b.slot("f_type");
  b.syscall("fstatfs", [descriptor, statfs], { ...meaning, label: "ask for the filesystem's type" });
  b.copy(b.addressOf(type), statfs, 8, "read the filesystem's type");
  b.require(type, condition, magic, meaning);
}
