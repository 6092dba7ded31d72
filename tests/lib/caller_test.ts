import { assertEquals, assertThrows } from "@std/assert";
import { checkArguments, decode, variable } from "../../lib/caller.ts";
import { UsageError } from "../../lib/errors.ts";

Deno.test("decode(), variable() and checkArguments() take UTF-8 only", () => {
  assertEquals(decode(new TextEncoder().encode("ä\ufeff\ufffd"), "it"), "ä\ufeff\ufffd");
  assertEquals(decode(new TextEncoder().encode("\ufeffa"), "it"), "\ufeffa");
  assertThrows(() => decode(Uint8Array.of(0x41, 0xff), "the file x"), UsageError, "the file x isn't UTF-8");
  assertEquals(variable("LIBFLUX_TEST_ABSENT"), undefined);
  // this process's own command line is text
  checkArguments(["a", "\ufffd"]);
});
