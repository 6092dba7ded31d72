/**
 * A disk of the host's, and lifting a container's rules about devices: what proves that they alone keep it from the disk.
 *
 * @module
 */
import { BPF } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../../ffi/libc.ts";
import { parseHierarchies } from "../../lib/cgroups/hierarchies.ts";
import type { Container } from "../../mod.ts";

const table = parseHierarchies(Deno.readTextFileSync("/proc/self/mountinfo"));

/** Whether this host's rules are those of v1's controller. */
export const isByLines: boolean = table.legacy.has("devices");

/** A block device that root of the host can read, with its numbers. */
export function hostDisk(): { readonly name: string; readonly major: number; readonly minor: number } {
  for (const { name } of Deno.readDirSync("/sys/block")) {
    try {
      Deno.openSync(`/dev/${name}`).close();
    } catch {
      continue;
    }
    const [major = 0, minor = 0] = Deno.readTextFileSync(`/sys/block/${name}/dev`).trim().split(":").map(Number);
    return { name, major, minor };
  }
  throw new Error("this host has no block device that could be read");
}

function groupOf({ pid }: Pick<Container, "pid">): string {
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n").map((line) => line.split(":"));
  const [, , path = ""] = lines.find(([number, names]) => isByLines ? names === "devices" : number === "0") ?? [];
  return `${isByLines ? table.legacy.get("devices") : table.unified}${path}`;
}

/** `linux/bpf.h` */
const [BPF_PROG_DETACH, BPF_PROG_GET_FD_BY_ID, BPF_PROG_QUERY] = [9, 13, 16];

/** The programs about devices that are attached to a cgroup itself. */
function programs(cgroup: number): number[] {
  const ids = new Uint32Array(16);
  const view = new Uint8Array(ids.buffer);
  const attributes = new DataView(new ArrayBuffer(64));
  attributes.setUint32(0, cgroup, true);
  attributes.setUint32(4, BPF.BPF_CGROUP_DEVICE, true);
  attributes.setBigUint64(16, BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(view))), true);
  attributes.setUint32(24, ids.length, true);
  checked("bpf", BPF_PROG_QUERY, new Uint8Array(attributes.buffer), 64);
  return [...ids.subarray(0, attributes.getUint32(24, true))];
}

/** Lifts the rules of a running container, as only root of the host can. @returns How many programs it had. */
export function liftRules(container: Pick<Container, "pid">): number {
  const group = groupOf(container);
  if (isByLines) {
    Deno.writeTextFileSync(`${group}/devices.allow`, "a", { create: false });
    return 1;
  }
  using cgroup = new Descriptor(checked("openat", -100, group, 0o200000, 0));
  const found = programs(cgroup.number);
  for (const id of found) {
    using program = new Descriptor(
      checked("bpf", BPF_PROG_GET_FD_BY_ID, new Uint8Array(new Uint32Array([id, 0, 0]).buffer), 12),
    );
    const words = new Uint32Array([cgroup.number, program.number, BPF.BPF_CGROUP_DEVICE, 0]);
    if (syscall("bpf", BPF_PROG_DETACH, new Uint8Array(words.buffer), 16) !== 0) throw new Error("not detached");
  }
  return found.length;
}
