import { assert, assertEquals, assertMatch } from "@std/assert";
import { E } from "../../ffi/abi/constants.ts";
import { execute, type Executed, executeLines } from "../../ffi/execute.ts";
import { checked, Descriptor, syscall } from "../../ffi/libc.ts";

const SHELL = "/bin/sh";

async function ended(path: string, args: readonly string[], input?: string): Promise<Executed> {
  const execution = execute(path, args, input);
  assert(typeof execution === "object", `errno ${execution}`);
  return await execution.ended;
}
const shell = (script: string, input?: string): Promise<Executed> => ended(SHELL, ["-c", script], input);

/** A file that can be executed, as long as its variable lasts. */
function file(text: string, mode = 0o700): Disposable & { readonly path: string } {
  const path = Deno.makeTempFileSync({ prefix: "libflux-execute-" });
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, mode);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

Deno.test("execute() answers the exit code, and what was written to both outputs", async () => {
  assertEquals(await shell("exit 0"), { code: 0, output: "", errno: 0 });
  assertEquals(await shell("echo out; echo err >&2; exit 3"), { code: 3, output: "out\nerr\n", errno: 0 });
  assertEquals((await shell("exit 255")).code, 255);
  assertEquals((await shell("kill -9 $$")).code, 137);
});

Deno.test("execute() runs a program that no signal of the terminal's ends", async () => {
  assertEquals((await shell("kill -INT $$; kill -HUP $$; kill -TERM $$; exit 5")).code, 5);
});

Deno.test("execute() gives the program its three streams, and nothing that somebody has left open", async () => {
  // Not close-on-exec: a shell's `9</etc/shadow`.
  const F_DUPFD = 0;
  using _open = new Descriptor(checked("fcntl", 0, F_DUPFD, 50));
  assertEquals(await shell("ls /proc/$$/fd"), { code: 0, output: "0\n1\n2\n", errno: 0 });
});

Deno.test("execute() decodes UTF-8 across the pieces that it reads", async () => {
  const { output } = await shell("cat", "a" + "ü€😀".repeat(20_000));
  assertEquals(output, "a" + "ü€😀".repeat(20_000));
  assertEquals((await shell("printf '\\377'")).output, "\ufffd");
});

Deno.test("execute() gives input larger than a pipe, and the end of file without any", async () => {
  const input = "0123456789abcdef\n".repeat(50_000);
  assertEquals((await shell("cat", input)).output, input);
  assertEquals((await shell("wc -c", input)).output.trim(), String(input.length));
  // Who doesn't read it all isn't waited for.
  assertEquals(await shell("head -c 4; exit 7", input), { code: 7, output: "0123", errno: 0 });
  assertEquals(await shell("cat", ""), { code: 0, output: "", errno: 0 });
  assertEquals(await shell("cat"), { code: 0, output: "", errno: 0 });
});

Deno.test("execute() keeps 64 MiB of what is written, and reads the rest", async () => {
  const { code, output } = await shell("head -c 70000000 /dev/zero | tr '\\0' x; exit 4");
  assertEquals(code, 4);
  assert(output.length >= 1 << 26 && output.length < (1 << 26) + 65_536, String(output.length));
});

Deno.test("execute() gives arguments as they are, and the program its own name", async () => {
  const args = ["", "a b", "$HOME", "`id`", "'", '"', "\\", "*", "\n", "-n", "ü"];
  using program = file('#!/bin/sh\nprintf "%s|" "$@"\n');
  assertEquals((await ended(program.path, args)).output, args.map((arg) => `${arg}|`).join(""));
  assertEquals((await ended(SHELL, ["-c", 'tr "\\0" "|" < /proc/$$/cmdline'])).output.split("|")[0], "sh");
});

Deno.test("execute() runs a script, which finds itself by its path", async () => {
  using script = file('#!/bin/sh\necho "$0"\ncat\n');
  assertEquals(await ended(script.path, [], "text"), { code: 0, output: `${script.path}\ntext`, errno: 0 });
});

Deno.test("execute() tells why a program can't be executed", async () => {
  assertEquals(execute("/nowhere/program", []), E.ENOENT);
  assertEquals(execute(`${SHELL}/program`, []), E.ENOTDIR);
  using plain = file("#!/bin/sh\n", 0o600);
  assertEquals(execute(plain.path, []), E.EACCES);
  assertEquals(await ended("/tmp", []), { code: undefined, output: "", errno: E.EACCES });
  using junk = file("\x01\x02\x03");
  assertEquals(await ended(junk.path, []), { code: undefined, output: "", errno: 8 });
  using lost = file("#!/nowhere/interpreter\n");
  assertEquals(await ended(lost.path, []), { code: undefined, output: "", errno: E.ENOENT });
});

Deno.test("execute() gives an empty environment", async () => {
  Deno.env.set("LIBFLUX_TEST_EXECUTE", "1");
  try {
    assertEquals((await ended("/usr/bin/env", [])).output, "");
  } finally {
    Deno.env.delete("LIBFLUX_TEST_EXECUTE");
  }
});

/** Descriptors that whoever started this process has left open for all programs. */
const inherited = (): string[] =>
  Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => name)
    .filter((name) => Number(name) > 2 && syscall("fcntl", Number(name), F_GETFD) === 0);
const F_GETFD = 1;

Deno.test("execute() gives three descriptors, and none of those that this process has opened", async () => {
  using _open = Deno.openSync("/dev/null");
  const others = inherited();
  for (const input of [undefined, "text"]) {
    const { output } = await ended("/bin/ls", ["-l", "/proc/self/fd"], input);
    const found = new Map(
      [...output.matchAll(/ (\d+) -> (.*)$/gm)].map(([, number = "", target = ""]) => [number, target]),
    );
    const own = [...found.keys()].filter((number) => !others.includes(number));
    // The last one is of `ls` itself, for the directory.
    assertEquals([own.length, ...own.slice(0, 3)], [4, "0", "1", "2"], output);
    assertMatch(found.get("0") ?? "", input === undefined ? /^\/dev\/null$/ : /libflux-input/);
    assertEquals(found.get("1"), found.get("2"));
    assertMatch(found.get(own[3] ?? "") ?? "", /^\/proc\//);
  }
});

Deno.test("200 programs, together and one by one, leave no zombie and no descriptor", async () => {
  const descriptors = (): string[] => Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => name).sort();
  const children = (): string =>
    [...Deno.readDirSync("/proc/self/task")].map(({ name }) =>
      Deno.readTextFileSync(`/proc/self/task/${name}/children`)
    ).join("");
  using junk = file("\x01\x02\x03");
  await shell("exit 0");
  const before = descriptors();
  for (let round = 0; round < 10; round++) {
    const codes = await Promise.all(Array.from({ length: 15 }, (_, index) => shell(`cat; exit ${index}`, "x")));
    assertEquals(codes.map(({ code }) => code), codes.map((_, index) => index));
    for (let i = 0; i < 4; i++) assertEquals((await ended("/bin/true", [])).code, 0);
    assertEquals((await ended(junk.path, [])).errno, 8);
    assertEquals(execute("/nowhere", []), E.ENOENT);
  }
  assertEquals(descriptors(), before);
  assertEquals(children(), "");
});

Deno.test("executeLines() has a program wait for its lines, and end where it gets none", async () => {
  const path = "/bin/cat";
  const reader = executeLines(path, []);
  assert(typeof reader === "object");
  await reader.work("first\nlast\n");
  const { code, output } = await reader.ended;
  // What fills the pages is comments.
  assertEquals([code, output.replace(/^#+\n/gm, "")], [0, "first\nlast\n"]);
  const unused = executeLines(path, []);
  assert(typeof unused === "object");
  unused[Symbol.dispose]();
  assertEquals(await unused.ended, { code: 0, output: "", errno: 0 });
  assertEquals(executeLines("/nowhere/cat", []), E.ENOENT);
});
