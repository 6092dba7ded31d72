import { assert, assertEquals } from "@std/assert";
import { type Limits, run } from "../../mod.ts";
import { disk } from "./disk.ts";
import { BUSYBOX, rootTest } from "./support.ts";

const MEBI = 2 ** 20;

/** How long dd takes past the cache, in seconds, to copy so many blocks of so many bytes. */
async function dd(
  directory: string,
  way: "read" | "write",
  { bytes, count }: { readonly bytes: number; readonly count: number },
  limits: Limits,
): Promise<number> {
  const files = way === "read" ? "if=/disk/file of=/dev/null iflag=direct" : "if=/dev/zero of=/disk/file oflag=direct";
  // The clock starts inside: what it takes to make the container doesn't count.
  const script = `read a b </proc/uptime; dd ${files} bs=${bytes} count=${count} conv=notrunc 2>/dev/null || exit 1
    read c d </proc/uptime; echo $a $c`;
  await using container = await run({
    image: BUSYBOX,
    command: ["sh", "-c", script],
    mounts: [{ destination: "/disk", type: "bind", source: directory, options: ["bind"] }],
    limits,
  });
  const [from = 0, to = 0] = (await new Response(container.stdout).text()).split(" ").map(Number);
  assertEquals((await container.status).code, 0);
  return to - from;
}

rootTest(
  "limits: --device-read-bps, --device-write-bps and in operations hold a disk to what was asked for",
  async () => {
    using scratch = disk();
    const { path, device: [major, minor] } = scratch;
    Deno.writeFileSync(`${path}/file`, new Uint8Array(16 * MEBI));
    new Deno.Command("sync").outputSync();
    const [block, operations] = [64 * 1024, 4096];
    for (
      const [way, size, rate, limit] of [
        ["read", { bytes: block, count: 128 }, 4 * MEBI, "deviceReadBps"],
        ["write", { bytes: block, count: 128 }, 4 * MEBI, "deviceWriteBps"],
        ["read", { bytes: operations, count: 100 }, 50, "deviceReadIops"],
        ["write", { bytes: operations, count: 100 }, 50, "deviceWriteIops"],
      ] as const
    ) {
      // Two seconds' worth.
      const amount = rate > 1000 ? size.bytes * size.count : size.count;
      const free = await dd(path, way, size, {});
      const held = await dd(path, way, size, { [limit]: [{ major, minor, rate }] });
      assert(
        held > 0.8 * amount / rate && held < 1.5 * amount / rate + free,
        `${limit}: ${held} s, where ${amount / rate} s were asked for, and ${free} s are possible`,
      );
      assert(free < 0.5 * held, `${limit}: it takes ${free} s without any limit`);
    }
  },
);
