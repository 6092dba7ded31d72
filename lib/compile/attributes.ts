/**
 * Attributes of mounts that aren't attached yet.
 *
 * @module
 */
import { AT, MOUNT_ATTR, MS, type Named, or } from "../../ffi/abi/constants.ts";
import type { Meaning, Operand } from "../../ffi/program.ts";
import type { Context } from "./context.ts";

/** Nothing. */
export const NONE: Named = or(MOUNT_ATTR);
/** Nobody can write. */
export const READ_ONLY: Named = or(MOUNT_ATTR, "MOUNT_ATTR_RDONLY");

/** `struct mount_attr`, `linux/mount.h`: four words. */
export const MOUNT_ATTR_SIZE = 32;

/** How mounts are passed on between namespaces, as the specification and `mount` call it. Always of the whole tree. */
export const PROPAGATION: Readonly<Record<string, keyof typeof MS>> = {
  private: "MS_PRIVATE",
  rprivate: "MS_PRIVATE",
  slave: "MS_SLAVE",
  rslave: "MS_SLAVE",
  shared: "MS_SHARED",
  rshared: "MS_SHARED",
  unbindable: "MS_UNBINDABLE",
  runbindable: "MS_UNBINDABLE",
};

/** What to change of a mount. */
export interface Attributes {
  readonly set?: Named;
  readonly clear?: Named;
  readonly propagation?: keyof typeof MS;
  /** Of all the mounts below, too. */
  readonly recursive: boolean;
}

/** Changes a detached mount, which is private afterwards unless it is to be something else. */
export function setAttributes(
  { builder: b }: Context,
  mount: Operand,
  { set = NONE, clear = NONE, propagation = "MS_PRIVATE", recursive }: Attributes,
  meaning: Meaning,
): void {
  const flags = recursive ? or(AT, "AT_EMPTY_PATH", "AT_RECURSIVE") : or(AT, "AT_EMPTY_PATH");
  const attributes = b.words([set.value, clear.value, MS[propagation], 0]);
  b.syscall("mount_setattr", [mount, b.string(""), flags, attributes, MOUNT_ATTR_SIZE], meaning);
}
