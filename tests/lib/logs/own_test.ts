import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { type Entry, entryLine, journalMessage, openOwnLog, syslogMessage } from "../../../lib/logs/own.ts";
import { parseEntry } from "./journal.ts";

const ENTRY: Entry = {
  time: "2026-11-26T12:00:00.000Z",
  level: "error",
  msg: "it can't\nbe",
  path: "/x",
  errno: 2,
  hint: "make it",
  exitCode: 125,
};

Deno.test("entryLine() is one line, whatever an entry has in it", () => {
  assertEquals(entryLine(ENTRY, "text"), "2026-11-26T12:00:00.000Z error: it can't\\x0abe; make it");
  assertEquals(JSON.parse(entryLine(ENTRY, "json")), ENTRY);
  assertEquals(entryLine(ENTRY, "json").includes("\n"), false);
  const warning: Entry = { time: ENTRY.time, level: "warn", msg: "careful" };
  assertEquals(entryLine(warning, "text"), "2026-11-26T12:00:00.000Z warn: careful");
});

Deno.test("journalMessage() has a field for all that is known", () => {
  assertEquals(parseEntry(journalMessage(ENTRY)), [
    ["PRIORITY", "3"],
    ["SYSLOG_IDENTIFIER", "libflux"],
    ["MESSAGE", "it can't\nbe"],
    ["ERRNO", "2"],
    ["LIBFLUX_PATH", "/x"],
    ["LIBFLUX_HINT", "make it"],
    ["LIBFLUX_EXIT_CODE", "125"],
  ]);
  const warning: Entry = { time: ENTRY.time, level: "warn", msg: "careful" };
  assertEquals(parseEntry(journalMessage(warning))[0], ["PRIORITY", "4"]);
});

Deno.test("syslogMessage() has priority, name and pid", () => {
  const text = (...args: Parameters<typeof syslogMessage>): string => new TextDecoder().decode(syslogMessage(...args));
  assertEquals(text(ENTRY, "text", 7), "<27>libflux[7]: it can't\\x0abe; make it");
  assertEquals(text(ENTRY, "json", 7), `<27>libflux[7]: ${JSON.stringify(ENTRY)}`);
});

Deno.test("openOwnLog() adds to a file, and says which one it can't write", () => {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-own-" });
  try {
    const file = `${directory}/log`;
    Deno.writeTextFileSync(file, "before\n");
    openOwnLog(file, "text")(ENTRY);
    assertEquals(Deno.readTextFileSync(file), `before\n${entryLine(ENTRY, "text")}\n`);
    assertThrows(
      () => openOwnLog(`${directory}/no/log`, "text"),
      UsageError,
      `--log-file ${directory}/no/log can't be written: no such file or directory`,
    );
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
