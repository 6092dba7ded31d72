/**
 * Landlock: `linux/landlock.h`.
 *
 * @module
 */

/** `linux/landlock.h` */
export const LANDLOCK = {
  LANDLOCK_CREATE_RULESET_VERSION: 1,
  LANDLOCK_RULE_PATH_BENEATH: 1,
} as const;

/** `linux/landlock.h`: what is done to files; the version of the interface that first knew it is beside. */
export const LANDLOCK_ACCESS_FS = {
  LANDLOCK_ACCESS_FS_EXECUTE: 1 << 0,
  LANDLOCK_ACCESS_FS_WRITE_FILE: 1 << 1,
  LANDLOCK_ACCESS_FS_READ_FILE: 1 << 2,
  LANDLOCK_ACCESS_FS_READ_DIR: 1 << 3,
  LANDLOCK_ACCESS_FS_REMOVE_DIR: 1 << 4,
  LANDLOCK_ACCESS_FS_REMOVE_FILE: 1 << 5,
  LANDLOCK_ACCESS_FS_MAKE_CHAR: 1 << 6,
  LANDLOCK_ACCESS_FS_MAKE_DIR: 1 << 7,
  LANDLOCK_ACCESS_FS_MAKE_REG: 1 << 8,
  LANDLOCK_ACCESS_FS_MAKE_SOCK: 1 << 9,
  LANDLOCK_ACCESS_FS_MAKE_FIFO: 1 << 10,
  LANDLOCK_ACCESS_FS_MAKE_BLOCK: 1 << 11,
  LANDLOCK_ACCESS_FS_MAKE_SYM: 1 << 12,
  /** 2 */
  LANDLOCK_ACCESS_FS_REFER: 1 << 13,
  /** 3 */
  LANDLOCK_ACCESS_FS_TRUNCATE: 1 << 14,
  /** 5 */
  LANDLOCK_ACCESS_FS_IOCTL_DEV: 1 << 15,
} as const;

/** `linux/landlock.h`: what can only be done to others of the same domain, or below it. Version 6. */
export const LANDLOCK_SCOPE = {
  LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET: 1 << 0,
  LANDLOCK_SCOPE_SIGNAL: 1 << 1,
} as const;
