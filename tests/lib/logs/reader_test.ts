import { assert, assertEquals } from "@std/assert";
import { decodeRecord, encodeRecord, type LogRecord, MAX_DATA } from "../../../lib/logs/format.ts";
import { type Entry, LogReader, openFiles, type Selection } from "../../../lib/logs/reader.ts";
import { bytes, flat, Log, naiveTail, random, randomRecords, record, text } from "./support.ts";

/** Reads a log that nobody writes to any more. */
function read(log: Log, selection: Selection = {}, patience: "wait" | "final" = "final"): Entry[] {
  using directory = log.open();
  using reader = new LogReader(openFiles(directory).files, selection);
  return [...reader.read(patience)].flat();
}

/** Cuts records into files at random places. */
function split(records: readonly LogRecord[], next: (most: number) => number): LogRecord[][] {
  const files: LogRecord[][] = [[]];
  for (const one of records) {
    if (next(15) === 0) files.push([]);
    files.at(-1)?.push(one);
  }
  return files;
}

Deno.test("LogReader reads the files of a log from the oldest to the youngest, whatever else is in the directory", () => {
  using log = new Log(Array.from({ length: 12 }, (_, index) => [record("stdout", `${index}\n`)]));
  for (const name of ["log.new", "log.01", "log.x", "logs", "record.json"]) {
    Deno.writeTextFileSync(`${log.path}/${name}`, "no");
  }
  assertEquals(
    text(new Uint8Array(read(log).flatMap(({ data }) => [...data]))),
    Array.from({ length: 12 }, (_, i) => `${i}\n`).join(""),
  );
});

Deno.test("LogReader reads nothing but regular files of its own directory", () => {
  using log = new Log([[record("stdout", "own\n")]]);
  using other = new Log([[record("stdout", "foreign\n")]]);
  Deno.symlinkSync(other.file(), log.file(1));
  Deno.mkdirSync(log.file(2));
  assert(new Deno.Command("mkfifo", { args: [log.file(3)] }).outputSync().success);
  assertEquals(flat(read(log)), "<stdout>own\n");
});

Deno.test("LogReader gives each record's time to the nanosecond, and its stream", () => {
  using log = new Log();
  const bytesOf = encodeRecord({ ...record("stderr", "x"), time: 1_700_000_000_000 });
  new DataView(bytesOf.buffer).setUint32(16, 123_456_789, true);
  Deno.writeFileSync(log.file(), bytesOf);
  assertEquals(read(log), [{ stream: "stderr", seconds: 1_700_000_000, nanoseconds: 123_456_789, data: bytes("x") }]);
});

Deno.test("LogReader reads random logs as they were written, in however many files", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = random(seed);
    const records = randomRecords(next, next(300));
    using log = new Log(split(records, next));
    assertEquals(flat(read(log)), flat(records), `seed ${seed}`);
  }
});

Deno.test("LogReader finds the last lines as a simple search does", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const next = random(seed);
    const records = randomRecords(next, next(120));
    using log = new Log(split(records, next));
    for (const tail of [0, 1, 2, 3, next(50), 100_000]) {
      assertEquals(flat(read(log, { tail })), flat(naiveTail(records, tail)), `seed ${seed}, ${tail} lines`);
      const own = records.filter(({ stream }) => stream === "stderr");
      assertEquals(
        flat(read(log, { tail, stream: "stderr" })),
        flat(naiveTail(own, tail)),
        `seed ${seed}, ${tail} lines of stderr`,
      );
    }
  }
});

Deno.test("LogReader takes records by their own time, also where the clock went back", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const next = random(seed);
    const records = randomRecords(next, 200);
    const moment = () => ({ seconds: Math.floor((records[next(200)]?.time ?? 0) / 1000), nanoseconds: 500_000_000 });
    const [since, until] = [moment(), moment()];
    const at = ({ seconds, nanoseconds }: { seconds: number; nanoseconds: number }) =>
      seconds * 1000 + nanoseconds / 1e6;
    const wanted = records.filter(({ time }) => time >= at(since) && time <= at(until));
    using log = new Log(split(records, next));
    assertEquals(flat(read(log, { since, until })), flat(wanted), `seed ${seed}`);
    assertEquals(flat(read(log, { since, until, tail: 5 })), flat(naiveTail(wanted, 5)), `seed ${seed}, 5 lines`);
  }
});

Deno.test("LogReader leaves out what is torn at the end, and says so once nobody can complete it", () => {
  const whole = encodeRecord(record("stdout", "whole\n"));
  const torn = encodeRecord(record("stderr", "torn\n"));
  for (let length = 0; length < torn.length; length++) {
    using log = new Log();
    Deno.writeFileSync(log.file(), new Uint8Array([...whole, ...torn.subarray(0, length)]));
    assertEquals(flat(read(log, {}, "wait")), "<stdout>whole\n", `${length} bytes`);
    assertEquals(flat(read(log)), `<stdout>whole\n${length === 0 ? "" : "<lost>"}`, `${length} bytes`);
    assertEquals(
      flat(read(log, { tail: 1 })),
      `<stdout>whole\n${length === 0 ? "" : "<lost>"}`,
      `tail, ${length} bytes`,
    );
  }
});

Deno.test("LogReader goes on behind what is torn in the middle, and says that something is missing", () => {
  const [first, second] = [encodeRecord(record("stdout", "first\n")), encodeRecord(record("stdout", "second\n"))];
  const torn = encodeRecord({ ...record("stderr", ""), data: new Uint8Array(5000).fill(0xf1) });
  for (const length of [1, 2, 19, 20, 21, 1000, 5023]) {
    using log = new Log();
    Deno.writeFileSync(log.file(), new Uint8Array([...first, ...torn.subarray(0, length), ...second]));
    assertEquals(flat(read(log)), "<stdout>first\n<lost><stdout>second\n", `${length} bytes`);
    assertEquals(flat(read(log, { tail: 2 })), "<stdout>first\n<lost><stdout>second\n", `tail, ${length} bytes`);
  }
});

Deno.test("LogReader takes no harm from bytes that were changed: it gives records that are right, and says what is missing", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const next = random(seed);
    const records = randomRecords(next, 1 + next(40)).filter(({ data }) => data.length > 0);
    const file = new Uint8Array(records.flatMap((one) => [...encodeRecord(one)]));
    if (file.length === 0) continue;
    // Zeroes, as a filesystem leaves them after a crash.
    const begin = next(file.length);
    file.fill(0, begin, begin + 1 + next(300));
    using log = new Log();
    Deno.writeFileSync(log.file(), file);
    const found = read(log).filter(({ stream }) => stream !== "lost").map(({ data }) => data);
    // A frame that is whole is taken at its word, also where its data were changed.
    let offset = 0;
    const whole = records.flatMap(({ data }) => {
      const decoded = decodeRecord(file, offset)?.record;
      offset += data.length + 24;
      return decoded === undefined || decoded.stream === "lost" || decoded.data.length === 0 ? [] : [decoded.data];
    });
    assertEquals(found, whole, `seed ${seed}`);
  }
});

Deno.test("LogReader reads the largest records, and finds their lines from the end", () => {
  const data = new Uint8Array(MAX_DATA).fill(97);
  const large: LogRecord = { stream: "stdout", time: 1000, data };
  using log = new Log([[record("stdout", "begin\n"), large, large, large, large, large], [
    large,
    large,
    record("stdout", "\nend"),
  ]]);
  assertEquals(read(log).reduce((sum, one) => sum + one.data.length, 0), 6 + 7 * MAX_DATA + 4);
  assertEquals(flat(read(log, { tail: 1 })), "<stdout>end");
  assertEquals(read(log, { tail: 2 }).reduce((sum, one) => sum + one.data.length, 0), 7 * MAX_DATA + 4);
});

Deno.test("LogReader isn't held up by data that look like the beginnings of records", () => {
  const header = encodeRecord({ stream: "stdout", time: 1000, data: new Uint8Array(MAX_DATA) }).subarray(0, 20);
  const bait = new Uint8Array(4_000_000);
  for (let at = 0; at + 20 <= bait.length; at += 20) bait.set(header, at);
  using log = new Log();
  Deno.writeFileSync(log.file(), new Uint8Array([0, ...bait, ...encodeRecord(record("stdout", "end\n"))]));
  const begin = performance.now();
  assertEquals(flat(read(log)), "<lost><stdout>end\n");
  assertEquals(flat(read(log, { tail: 1 })), "<lost><stdout>end\n");
  assert(performance.now() - begin < 20_000);
});

Deno.test("openFiles() opens what is younger than a file that is known, by whatever name it goes", () => {
  using log = new Log([[record("stdout", "a")]]);
  using directory = log.open();
  const { files: [known] } = openFiles(directory);
  assert(known !== undefined);
  using _ = known;
  for (const name of ["b", "c"]) {
    log.rotate(4);
    log.write(0, [record("stdout", name)]);
  }
  const { files, met } = openFiles(directory, known);
  using reader = new LogReader(files);
  assertEquals([met, flat([...reader.read("final")].flat())], [true, "<stdout>bc"]);
});
