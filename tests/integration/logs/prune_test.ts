import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodeRecord } from "../../../lib/logs/format.ts";
import { KEPT } from "../../../lib/store/trim.ts";
import { record } from "../../lib/logs/support.ts";
import { script } from "../detached/support.ts";
import { BUSYBOX, libflux, uniqueName } from "../support.ts";
import { Terminal } from "../terminal.ts";
import { Ended } from "./ended.ts";

Deno.test("ps --all lists those that have ended, and rm and prune remove them", async () => {
  using ended = new Ended({ labels: { tier: "web" } });
  const { name } = ended;
  assertEquals((await ended.run("ps", "--quiet")).stdout, "");
  assertMatch((await ended.run("ps", "-a")).stdout, new RegExp(`^${name} +exited \\(3\\) `, "m"));
  assertEquals((await ended.run("ps", "-a", "-q", "--filter", "state=exited")).stdout, `${name}\n`);
  assertEquals(JSON.parse((await ended.run("ps", "-a", "--format", "json")).stdout)[0].code, 3);
  const refused = await ended.run("prune");
  assertEquals(refused.code, 125);
  assertStringIncludes(refused.stderr, "there is no terminal to ask at; give --force");
  const wrong = await ended.run("prune", "-f", "--filter", "size=3");
  assertStringIncludes(wrong.stderr, '"size=3" is no filter');
  const other = await ended.run("prune", "-f", "--filter", "label=tier=db");
  assertEquals([other.code, other.stdout, other.stderr], [0, "", "libflux: 0 removed, 0 B freed\n"]);
  const pruned = await ended.run("prune", "-f", "--filter", "label=tier", "--filter", "until=1s");
  assertEquals([pruned.code, pruned.stdout], [0, `${name}\n`]);
  assertEquals((await ended.run("ps", "-a", "-q")).stdout, "");
  const gone = await ended.run("rm", name);
  assertEquals([gone.code, gone.stderr.includes(`there is no container ${name}`)], [125, true]);
  const json = await ended.run("rm", name, "--log-format", "json");
  assertStringIncludes(JSON.parse(json.stderr).msg, `there is no container ${name}`);
});

Deno.test("old records that can't be removed keep no container from ending well", async () => {
  using ended = new Ended();
  const record = ended.history.read(ended.name);
  assert(record !== undefined);
  for (let index = 0; index <= KEPT + KEPT / 10; index++) {
    ended.history.begin({ ...record, name: `x${index}`, finished: "2026-01-01T00:00:00.000Z" }).close();
  }
  // The oldest one's name is held by what is no container.
  Deno.mkdirSync(`${ended.root}/containers`, { mode: 0o700 });
  Deno.writeTextFileSync(`${ended.root}/containers/x0`, "");
  const flags = ["--root", ended.root, "--log-driver", "file", "--image", BUSYBOX, "--network", "none"];
  const { code, stderr } = await libflux(["run", uniqueName(), ...flags, "--", "true"]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "what is kept of old containers can't be removed");
});

Deno.test("rm refuses what runs, and kills it with --force", async () => {
  await using container = await script("exec sleep 60");
  const { name } = container;
  const refused = await libflux(["rm", name]);
  assertEquals(refused, {
    code: 125,
    stdout: "",
    stderr: `libflux: the container ${name} runs; end it first: libflux stop ${name}; or give --force\n`,
  });
  assertEquals(await libflux(["rm", "--force", name]), { code: 0, stdout: `${name}\n`, stderr: "" });
  assertEquals([container.state, container.record], [undefined, undefined]);
});

Deno.test("prune leaves alone what runs", async () => {
  // Not below the root of whoever runs the tests: what has ended there is theirs.
  using ended = new Ended();
  const name = uniqueName();
  const run = ["--detach", "--image", BUSYBOX, "--network", "none", "--", "sleep", "60"];
  assertEquals((await ended.run("run", name, ...run)).code, 0);
  try {
    assertEquals((await ended.run("prune", "--force")).stdout, `${ended.name}\n`);
    assertEquals(ended.history.names(), [name]);
  } finally {
    await ended.run("rm", "--force", name);
  }
});

Deno.test("prune asks at a terminal, and does nothing unless somebody agrees", async () => {
  using ended = new Ended();
  for (const answer of ["n\r", "\r", "nonsense\r", "\x04"]) {
    await using terminal = new Terminal(["prune", "--root", ended.root]);
    await terminal.shows("This removes the records and logs of all containers that have ended. Go on? [y/N] ");
    terminal.type(answer);
    assertEquals(await terminal.ended(), 1);
    assertStringIncludes(terminal.text, "libflux: nothing was removed");
  }
  assertEquals((await ended.run("ps", "-a", "-q")).stdout, `${ended.name}\n`);
  await using terminal = new Terminal(["prune", "--root", ended.root]);
  await terminal.shows("[y/N] ");
  terminal.type("y\r");
  assertEquals(await terminal.ended(), 0);
  assertStringIncludes(terminal.text, "libflux: 1 removed");
  assertEquals((await ended.run("ps", "-a", "-q")).stdout, "");
});

Deno.test("logs shows both streams in their order where both lead to one terminal", async () => {
  using ended = new Ended();
  const lines = Array.from({ length: 100 }, (_, index) => record(index % 3 === 0 ? "stderr" : "stdout", `${index}\n`));
  Deno.writeFileSync(ended.log, new Uint8Array(lines.flatMap((one) => [...encodeRecord(one)])));
  await using terminal = new Terminal(["logs", "--root", ended.root, ended.name]);
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.text, Array.from({ length: 100 }, (_, index) => `${index}\r\n`).join(""));
});

Deno.test("logs of a container with a terminal are the bytes that it has shown", async () => {
  await using container = await script("printf '\\033[1mbold\\033[0m\\n'; exit 3", ["--tty"]);
  const { code, stdout, stderr } = await libflux(["logs", "--follow", container.name]);
  assertEquals([code, stdout, stderr], [0, "\x1b[1mbold\x1b[0m\r\n", ""]);
});
