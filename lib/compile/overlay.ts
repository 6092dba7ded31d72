/**
 * Step 3, for images that take more than one overlay: see `rootfs/parts.ts`.
 *
 * @module
 */
import {
  AT,
  E,
  fileMode,
  MOUNT_ATTR,
  MOVE_MOUNT,
  type Named,
  OPEN_TREE,
  or,
  RESOLVE,
} from "../../ffi/abi/constants.ts";
import type { Slot } from "../../ffi/program.ts";
import { FUSE_REMEDY } from "../rootfs/fuse.ts";
import type { Part } from "../rootfs/parts.ts";
import { MOUNT_ATTR_SIZE, READ_ONLY, setAttributes } from "./attributes.ts";
import { type Context, CWD, isNew, named } from "./context.ts";

/** Where the scratch filesystem is while the root is being made: over what every host has. */
export const SCRATCH = "/dev";
/**
 * Whatever device nodes an image has: they open nothing, unless that is asked for. And where programs give no privileges,
 * the kernel shall not look for any: it refuses to execute those with capabilities that the container can't have, such as
 * Debian's `ping`.
 */
export function rootAttributes({ launch, spec }: Context): Named {
  const names: (keyof typeof MOUNT_ATTR)[] = [];
  if (launch.openDevices !== true) names.push("MOUNT_ATTR_NODEV");
  if (spec.process.noNewPrivileges === true) names.push("MOUNT_ATTR_NOSUID");
  return or(MOUNT_ATTR, ...names);
}

const EMPTY_TO_PATH = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");
const FIELD = "root.path";

/** An overlay, detached. @param lower As overlayfs reads it. @param upper Below the scratch filesystem; so is `work`. */
export function overlay(context: Context, image: string, lower: string, upper: string, work: string): Slot {
  return context.filesystem(
    "overlay",
    [
      ["source", "overlay"],
      ["lowerdir", lower],
      ["upperdir", `${SCRATCH}/${upper}`],
      ["workdir", `${SCRATCH}/${work}`],
      // Of the attributes that overlayfs keeps its own notes in usually, a user namespace's root may set none.
      ...isNew(context.spec, "user") ? [["userxattr", undefined] as const] : [],
    ],
    rootAttributes(context),
    {
      label: `mount an overlay over the image ${image}`,
      path: image,
      field: FIELD,
      hint:
        "the kernel must have overlayfs, and the image must not lie on one that can't be stacked; with --writable no overlay is needed" +
        (isNew(context.spec, "user") ? `; or ${FUSE_REMEDY}` : ""),
    },
  );
}

function makeDirectory({ builder: b, scratch }: Context, path: string, mode: number): void {
  if (scratch === undefined) throw new Error("no scratch filesystem was prepared");
  b.syscall("mkdirat", [scratch, b.string(path), named(mode, `0${mode.toString(8)}`)], {
    label: `make the directory ${path} for the container's changes`,
    path,
    field: FIELD,
    tolerate: E.EEXIST,
  });
}

/** Has directories of the image be root's inside, by directories of the same name for the changes to it. */
export function adoptDirectories(context: Context): void {
  for (const { path, mode, isEmpty } of context.launch.adopted ?? []) {
    const parts = path.split("/").slice(1);
    parts.slice(1).forEach((_, index) => makeDirectory(context, `upper/${parts.slice(0, index + 1).join("/")}`, 0o755));
    makeDirectory(context, `upper${path}`, mode);
    if (isEmpty !== true) continue;
    const own = `${SCRATCH}/upper${path}`;
    const { builder: b } = context;
    b.syscall("lsetxattr", [b.string(own), b.string("user.overlay.opaque"), b.string("y"), 1, 0], {
      label: `show nothing of the image in ${path}, which is closed to this user`,
      path,
      field: FIELD,
      // A tmpfs before Linux 6.6 has no such attributes: there it stays closed.
      optional: true,
    });
  }
}

/**
 * Opens a part of the image, which may be somebody's who exchanges directories for links meanwhile: none is followed, and
 * nothing outside of the image is found.
 */
function openPart(context: Context, part: Part, source: string): Slot {
  const { builder: b, image = CWD } = context;
  // struct open_how, linux/openat2.h: flags, mode, resolve.
  const flags = context.open("O_PATH", "O_NOFOLLOW", "O_CLOEXEC");
  const how = b.words([flags.value, 0, RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_SYMLINKS]);
  return b.call("openat2", [image, b.string(part.path.slice(1)), how, 24], "part", {
    label: `open ${source}`,
    path: source,
    field: FIELD,
    hint: "has somebody changed the image meanwhile?",
  });
}

/** Puts the root together. @param own The number that the image has, free for its parts in turn. */
export function assembleRoot(context: Context, parts: readonly Part[], own: number): Slot {
  const { builder: b, spec, scratch } = context;
  if (scratch === undefined) throw new Error("no scratch filesystem was prepared");
  const image = spec.root.path === "/" ? "" : spec.root.path;
  makeDirectory(context, "root", 0o755);
  const attach = (mount: Slot, { path }: Part): void =>
    b.syscall("move_mount", [mount, b.string(""), scratch, b.string(`root${path}`), EMPTY_TO_PATH], {
      label: `attach ${path} in its place`,
      path,
      field: FIELD,
    });
  parts.forEach((part, index) => {
    const { path, kind, mode, target = "" } = part;
    const source = image + path;
    const meaning = { path: source, field: FIELD };
    if (kind === "link") {
      b.syscall("symlinkat", [b.string(target), scratch, b.string(`root${path}`)], {
        ...meaning,
        label: `link ${path} to ${target}`,
      });
    } else if (kind === "file") {
      b.syscall("mknodat", [scratch, b.string(`root${path}`), fileMode("S_IFREG", 0o444), 0], {
        ...meaning,
        label: `make the file ${path}`,
      });
      const flags = or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH");
      const opened = openPart(context, part, source);
      const file = b.call("open_tree", [opened, b.string(""), flags], "file", { ...meaning, label: `take ${source}` });
      b.syscall("close", [opened], { ...meaning, label: `close ${source}` });
      setAttributes(context, file, { set: READ_ONLY, recursive: false }, { ...meaning, label: "make it read-only" });
      attach(file, part);
    } else {
      makeDirectory(context, `root${path}`, mode);
      makeDirectory(context, `upper${path}`, mode);
      if (kind === "directory") return;
      makeDirectory(context, `work/${index}`, 0o755);
      const opened = openPart(context, part, source);
      b.syscall("dup3", [opened, own, context.open("O_CLOEXEC")], { ...meaning, label: "give it the image's number" });
      b.syscall("close", [opened], { ...meaning, label: `close ${source}` });
      attach(overlay(context, source, `/proc/self/fd/${own}`, `upper${path}`, `work/${index}`), part);
    }
  });
  const flags = or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE");
  const root = b.call("open_tree", [scratch, b.string("root"), flags], "rootfs", {
    label: "take it all as the root",
    field: FIELD,
  });
  setAttributes(context, root, { set: rootAttributes(context), recursive: true }, {
    label: "make its mounts private",
    field: FIELD,
  });
  return root;
}

/** Makes the parts of the root read-only; each is a mount of its own. */
export function readonlyParts({ builder: b, spec, launch }: Context): void {
  if (spec.root.readonly !== true) return;
  for (const { path, kind } of launch.parts ?? []) {
    if (kind !== "overlay") continue;
    b.syscall("mount_setattr", [
      CWD,
      b.string(path),
      AT.AT_SYMLINK_NOFOLLOW,
      b.words([READ_ONLY.value, 0, 0, 0]),
      MOUNT_ATTR_SIZE,
    ], {
      label: `make ${path} read-only`,
      path,
      field: "root.readonly",
    });
  }
}
