import { assertEquals } from "@std/assert";
import { isColourful, paint } from "../../../lib/commands/colour.ts";

const stream = (terminal: boolean) => ({ isTerminal: () => terminal });

Deno.test("colours are for terminals that have some, and for who wants them", () => {
  const before = [Deno.env.get("NO_COLOR"), Deno.env.get("TERM")] as const;
  const seen = (noColour: string | undefined, term: string, terminal = true): boolean => {
    if (noColour === undefined) Deno.env.delete("NO_COLOR");
    else Deno.env.set("NO_COLOR", noColour);
    Deno.env.set("TERM", term);
    return isColourful(stream(terminal));
  };
  try {
    assertEquals([
      seen(undefined, "xterm"),
      seen("", "xterm"),
      seen("1", "xterm"),
      seen("0", "xterm"),
      seen(undefined, "dumb"),
      seen(undefined, "xterm", false),
    ], [true, true, false, false, false, false]);
  } finally {
    for (const [index, name] of ["NO_COLOR", "TERM"].entries()) {
      const value = before[index];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
});

Deno.test("paint() ends what it begins", () => {
  assertEquals([paint("x", "red", true), paint("x", "red", false), paint("x", undefined, true)], [
    "\x1b[31mx\x1b[0m",
    "x",
    "x",
  ]);
});
