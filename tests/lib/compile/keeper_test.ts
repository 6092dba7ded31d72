import { assertStringIncludes } from "@std/assert";
import { link } from "../../../ffi/link.ts";
import { listing } from "../../../ffi/listing.ts";
import { keeperProgram } from "../../../lib/compile/keeper.ts";

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`keeperProgram() of ${architecture} reads the terminal until the command's end`, () => {
    const program = keeperProgram(architecture);
    link(program);
    const text = listing(program);
    for (const label of ["throw away what is shown", "wait for more, or the end", "if it has ended, end"]) {
      assertStringIncludes(text, label);
    }
  });
}
