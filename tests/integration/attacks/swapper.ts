/**
 * Who swaps two names again and again.
 *
 * @module
 */
import { assertEquals } from "@std/assert";

/** Swaps two names for as long as it lasts: what is a directory is a link in the next moment. Without a pause nobody else gets on. */
export function swapper(one: string, other: string): AsyncDisposable {
  // renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)
  const number = Deno.build.arch === "x86_64" ? 316 : 276;
  const perl =
    `my ($one, $other) = @ARGV; while (1) { syscall(${number}, -100, $one, -100, $other, 2) == 0 or die $!; select(undef, undef, undef, 0.0003) }`;
  const child = new Deno.Command("perl", { args: ["-e", perl, one, other] }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      const { code } = await child.status;
      // It hasn't ended by itself, because it could swap nothing.
      assertEquals(code, 128 + 9);
    },
  };
}
