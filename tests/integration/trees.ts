/**
 * Where the root filesystems of the integration tests are.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** The top of the checkout, with a slash at the end. */
export const ROOT: string = fromFileUrl(new URL("../..", import.meta.url));

/** busybox, statically linked, and two small files in `/etc`. */
export const BUSYBOX: string = `${ROOT}build/rootfs/busybox`;
/** Debian as debootstrap makes it. */
export const DEBIAN: string = `${ROOT}build/rootfs/debian`;
/** The same with compilers, interpreters and servers. */
export const EVERYDAY_TREE: string = `${ROOT}build/rootfs/everyday`;
/** The executable that `deno task build` made. */
export const LIBFLUX: string = `${ROOT}libflux`;
