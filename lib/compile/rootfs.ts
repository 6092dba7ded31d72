/**
 * Step 3: the container's root, an overlay that throws changes away or the image itself.
 *
 * @module
 */
import { MOVE_MOUNT, OPEN_TREE, or, UMOUNT } from "../../ffi/abi/constants.ts";
import { NONE, setAttributes } from "./attributes.ts";
import { type Context, CWD, named } from "./context.ts";
import { adoptDirectories, assembleRoot, overlay, rootAttributes, SCRATCH } from "./overlay.ts";
import { attachImage, MAPPED_IMAGE, receiveImage } from "./users.ts";

/** The image's descriptor has a number of its own: overlayfs takes paths, so it appears in one. Just above `CHILD`'s. */
const IMAGE = 10;
const EMPTY_TO_PATH = or(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");

/**
 * A tmpfs of the container's own, for the overlay's changes and for files that libflux writes. It is mounted in the new
 * mount namespace only: nothing of it is ever on the host, so nothing of it can be left there.
 */
export function scratchFilesystem(context: Context): void {
  const { builder: b } = context;
  const field = "root";
  const scratch = context.filesystem("tmpfs", [["source", "libflux"], ["mode", "0755"]], NONE, {
    label: "mount a tmpfs for the container's changes",
    field,
  });
  context.scratch = scratch;
  for (const name of ["upper", "work", "files"]) {
    b.syscall("mkdirat", [scratch, b.string(name), named(0o755, "0755")], {
      label: `make the directory ${name} on it`,
      path: name,
      field,
    });
  }
  // Kernels before 6.15 clone mounts (overlayfs does, and open_tree) only from attached ones. Nothing of the host's /dev
  // is looked up from here on: this goes away with the host's root.
  b.syscall("move_mount", [scratch, b.string(""), CWD, b.string(SCRATCH), EMPTY_TO_PATH], {
    label: "attach the tmpfs, over what only the host sees",
    path: SCRATCH,
    field,
  });
}

/** Opens the image, first of all that the program opens: what follows may be any number of descriptors. */
export function openImage(context: Context): void {
  const { builder: b, spec, launch } = context;
  if (launch.hasMappedImage === true || launch.fuse !== undefined) return receiveImage(context);
  const path = spec.root.path;
  context.image = b.call(
    "openat",
    [CWD, b.string(path), context.open("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC"), 0],
    "image",
    {
      label: `open the image ${path}`,
      path,
      field: "root.path",
      hint: "does it exist, and is it a directory?",
    },
  );
  if (launch.writable) return;
  b.syscall("dup3", [context.image, IMAGE, context.open("O_CLOEXEC")], {
    label: "give the image its number",
    field: "root.path",
  });
}

/** Prepares the root filesystem as a detached mount. */
export function prepareRoot(context: Context): void {
  const { builder: b, spec, launch, image } = context;
  if (image === undefined) throw new Error("no image was opened");
  const path = spec.root.path;
  const field = "root.path";
  const isMapped = launch.hasMappedImage === true;
  if (launch.fuse !== undefined) {
    context.rootfs = image;
    setAttributes(context, image, { set: rootAttributes(context), recursive: false }, {
      label: "set the options of the overlay that fuse-overlayfs serves",
      path,
      field,
    });
    return;
  }
  if (launch.writable) {
    context.rootfs = isMapped ? image : b.call(
      "open_tree",
      [
        image,
        b.string(""),
        or(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_EMPTY_PATH", "AT_RECURSIVE"),
      ],
      "rootfs",
      { label: `take the image ${path} as the root`, path, field },
    );
    setAttributes(context, context.rootfs, { set: rootAttributes(context), recursive: true }, {
      label: `make the mounts of ${path} private`,
      path,
      field,
    });
    return;
  }
  if (isMapped) attachImage(context);
  adoptDirectories(context);
  // By descriptor: no character of the image's path can then be taken for a separator, and none shows inside.
  const lower = isMapped ? `${SCRATCH}/${MAPPED_IMAGE}` : `/proc/self/fd/${IMAGE}`;
  context.rootfs = launch.parts === undefined
    ? overlay(context, path, lower, "upper", "work")
    : assembleRoot(context, launch.parts, IMAGE);
}

/** Step 5: makes the prepared root `/` and forgets the old one. From here on no path can name anything of the host's. */
export function pivot(context: Context): void {
  const { builder: b, rootfs } = context;
  if (rootfs === undefined) throw new Error("no root was prepared");
  const field = "root";
  b.syscall("move_mount", [rootfs, b.string(""), CWD, b.string("/"), EMPTY_TO_PATH], {
    label: "attach the container's root",
    path: "/",
    field,
  });
  b.syscall("fchdir", [rootfs], { label: "go to the container's root", field });
  b.syscall("pivot_root", [b.string("."), b.string(".")], {
    label: "make it the root",
    path: "/",
    field,
    hint: "pivot_root can't leave an initramfs: boot from a real root filesystem",
  });
  b.syscall("umount2", [b.string("."), or(UMOUNT, "MNT_DETACH")], { label: "detach the host's root", field });
  b.syscall("chdir", [b.string("/")], { label: "enter the new root", path: "/", field });
  // From "/proc/self/fd/N/.." a link could lead out through each of them.
  for (const [slot, what] of [[context.image, "the image's own directory"], [context.scratch, "the tmpfs"]] as const) {
    if (slot !== undefined) b.syscall("close", [slot], { label: `close ${what}`, field });
  }
  const { writable, hasMappedImage, fuse } = context.launch;
  if (!writable && hasMappedImage !== true && fuse === undefined) {
    b.syscall("close", [IMAGE], { label: "close the image's own number", field });
  }
}
