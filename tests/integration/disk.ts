/**
 * A disk whose rate can be limited.
 *
 * @module
 */
import { ROOT } from "./trees.ts";

/** A directory on it, and the numbers of the device. */
export interface Disk extends Disposable {
  readonly path: string;
  readonly device: readonly [major: number, minor: number];
}

/** The device below a directory: "254:0". */
function deviceOf(path: string): string {
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo").trim().split("\n").map((line) => line.split(" "));
  const point = (fields: readonly string[]): string => fields[4] === "/" ? "" : fields[4] ?? "";
  const above = mounts.filter((fields) => `${path}/`.startsWith(`${point(fields)}/`));
  return above.toSorted((a, b) => point(a).length - point(b).length).at(-1)?.[2] ?? "";
}

/** The whole disk: limits are not of partitions. */
function wholeDisk(device: string): string {
  const directory = Deno.realPathSync(`/sys/dev/block/${device}`);
  const part = directory.split("/").slice(0, -1).join("/");
  try {
    Deno.statSync(`${directory}/partition`);
  } catch {
    return device;
  }
  return Deno.readTextFileSync(`${part}/dev`).trim();
}

/** A directory for one test, on the disk of the checkout or on the one that `LIBFLUX_TEST_DISK` names. */
export function disk(): Disk {
  const top = Deno.env.get("LIBFLUX_TEST_DISK") ?? `${ROOT}build`;
  const [major = 0, minor = 0] = wholeDisk(deviceOf(top)).split(":").map(Number);
  const path = Deno.makeTempDirSync({ dir: top, prefix: "disk-" });
  return { path, device: [major, minor], [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/**
 * A tree like `tree` that can be id-mapped: itself where it is on a disk, and in the virtual machine, whose root can't be, a
 * copy on its disk.
 */
export function onDisk(tree: string): string {
  const top = Deno.env.get("LIBFLUX_TEST_DISK");
  if (top === undefined) return tree;
  const copy = `${top}/${tree.slice(tree.lastIndexOf("/") + 1)}`;
  new Deno.Command("cp", { args: ["-a", "--no-target-directory", tree, copy] }).outputSync();
  return copy;
}
