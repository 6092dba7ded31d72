import { assertEquals, assertThrows } from "@std/assert";
import { halves } from "../../tasks/vm.ts";
import { moduleFiles } from "../vm/initramfs.ts";
import { MachineError, payload } from "../vm/kernel.ts";
import { overlaysOf } from "../vm/machine.ts";

Deno.test("payload() finds the compressed kernel in a bzImage", () => {
  const image = new Uint8Array(4096);
  const view = new DataView(image.buffer);
  assertThrows(() => payload(image), MachineError, "no bzImage");
  view.setUint32(0x202, 0x53726448, true);
  view.setUint32(0x248, 16, true);
  view.setUint32(0x24c, 3, true);
  // Four sectors of set-up code where their number isn't given, and the boot sector.
  image.set([1, 2, 3], 5 * 512 + 16);
  assertEquals([...payload(image)], [1, 2, 3]);
  image[0x1f1] = 1;
  image.set([4, 5, 6], 2 * 512 + 16);
  assertEquals([...payload(image)], [4, 5, 6]);
});

Deno.test("moduleFiles() keeps the order and names each file once", () => {
  const listing = "insmod /k/a.ko \ninsmod /k/b.ko x=1\nbuiltin c\ninsmod /k/a.ko \ninsmod /k/d.ko \n";
  assertEquals(moduleFiles(listing), ["/k/a.ko", "/k/b.ko", "/k/d.ko"]);
});

Deno.test("overlaysOf() names what the machine's memory filesystems hide, the outermost only", () => {
  assertEquals(overlaysOf(["/root/x", "/tmp/a", "/tmp/a/b", "/tmp/ab", "/run/c", "/tmp/a"]), [
    "/tmp/a",
    "/tmp/ab",
    "/run/c",
  ]);
});

Deno.test("halves() gives both machines about as many tests, and each file once", () => {
  const counts: Readonly<Record<string, number>> = { a: 30, b: 1, c: 12, d: 10, e: 9, f: 0 };
  const [one, two] = halves(Object.keys(counts), (file) => counts[file] ?? 0);
  assertEquals([one, two], [["a", "b", "f"], ["c", "d", "e"]]);
  assertEquals(halves([], () => 1), [[], []]);
});
