/**
 * Devices, as the OCI runtime-spec has them.
 *
 * @module
 */

/**
 * Which devices a container may use, or may not.
 *
 * @example What is allowed beside the usual devices?
 * ```ts
 * import { type DeviceRule, explain } from "@libflux/cli/mod";
 *
 * const options = { command: ["true"], devices: [{ source: "/dev/tty", destination: "/dev/mine", access: "r" }] };
 * const rules: readonly DeviceRule[] = explain(options).spec.linux?.resources?.devices ?? [];
 * console.log(rules[0], rules.at(-1)); // { allow: false, access: "rwm" } { allow: true, type: "c", … }
 * ```
 */
export interface DeviceRule {
  /** Whether it may. */
  readonly allow: boolean;
  /** `b` for block devices, `c` for character devices, `a` for both; both if left out. */
  readonly type?: "a" | "b" | "c";
  /** Of the device's number; any if left out. */
  readonly major?: number;
  /** Of the device's number; any if left out. */
  readonly minor?: number;
  /** Of `r` read, `w` write and `m` mknod; all if left out. */
  readonly access?: string;
}

/**
 * A device node inside, besides those that every container has.
 *
 * @example Which nodes are made?
 * ```ts
 * import { type Device, explain } from "@libflux/cli/mod";
 *
 * const options = { command: ["true"], devices: [{ source: "/dev/tty", destination: "/dev/mine" }] };
 * const made: readonly Device[] = explain(options).spec.linux?.devices ?? [];
 * console.log(made.map(({ path, major, minor }) => `${path} ${major}:${minor}`)); // [ "/dev/mine 5:0" ]
 * ```
 */
export interface Device {
  /** Absolute path inside, below `/dev`. */
  readonly path: string;
  /** `b` for a block device, `c` for a character device. */
  readonly type: "b" | "c";
  /** Of its number. */
  readonly major: number;
  /** Of its number. */
  readonly minor: number;
  /** Its permissions; 0o666 if left out. */
  readonly fileMode?: number;
  /** Its owner; 0 if left out. */
  readonly uid?: number;
  /** Its group; 0 if left out. */
  readonly gid?: number;
}

/**
 * A rate of a block device.
 *
 * @example One MiB a second from a disk
 * ```ts
 * import type { DeviceRate, RunOptions } from "@libflux/cli/mod";
 *
 * const rate: DeviceRate = { major: 8, minor: 0, rate: 2 ** 20 };
 * const options: RunOptions = { command: ["make"], limits: { deviceReadBps: [rate] } };
 * console.log(options.limits);
 * ```
 */
export interface DeviceRate {
  /** Of the device's number. */
  readonly major: number;
  /** Of the device's number. */
  readonly minor: number;
  /** Bytes or operations a second. */
  readonly rate: number;
}
