import { assert, assertEquals, assertThrows } from "@std/assert";
import { FluxError } from "../../../lib/errors.ts";
import { BLOCK, encodeHeader, padding, parseRecords, type TarEntry } from "../../../lib/files/tar_format.ts";
import { TarReader } from "../../../lib/files/tar_read.ts";

type Kind = Parameters<typeof encodeHeader>[0];
const FILE: Kind = {
  ...{ type: "file", name: "dir/file", target: "", mode: 0o640, uid: 1, gid: 2 },
  ...{ modified: [1_234_567_890n, 0], size: 3 },
};
const CONTENTS = new Uint8Array(BLOCK);
CONTENTS.set(new TextEncoder().encode("abc"));
const END = new Uint8Array(2 * BLOCK);

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads an archive that comes a few bytes at a time. */
function read(bytes: Uint8Array, step = 700): (TarEntry & { readonly contents: string })[] {
  let at = 0;
  const reader = new TarReader({
    readSync: (room) => {
      const part = bytes.subarray(at, at + Math.min(step, room.length));
      at += part.length;
      room.set(part);
      return part.length === 0 ? null : part.length;
    },
  });
  const found = [];
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
    let contents = "";
    for (let part = reader.contents(); part.length > 0; part = reader.contents()) {
      contents += String.fromCharCode(...part);
    }
    found.push({ ...entry, contents });
  }
  return found;
}

/** A pax header before the next entry. */
function pax(...records: readonly string[]): Uint8Array[] {
  const text = records.map((record) => {
    for (let size = record.length + 3;; size++) {
      const whole = `${size} ${record}\n`;
      if (new TextEncoder().encode(whole).length === size) return whole;
    }
  }).join("");
  const bytes = new TextEncoder().encode(text);
  const [header = END] = encodeHeader({ ...FILE, name: "pax", size: bytes.length });
  return [flagged(header, "x"), bytes, new Uint8Array(padding(bytes.length))];
}

/** A header of another kind, with the sum that it then has. */
function flagged(header: Uint8Array, flag: string): Uint8Array {
  const block = header.slice();
  block[156] = flag.charCodeAt(0);
  block.fill(32, 148, 156);
  const sum = block.reduce((a, b) => a + b, 0).toString(8).padStart(6, "0");
  block.set(new TextEncoder().encode(`${sum}\0 `), 148);
  return block;
}

Deno.test("TarReader reads what encodeHeader() has written, whatever the names and numbers", () => {
  for (
    const entry of [
      FILE,
      { ...FILE, uid: 2 ** 31, gid: 2 ** 32 - 2, modified: [-1n, 0] },
      { ...FILE, modified: [2n ** 40n, 0] },
      { ...FILE, name: `${"d".repeat(90)}/${"e".repeat(90)}` },
      { ...FILE, name: `${"d/".repeat(300)}file` },
      { ...FILE, name: "f".repeat(100) },
      { ...FILE, name: "f".repeat(255) },
      { ...FILE, name: "\xff\xc3\xa4" },
    ] satisfies Kind[]
  ) {
    for (const step of [1, 700, 1 << 20]) {
      const [found, ...more] = read(concat([...encodeHeader(entry), CONTENTS, END]), step);
      assertEquals({ ...found, flag: "0" }, { ...entry, flag: "0", contents: "abc" });
      assertEquals(more, []);
    }
  }
  for (const type of ["link", "hardlink", "directory"] as const) {
    const target = "t/".repeat(200);
    const [found] = read(concat([...encodeHeader({ ...FILE, type, target, size: 0 }), END]));
    assertEquals([found?.type, found?.target], [type, target]);
  }
  // More than 8 GiB, whose contents aren't here.
  const big = concat(encodeHeader({ ...FILE, size: 2 ** 40 }));
  assertThrows(() => read(concat([big, CONTENTS])), FluxError, "it ends in the middle of a file");
});

Deno.test("TarReader reads pax records for the next entry alone", () => {
  const records = pax("path=p\u00e4th", "mtime=-1.5", "uid=70000", "size=3", "comment=x", "SCHILY.xattr.user.a=b");
  const second = [...encodeHeader({ ...FILE, name: "b" }), CONTENTS];
  const [a, b] = read(concat([...records, ...encodeHeader({ ...FILE, size: 0 }), CONTENTS, ...second, END]));
  assertEquals([a?.name, a?.uid, a?.modified, a?.contents], ["p\xc3\xa4th", 70000, [-2n, 500_000_000], "abc"]);
  assertEquals([b?.name, b?.uid, b?.modified], ["b", 1, FILE.modified]);
});

Deno.test("TarReader refuses an archive that is cut off anywhere, and says so in a sentence", () => {
  const whole = concat([...pax("path=x"), ...encodeHeader(FILE), CONTENTS, END]);
  // One block of zeroes is enough, as for all others.
  const last = whole.length - 2 * BLOCK;
  for (let length = 0; length < last + 1; length += 61) {
    assertThrows(() => read(whole.subarray(0, length)), FluxError, "the archive can't be extracted: ", `${length}`);
  }
  assertEquals(read(whole).length, 1);
});

Deno.test("TarReader takes no header with a wrong byte in it", () => {
  const whole = concat([...encodeHeader(FILE), CONTENTS, END]);
  for (let at = 0; at < BLOCK; at++) {
    const wrong = whole.slice();
    wrong[at] = (wrong[at] ?? 0) ^ 0x55;
    assertThrows(() => read(wrong), FluxError, undefined, `${at}`);
  }
});

Deno.test("TarReader refuses garbage, compressed archives, holes, and headers that are too long or wrong", () => {
  const refuses = (parts: readonly Uint8Array[], sentence: string): void => {
    assertThrows(() => read(concat(parts)), FluxError, sentence);
  };
  refuses([], "nothing has come");
  refuses([new Uint8Array(4096).fill(65)], "");
  refuses([new Uint8Array([0x1f, 0x8b, 8, 0]), END], "it is compressed");
  const [header = END] = encodeHeader(FILE);
  refuses([flagged(header, "S"), CONTENTS, END], "has holes");
  refuses([...pax("GNU.sparse.major=1"), header, CONTENTS, END], "has holes");
  refuses([...pax("size=99999999999999999"), header, CONTENTS, END], "is no number");
  refuses([...pax("size=-1"), header, CONTENTS, END], "is no number");
  refuses([...pax("mtime=soon"), header, CONTENTS, END], "is no number");
  const [huge = END] = encodeHeader({ ...FILE, size: 2 ** 33 });
  for (const flag of "xgLK") refuses([flagged(huge, flag), END], "an extended header of it has 8589934592 bytes");
  // A million of characters is no name, but ends nothing else.
  const long = new Uint8Array(1 << 20).fill(97);
  const [named = END] = encodeHeader({ ...FILE, size: long.length });
  assertEquals(read(concat([flagged(named, "L"), long, header, CONTENTS, END]))[0]?.name.length, long.length);
  const negative = header.slice();
  negative.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 124);
  refuses([flagged(negative, "0"), END], "out of range");
  for (const time of [2n ** 63n, -(2n ** 63n) - 1n]) {
    refuses(
      [...encodeHeader({ ...FILE, modified: [time, 0] }), CONTENTS, END],
      `the time ${time} of an entry is out of`,
    );
  }
});

Deno.test("parseRecords() refuses all but whole records", () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  assertEquals(parseRecords(encode("8 uid=1\n")).size, 1);
  for (
    const text of [
      "8 uid=1",
      "7 uid=1\n",
      "9 uid=1\n",
      "x uid=1\n",
      "-8 uid=1\n",
      "8 uid:1\n",
      "0 uid=1\n",
      "99999999999 a=b\n",
    ]
  ) assertThrows(() => parseRecords(encode(text)), FluxError, "garbage", text);
  assertThrows(() => parseRecords(encode("11 path=a\0\n")), FluxError, "NUL");
  assert(parseRecords(encode("17 __proto__=abc\n")).size === 0);
});
