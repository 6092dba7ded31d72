import { assertEquals } from "@std/assert";
import { link } from "../../../ffi/link.ts";
import { LINKED } from "../../../lib/logs/linked.ts";
import { pumpImage, pumpProgram, USUAL_PUMP } from "../../../lib/logs/pump.ts";
import { checkLog } from "../../../lib/spec/log_options.ts";
import { linkPump } from "../../../tasks/assemble.ts";

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`the usual pump of ${architecture} is linked as its compiler makes it: else run tasks/assemble.ts`, () => {
    assertEquals<unknown>(LINKED[architecture], linkPump(architecture));
    const options = { ...USUAL_PUMP, architecture };
    assertEquals(pumpImage(options), link(pumpProgram(options)).elf);
    const other = { ...options, log: { maxSize: 1024, maxFile: 1 } };
    assertEquals(pumpImage(other), link(pumpProgram(other)).elf);
  });
}

Deno.test("the usual pump is that of a log of which nothing was said", () => {
  const { maxSize, maxFile } = checkLog({});
  assertEquals(USUAL_PUMP.log, { maxSize, maxFile });
});
