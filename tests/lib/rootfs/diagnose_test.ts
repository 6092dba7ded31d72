import { assertEquals } from "@std/assert";
import { classify } from "../../../lib/rootfs/diagnose.ts";

const text = (content: string) => new TextEncoder().encode(content);

function elf(machine: number, loader?: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(256);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(bytes.buffer);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  if (loader === undefined) return bytes;
  view.setUint16(56, 1, true);
  view.setUint32(64, 3, true); // PT_INTERP
  view.setBigUint64(72, 128n, true);
  view.setBigUint64(96, BigInt(loader.length + 1), true);
  bytes.set(text(loader + "\0"), 128);
  return bytes;
}

Deno.test("classify() tells programs, scripts and the rest apart", () => {
  assertEquals(classify(text("#!/bin/sh -e\n")), { kind: "script", interpreter: "/bin/sh" });
  assertEquals(classify(text("#! \t/bin/sh\n")), { kind: "script", interpreter: "/bin/sh" });
  assertEquals(classify(text("#!/bin/sh\r\n")), { kind: "script", interpreter: "/bin/sh\r" });
  assertEquals(classify(text("#!\n")), { kind: "script", interpreter: "" });
  assertEquals(classify(elf(62)), { kind: "elf", machine: "x86_64", loader: undefined });
  assertEquals(classify(elf(183, "/lib/ld.so")), { kind: "elf", machine: "aarch64", loader: "/lib/ld.so" });
  assertEquals(classify(elf(9999)), { kind: "elf", machine: "machine 9999", loader: undefined });
  for (const other of ["", "echo", "\x7fEL", "\x7fELF"]) assertEquals(classify(text(other)), { kind: "other" });
});

Deno.test("classify() survives headers that point anywhere", () => {
  const hostile = elf(62, "/lib/ld.so");
  for (const offset of [32, 72, 96]) {
    const bytes = hostile.slice();
    new DataView(bytes.buffer).setBigUint64(offset, 0xffffffffffffffffn, true);
    assertEquals(classify(bytes).kind, "elf");
  }
});
