import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../../lib/errors.ts";
import { script } from "../../../lib/network/script.ts";

Deno.test("script() gives a program its input as it is, and answers what it writes", async () => {
  const input = 'a\n$HOME `id` "\\\n\0ü';
  assertEquals(await script("cat", [], input), { code: 0, stdout: input, stderr: "" });
  assertEquals(await script("cat", [], ""), { code: 0, stdout: "", stderr: "" });
  const long = "0123456789abcdef\n".repeat(50_000);
  assertEquals((await script("cat", ["-"], long)).stdout, long);
});

Deno.test("script() gives a program its arguments as they are", async () => {
  const args = [
    "",
    "a b",
    "$HOME",
    "$(id)",
    "`id`",
    "'",
    '"',
    "\\",
    "*",
    "~",
    "\n",
    "a;b",
    "> /x",
    "A=b",
    "#",
    "{a,b}",
    "ü",
  ];
  assertEquals((await script("printf", ["%s|", ...args], "")).stdout, args.map((arg) => `${arg}|`).join(""));
});

Deno.test("script() answers what a program says of its failure, and how it ended", async () => {
  const ended = (text: string, input = "") => script("sh", ["-c", text], input);
  assertEquals(await ended("echo out; echo err >&2; exit 3"), { code: 3, stdout: "out\n", stderr: "err\n" });
  assertEquals((await ended("kill -9 $$")).code, 137);
  assertEquals((await ended("kill -15 $$")).code, 143);
});

Deno.test("script() answers the program's own exit code where it doesn't read all of its input", async () => {
  for (const input of ["x", "x".repeat(1_000_000), "x\n".repeat(500_000)]) {
    assertEquals(await script("true", [], input), { code: 0, stdout: "", stderr: "" });
    assertEquals(await script("sh", ["-c", "exit 7"], input), { code: 7, stdout: "", stderr: "" });
    assertEquals(await script("head", ["-c", "1"], input), { code: 0, stdout: "x", stderr: "" });
  }
});

Deno.test("script() keeps the caller's environment and directory to itself", async () => {
  Deno.env.set("LD_LIBFLUX_TEST", "1");
  try {
    const { stdout } = await script("env", [], "");
    // shells set the last three by themselves
    const variables = stdout.split("\n").filter((line) => !/^$|^(PWD|SHLVL|_)=/.test(line));
    assertEquals(variables.sort(), [
      "LC_ALL=C",
      "PATH=/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin",
    ]);
    assertEquals((await script("pwd", [], "")).stdout, "/\n");
  } finally {
    Deno.env.delete("LD_LIBFLUX_TEST");
  }
});

Deno.test("script() says which program is missing, and what to install", async () => {
  const error = await assertRejects(() => script("ip6tables-of-nobody", [], ""), NetworkError);
  assertEquals(error.message, "`ip6tables-of-nobody` is not there");
  assert(error.hint?.startsWith("install what Debian calls iptables into one of /usr/sbin, "), error.hint);
  const other = await assertRejects(() => script("program-of-nobody", [], ""), NetworkError);
  assert(other.hint?.startsWith("install it into one of "), other.hint);
});
