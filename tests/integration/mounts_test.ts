import { assertEquals } from "@std/assert";
import { BUSYBOX, hostTest, runContainer, temporaryDirectory } from "./support.ts";

/** What a script writes in a container that has these flags. */
async function out(flags: readonly string[], script: string): Promise<string> {
  const { code, stdout, stderr } = await runContainer(["--image", BUSYBOX, ...flags], ["sh", "-c", script]);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

hostTest("mounts: one that lies below another isn't hidden by it, whatever the order of the flags", async () => {
  using directory = temporaryDirectory();
  const [above, below] = [`${directory.path}/above`, `${directory.path}/below`];
  for (const path of [above, below]) Deno.mkdirSync(path);
  Deno.mkdirSync(`${above}/s`);
  Deno.writeTextFileSync(`${below}/file`, "below");
  const bind = ["--bind", `${below}:/mnt/s`];
  for (const over of [["--tmpfs", "/mnt"], ["--bind", `${above}:/mnt`], ["--mount", "type=tmpfs,dst=/mnt"]]) {
    for (const flags of [[...over, ...bind], [...bind, ...over]]) {
      assertEquals(await out(flags, "cat /mnt/s/file"), "below", flags.join(" "));
    }
  }
});
