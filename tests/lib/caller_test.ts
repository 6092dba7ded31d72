import { assertEquals, assertThrows } from "@std/assert";
import { callersFileLimit, callersPath, callersVariable, checkArguments, decode, variable } from "../../lib/caller.ts";
import { UsageError } from "../../lib/errors.ts";

/** Runs something with a variable of the environment. */
function withVariable(name: string, value: string, run: () => void): void {
  Deno.env.set(name, value);
  try {
    run();
  } finally {
    Deno.env.delete(name);
  }
}

Deno.test("callersFileLimit() reads what the executable's first instructions leave, and nothing else", () => {
  assertEquals(callersFileLimit("1024:4096"), { type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 });
  assertEquals(callersFileLimit("8:18446744073709551615")?.hard, 2 ** 64);
  for (const text of [undefined, "", "1024", "1024:", ":1", "-1:2", "1:2:3", "1e3:2", "1".repeat(21) + ":1"]) {
    assertEquals(callersFileLimit(text), undefined, text);
  }
});

Deno.test("callersPath() refuses a relative path where there is no working directory", () => {
  assertEquals(callersPath("a"), "a");
  withVariable("LIBFLUX_CWD", "gone", () => {
    assertEquals(callersPath("/a"), "/a");
    for (const path of ["a", ".", "../a", ""]) assertThrows(() => callersPath(path), UsageError, "leads nowhere", path);
  });
});

Deno.test("callersVariable() finds what the process began with, where Deno is shown something else", () => {
  const path = Deno.env.get("PATH");
  withVariable("LIBFLUX_TEST_LATE", "1", () => {
    assertEquals(callersVariable("LIBFLUX_TEST_LATE"), "1");
    withVariable("LIBFLUX_NOFILE", "1:1", () => {
      assertEquals(callersVariable("LIBFLUX_TEST_LATE"), undefined);
      assertEquals(callersVariable("PATH"), path);
      assertEquals(callersVariable("PAT"), undefined);
    });
  });
});

Deno.test("decode(), variable() and checkArguments() take UTF-8 only", () => {
  assertEquals(decode(new TextEncoder().encode("ä\ufeff\ufffd"), "it"), "ä\ufeff\ufffd");
  assertEquals(decode(new TextEncoder().encode("\ufeffa"), "it"), "\ufeffa");
  assertThrows(() => decode(Uint8Array.of(0x41, 0xff), "the file x"), UsageError, "the file x isn't UTF-8");
  assertEquals(variable("LIBFLUX_TEST_ABSENT"), undefined);
  // this process's own command line is text
  checkArguments(["a", "\ufffd"]);
});
