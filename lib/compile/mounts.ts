/**
 * Steps 4 and 6: filesystems and binds are prepared, detached, before the pivot and attached by descriptor after it.
 *
 * @module
 */
import {
  E,
  fileMode,
  MAGIC,
  MOUNT_ATTR,
  MOVE_MOUNT,
  type MS,
  type Named,
  OPEN_TREE,
  or,
} from "../../ffi/abi/constants.ts";
import type { Meaning } from "../../ffi/program.ts";
import { UsageError } from "../errors.ts";
import { isBind } from "../spec/check_mount.ts";
import type { Mount } from "../spec/types.ts";
import { PROPAGATION, setAttributes } from "./attributes.ts";
import { type Context, CWD, named, type PreparedMount } from "./context.ts";
import { populateDevices } from "./devices.ts";
import { requireFilesystem } from "./isolate.ts";
import { makeNodes } from "./nodes.ts";

/** Options that are attributes of a mount: `[set, clear]` in terms of `MOUNT_ATTR_*`. */
const ATTRIBUTES: Readonly<Record<string, readonly [keyof typeof MOUNT_ATTR | null, keyof typeof MOUNT_ATTR | null]>> =
  {
    ro: ["MOUNT_ATTR_RDONLY", null],
    rw: [null, "MOUNT_ATTR_RDONLY"],
    nosuid: ["MOUNT_ATTR_NOSUID", null],
    suid: [null, "MOUNT_ATTR_NOSUID"],
    nodev: ["MOUNT_ATTR_NODEV", null],
    dev: [null, "MOUNT_ATTR_NODEV"],
    noexec: ["MOUNT_ATTR_NOEXEC", null],
    exec: [null, "MOUNT_ATTR_NOEXEC"],
    noatime: ["MOUNT_ATTR_NOATIME", "MOUNT_ATTR__ATIME"],
    strictatime: ["MOUNT_ATTR_STRICTATIME", "MOUNT_ATTR__ATIME"],
    relatime: [null, "MOUNT_ATTR__ATIME"],
    nodiratime: ["MOUNT_ATTR_NODIRATIME", null],
    diratime: [null, "MOUNT_ATTR_NODIRATIME"],
  };

/** The modes that `MOUNT_ATTR__ATIME` masks. */
const ACCESS_TIME = ["MOUNT_ATTR_NOATIME", "MOUNT_ATTR_STRICTATIME"] as const;

const IGNORED = new Set(["bind", "rbind", "nonrecursive", "recursive", "defaults", "async", "sync"]);

/** A mount's options by where they go. */
interface Options {
  readonly set: Named;
  readonly clear: Named;
  readonly propagation: keyof typeof MS;
  readonly recursive: boolean;
  readonly parameters: readonly (readonly [string, string | undefined])[];
}

function sortOptions(mount: Mount): Options {
  const set = new Set<keyof typeof MOUNT_ATTR>();
  const clear = new Set<keyof typeof MOUNT_ATTR>();
  const parameters: (readonly [string, string | undefined])[] = [];
  let propagation: keyof typeof MS = "MS_PRIVATE";
  const options = mount.options ?? [];
  for (const option of options) {
    const attribute = Object.hasOwn(ATTRIBUTES, option) ? ATTRIBUTES[option] : undefined;
    if (attribute !== undefined) {
      const [sets, clears] = attribute;
      // Of those that exclude each other the last one wins.
      if (clears === "MOUNT_ATTR__ATIME") { for (const mode of ACCESS_TIME) set.delete(mode); }
      if (clears !== null) {
        clear.add(clears);
        set.delete(clears);
      }
      if (sets !== null) {
        set.add(sets);
        clear.delete(sets);
      }
    } else if (Object.hasOwn(PROPAGATION, option)) propagation = PROPAGATION[option] ?? propagation;
    else if (!IGNORED.has(option)) {
      const [key = "", ...value] = option.split("=");
      parameters.push([key, value.length === 0 ? undefined : value.join("=")]);
    }
  }
  return {
    set: or(MOUNT_ATTR, ...set),
    clear: or(MOUNT_ATTR, ...clear),
    propagation,
    recursive: !options.includes("bind") && !options.includes("nonrecursive"),
    parameters,
  };
}

const treeFlags = (recursive: boolean): Named =>
  or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", ...(recursive ? ["AT_RECURSIVE"] as const : []));

/**
 * Opens the bind sources. Before the tree is made private: only a clone of a mount that still has its peers can go on
 * sharing with them (`rshared`, `rslave`).
 */
export function prepareBinds(context: Context): void {
  const { builder: b, spec, launch } = context;
  (spec.mounts ?? []).forEach((mount, index) => {
    if (!isBind(mount)) return;
    const field = `mounts[${index}]`;
    const source = mount.source ?? "";
    const options = sortOptions(mount);
    if (options.parameters.length > 0) {
      throw new UsageError(`${field}.options: "${options.parameters[0]?.[0]}" is no option of a bind`);
    }
    const kind = launch.kinds.get(source) ?? "directory";
    const descriptor = b.call("open_tree", [CWD, b.string(source), treeFlags(options.recursive)], "bind", {
      label: `open ${source}, to be bound on ${mount.destination}`,
      path: source,
      field,
      hint: "does it exist?",
    });
    const { set, clear, propagation } = options;
    setAttributes(context, descriptor, { set, clear, propagation, recursive: true }, {
      label: `set the options of ${source} (${(mount.options ?? []).join(",") || "rw"})`,
      path: source,
      field,
    });
    context.prepared[index] = { descriptor, destination: mount.destination, kind, field, what: source, type: "bind" };
  });
}

/** Makes the filesystems (proc, sysfs, tmpfs, …). */
export function prepareFilesystems(context: Context): void {
  const { spec } = context;
  (spec.mounts ?? []).forEach((mount, index) => {
    if (isBind(mount)) return;
    const type = mount.type ?? "none";
    const field = `mounts[${index}]`;
    const options = sortOptions(mount);
    // Flags that only the old mount(2) knew.
    const parameters = options.parameters.filter(([key]) => !(type === "devpts" && key === "newinstance"));
    const descriptor = context.filesystem(type, [["source", mount.source ?? type], ...parameters], options.set, {
      label: `prepare ${type} for ${mount.destination}`,
      path: mount.destination,
      field,
    });
    if (type === "proc" && context.procfs === undefined) {
      context.procfs = descriptor;
      requireFilesystem(context, descriptor, or(MAGIC, "PROC_SUPER_MAGIC"), "==", {
        label: "see that it is procfs",
        field,
      });
    }
    if (type === "devpts") context.devpts = descriptor;
    if (type === "tmpfs" && mount.destination === "/dev") {
      populateDevices(context, descriptor, field);
      makeNodes(context, descriptor);
    }
    context.prepared[index] = {
      descriptor,
      destination: mount.destination,
      kind: "directory",
      field,
      what: type,
      type,
    };
  });
}

const isProc = ({ destination }: PreparedMount): boolean => destination === "/proc" || destination.startsWith("/proc/");

/**
 * Step 6: attaches what was prepared, in the spec's order; not yet /proc. As long as that isn't there, no symbolic link of
 * an image or a volume can lead to a descriptor of this process, or with the host's processes in sight to their roots: what
 * is made on the way to a mount's place is made inside.
 */
export function attachMounts(context: Context): void {
  for (const mount of context.prepared) if (mount !== undefined && !isProc(mount)) attach(context, mount);
}

/** Attaches /proc, and what is mounted in it. From here on nothing is made any more, but in libflux's own /dev. */
export function attachProc(context: Context): void {
  for (const mount of context.prepared) if (mount !== undefined && isProc(mount)) attach(context, mount);
}

/** Puts a prepared mount on its place, made if need be. */
export function attach(context: Context, mount: PreparedMount): void {
  const { builder: b } = context;
  const { destination, kind, field } = mount;
  makeTarget(context, mount);
  const meaning: Meaning = {
    label: mount.type === "bind" ? `bind ${mount.what} on ${destination}` : `mount ${mount.what} on ${destination}`,
    path: destination,
    field,
    hint: kind === "directory"
      ? "it must be a real directory in the image, not a file or a symbolic link"
      : "a file goes on a file, not on a directory",
  };
  if (!hasForeignPart(destination)) {
    // By path, and no link at its end is followed: one there makes this fail.
    const flags = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");
    b.syscall("move_mount", [mount.descriptor, b.string(""), CWD, b.string(destination), flags], meaning);
    return;
  }
  const target = context.openTarget(destination, kind, { ...meaning, label: `open ${destination} to mount on` });
  // An image may have a symlink in the middle of the path that leads into /proc (CVE-2019-19921, CVE-2023-28642).
  requireFilesystem(context, target, or(MAGIC, "PROC_SUPER_MAGIC"), "!=", {
    label: `see that ${destination} does not lead into /proc`,
    path: destination,
    field,
    hint: "a symbolic link in the image leads there; nothing may be mounted over /proc",
  });
  const flags = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH", "MOVE_MOUNT_T_EMPTY_PATH");
  b.syscall("move_mount", [mount.descriptor, b.string(""), target, b.string(""), flags], meaning);
}

/** Makes what is to be mounted on, where that isn't there. */
function makeTarget(context: Context, { destination, kind, field }: PreparedMount): void {
  // The kernel's own filesystems have what they have.
  if (/^\/(proc|sys)\//.test(destination)) return;
  if (kind === "directory") return context.makeDirectories(destination, field);
  context.makeDirectories(destination.slice(0, destination.lastIndexOf("/")), field);
  // mknod and not open: it follows no symlink and hangs on no FIFO.
  context.builder.syscall("mknodat", [CWD, context.text(destination), fileMode("S_IFREG", 0o644), 0], {
    label: `make the file ${destination} to mount on`,
    path: destination,
    field,
    tolerate: E.EEXIST,
  });
}

/** Below filesystems that libflux has mounted just before, and whose directories nobody else has touched. */
const OWN = new Set(["/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"]);

/** Whether somebody else may have made a part of a path before its last. */
function hasForeignPart(destination: string): boolean {
  return destination.lastIndexOf("/") > 0 && !destination.startsWith("/proc/") && !OWN.has(destination);
}

/** Writes {@link Launch.files} to the scratch filesystem and prepares them to be bound over the image's own. */
export function prepareFiles(context: Context): void {
  const { builder: b, scratch, launch } = context;
  if (scratch === undefined) throw new Error("no scratch filesystem was prepared");
  for (const { path, content } of launch.files) {
    // What the user mounts there wins.
    if (context.isCovered(path)) continue;
    const name = `files/${path.slice(path.lastIndexOf("/") + 1)}`;
    const field = "hostname";
    const flags = context.open("O_WRONLY", "O_CREAT", "O_EXCL", "O_CLOEXEC");
    const file = b.call("openat", [scratch, b.string(name), flags, named(0o644, "0644")], "file", {
      label: `make ${path}`,
      path,
      field,
    });
    const bytes = new TextEncoder().encode(content);
    if (bytes.length > 0) {
      b.syscall("write", [file, b.bytes(bytes), bytes.length], { label: `write ${path}`, path, field });
    }
    b.syscall("close", [file], { label: `close ${path}` });
    const descriptor = b.call("open_tree", [scratch, b.string(name), treeFlags(false)], "file_mount", {
      label: `take ${path}`,
      path,
      field,
    });
    context.prepared.push({ descriptor, destination: path, kind: "file", field, what: path, type: "bind" });
  }
}
