/**
 * eBPF programs of cgroups: loaded into the kernel, and attached (`man 2 bpf`).
 *
 * @module
 */
import { AT, BPF, E, openFlags } from "./abi/constants.ts";
import { addressOf, ARCHITECTURE, cString, Descriptor, syscall } from "./libc.ts";

/** How often a load is tried again that a signal has interrupted, as in libbpf. */
const TRIES = 5;

/** How long `union bpf_attr` is as far as it is filled: to the end of `prog_name`, and of `attach_flags`. */
const [LOAD_SIZE, ATTACH_SIZE] = [64, 16];

/**
 * Loads a program that decides about devices. It goes when it is closed and no cgroup has it any more.
 *
 * @param code Its instructions, of eight bytes each.
 * @param name What `bpftool` shows: at most 15 characters.
 * @returns `-errno` where the kernel doesn't take it.
 */
export function loadDeviceProgram(code: Uint8Array<ArrayBuffer>, name: string): Descriptor | number {
  // Nothing that only programs under the GPL may call is called.
  const license = cString("MIT");
  const attributes = new Uint8Array(LOAD_SIZE);
  const view = new DataView(attributes.buffer);
  view.setUint32(0, BPF.BPF_PROG_TYPE_CGROUP_DEVICE, true);
  view.setUint32(4, code.length / 8, true);
  view.setBigUint64(8, BigInt(addressOf(code)), true);
  view.setBigUint64(16, BigInt(addressOf(license)), true);
  attributes.set(new TextEncoder().encode(name).subarray(0, 15), 48);
  let result: number = -E.EAGAIN;
  for (let tries = 0; tries < TRIES && result === -E.EAGAIN; tries++) {
    result = syscall("bpf", BPF.BPF_PROG_LOAD, attributes, LOAD_SIZE);
  }
  // Until here both must be where the kernel was told.
  return result < 0 || license.length === 0 ? result : new Descriptor(result);
}

/**
 * Has a loaded program decide about devices for a cgroup of v2 and all below it, beside those that are above it.
 *
 * @param directory The cgroup's.
 * @returns `-errno` where that can't be.
 */
export function attachDeviceProgram(program: Descriptor, directory: string): number {
  const flags = openFlags(ARCHITECTURE, "O_RDONLY", "O_DIRECTORY", "O_CLOEXEC").value;
  const opened = syscall("openat", AT.AT_FDCWD, directory, flags, 0);
  if (opened < 0) return opened;
  using cgroup = new Descriptor(opened);
  const words = new Uint32Array([cgroup.number, program.number, BPF.BPF_CGROUP_DEVICE, BPF.BPF_F_ALLOW_MULTI]);
  return syscall("bpf", BPF.BPF_PROG_ATTACH, new Uint8Array(words.buffer), ATTACH_SIZE);
}
