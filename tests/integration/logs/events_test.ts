import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, script } from "../detached/support.ts";
import { hostTest, IS_USER, libflux, startLibflux } from "../support.ts";

/** The lines of a stream, as they come. */
async function collect(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split("\n");
    rest = whole.pop() ?? "";
    lines.push(...whole);
  }
}

hostTest("events shows what happens to a container as it happens, and afterwards", async () => {
  await using container = await script("exec sleep 60");
  const { name } = container;
  const child = startLibflux([
    "events",
    "--follow",
    "--since",
    "1h",
    "--filter",
    `name=${name}`,
    "--format",
    "{{.Type}} {{.Name}}",
  ]);
  await child.stdin.close();
  const lines: string[] = [];
  const reading = collect(child.stdout, lines);
  const shown = (line: string) => eventually(() => lines.includes(`${line} ${name}`), `${line} is shown`);
  // Without delegated cgroups, nothing of an ordinary user's can be held.
  const changes = IS_USER ? [] : ["pause", "unpause"];
  for (const change of changes) {
    assertEquals((await libflux([change, name])).code, 0);
    await shown(`${change}d`);
  }
  assertEquals((await libflux(["rm", "--force", name])).code, 0);
  await shown("removed");
  child.kill("SIGINT");
  assertEquals((await child.status).code, 130);
  await Promise.all([reading, child.stderr.cancel()]);
  const past = await libflux([
    "events",
    "--format",
    "json",
    ...["paused", "unpaused", "removed"].flatMap((type) => ["--filter", `type=${type}`]),
    ...["--filter", `name=${name}`],
  ]);
  const events = past.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(events.map(({ type }) => type), [...changes.map((change) => `${change}d`), "removed"]);
  for (const event of events) assertMatch(event.id, /^[0-9a-f]{64}$/);
  const text = await libflux(["events", "--filter", `name=${name}`, "--filter", "type=removed"]);
  assertMatch(text.stdout, new RegExp(`^\\d{4}-\\S+Z removed ${name} [0-9a-f]{12} \\(image=.*/busybox\\)\n$`));
  const format = ["--format", "{{.Type}}\\t\\n{{.Name}}", "--filter", "type=removed"];
  const broken = await libflux(["events", ...format, "--filter", `name=${name}`]);
  assertEquals(broken.stdout, `removed\t\n${name}\n`);
});

Deno.test("events says what is wrong, and ends when nobody reads it any more", async () => {
  for (
    const [args, text] of [
      [["--filter", "type=burnt"], '"type=burnt" is no filter; write name=CONTAINER'],
      [["--format", "xml"], '--format is json or a template, not "xml"'],
      [["--format", "{{.Colour}}"], "Colour"],
      [["--since", "then"], '--since "then" is no time'],
      [["web"], "takes no argument"],
    ] as const
  ) {
    const { code, stderr } = await libflux(["events", ...args]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, text);
  }
  const child = startLibflux(["events", "--follow"]);
  await child.stdin.close();
  await child.stdout.cancel();
  assertEquals((await child.status).code, 0);
  const errors = await new Response(child.stderr).text();
  assert(errors === "", errors);
});
