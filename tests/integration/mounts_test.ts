import { assertEquals, assertMatch } from "@std/assert";
import { BUSYBOX, hostTest, LIBFLUX, runContainer, temporaryDirectory, uniqueName } from "./support.ts";

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

hostTest("mounts: z and Z, which others' commands have, change nothing where there is no SELinux", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "x");
  for (const option of ["z", "Z,ro"]) {
    const script = "cat /mnt/file; grep ' /mnt ' /proc/self/mountinfo";
    const shown = await out(["--bind", `${directory.path}:/mnt:${option}`], script);
    assertMatch(shown, option === "z" ? /^x\d.* \/mnt rw/ : /^x\d.* \/mnt ro/);
  }
});

/** Flags for this many binds of a directory. */
const binds = (source: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => ["--bind", `${source}:/mnt/${index}`]).flat();

hostTest("mounts: there can be hundreds of binds", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "x");
  assertEquals(await out(binds(directory.path, 300), "cat /mnt/*/file | wc -c"), "300\n");
});

hostTest("mounts: a limit on open files holds no small container up, and is named where it does", async () => {
  using directory = temporaryDirectory();
  const run = async (count: number) => {
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'ulimit -n 64; exec "$@"', "sh", LIBFLUX, "run", uniqueName(), "--image", BUSYBOX]
        .concat(["--network", "none"], binds(directory.path, count), ["--", "true"]),
      stdin: "null",
      stderr: "piped",
    }).output();
    return [code, new TextDecoder().decode(stderr)] as const;
  };
  assertEquals(await run(5), [0, ""]);
  const [code, said] = await run(60);
  assertEquals(code, 125);
  assertMatch(said, /^libflux: could not open .*: too many open files \(EMFILE\); raise .*ulimit -n.*\n$/);
});
