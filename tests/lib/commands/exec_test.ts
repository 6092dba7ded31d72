import { assertEquals, assertThrows } from "@std/assert";
import { parseExec } from "../../../lib/commands/exec.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseExec() reads a command line", () => {
  assertEquals(
    parseExec([
      "web",
      "-it",
      "-u",
      "web",
      "-w",
      "/srv",
      "-e",
      "A=b",
      "--privileged",
      "--root",
      "/r",
      "--",
      "sh",
      "-c",
      "x",
    ]),
    {
      name: "web",
      options: {
        ...{ user: "web", workdir: "/srv", privileged: true, root: "/r" },
        ...{ command: ["sh", "-c", "x"], env: { A: "b" } },
      },
      tty: true,
      interactive: true,
      detach: false,
      detachKeys: undefined,
    },
  );
  assertEquals(parseExec(["--help"]), undefined);
  assertEquals(parseExec(["web", "-d", "--", "x"])?.detach, true);
});

Deno.test("parseExec() tells what is missing, and where the command goes", () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], "no container is named"],
    [["web"], "there is no command to run"],
    [["web", "ls"], "there is no command to run"],
    [["web", "ls", "--", "x"], "comes after the name"],
    [["web", "-dt", "--", "x"], "can't both be detached and have a terminal"],
    [["web", "--users", "0", "--", "x"], "has no flag --users"],
  ];
  for (const [args, says] of cases) assertThrows(() => parseExec(args), UsageError, says);
});
