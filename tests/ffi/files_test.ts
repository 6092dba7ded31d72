import { assert, assertEquals } from "@std/assert";
import { E } from "../../ffi/abi/constants.ts";
import {
  attributesOf,
  copyContents,
  lookAt,
  openBeneath,
  openInRoot,
  openName,
  openPath,
  readLink,
  readNames,
  setAttribute,
  toName,
  toText,
  typeOf,
} from "../../ffi/files.ts";
import type { Descriptor } from "../../ffi/libc.ts";

function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-test-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function sure(opened: Descriptor | number): Descriptor {
  if (typeof opened === "number") throw new Error(`errno ${-opened}`);
  return opened;
}

const directory = (path: string): Descriptor => sure(openPath(path, ["O_RDONLY", "O_DIRECTORY"]));

Deno.test("names are bytes: what is no UTF-8, a mark at the beginning, and what is, all come back", () => {
  for (const text of ["ä€😀", "\ufeffmark", "plain"]) assertEquals(toText(toName(text)), text);
  assertEquals(toText("a\xffb"), "a\ufffdb");
  using place = temporary();
  using top = directory(place.path);
  for (const name of ["\xff\xfe", toName("ä")]) {
    sure(openName(top.number, name, ["O_WRONLY", "O_CREAT"], 0o600)).close();
  }
  using again = directory(place.path);
  assertEquals((readNames(again.number) as string[]).sort(), ["\xc3\xa4", "\xff\xfe"]);
});

Deno.test("readNames() reads a directory of any size", () => {
  using place = temporary();
  for (let i = 0; i < 3000; i++) Deno.writeTextFileSync(`${place.path}/${"name-".repeat(8)}${i}`, "");
  using top = directory(place.path);
  assertEquals(new Set(readNames(top.number) as string[]).size, 3000);
});

Deno.test("openName() takes one name below, and never a link's target", () => {
  using place = temporary();
  Deno.symlinkSync("/etc", `${place.path}/link`);
  using top = directory(place.path);
  assertEquals(openName(top.number, "..", ["O_PATH"]), -E.EXDEV);
  assertEquals(openName(top.number, "/etc", ["O_PATH"]), -E.EXDEV);
  assertEquals(openName(top.number, "link/passwd", ["O_PATH"]), -E.EXDEV);
  using link = sure(openName(top.number, "link", ["O_PATH"]));
  const facts = lookAt(link.number);
  assert(typeof facts !== "number");
  assertEquals([typeOf(facts), readLink(link.number, "")], ["link", "/etc"]);
  assertEquals(openBeneath(top.number, "link", ["O_RDONLY"]), -E.ELOOP);
});

Deno.test("openInRoot() has links and '..' end at the root, and goes through no magic link (CVE-2018-15664)", () => {
  using place = temporary();
  Deno.mkdirSync(`${place.path}/in`);
  Deno.writeTextFileSync(`${place.path}/in/file`, "");
  Deno.symlinkSync("/in", `${place.path}/absolute`);
  Deno.symlinkSync("../../../../in", `${place.path}/up`);
  using top = directory(place.path);
  const inode = Deno.statSync(`${place.path}/in/file`).ino;
  for (const path of ["/in/file", "in/file", "/absolute/file", "/up/file", "/../../in/file", "../in/file"]) {
    using file = sure(openInRoot(top.number, path, ["O_PATH"]));
    const facts = lookAt(file.number);
    assert(typeof facts !== "number");
    assertEquals(Number(facts.inode), inode, path);
  }
  using root = directory("/");
  for (const path of ["/proc/self/root/etc", "/proc/self/cwd", "/proc/self/exe"]) {
    assertEquals(openInRoot(root.number, path, ["O_PATH"]), -E.ELOOP, path);
  }
});

Deno.test("copyContents() copies as much as there was, however long the file has become, and its holes as holes", () => {
  using place = temporary();
  const [from, to] = [`${place.path}/from`, `${place.path}/to`];
  Deno.writeTextFileSync(from, "begin");
  Deno.truncateSync(from, 2 ** 20);
  Deno.writeTextFileSync(from, "end", { append: true });
  using source = sure(openPath(from, ["O_RDONLY"]));
  const copied = (size: number): Uint8Array => {
    Deno.writeTextFileSync(to, "");
    using destination = sure(openPath(to, ["O_RDWR"]));
    assertEquals(copyContents(source.number, destination.number, size), 0);
    return Deno.readFileSync(to);
  };
  assertEquals(copied(2 ** 20 + 3), Deno.readFileSync(from));
  assertEquals(copied(3), new TextEncoder().encode("beg"));
  assertEquals(copied(0).length, 0);
});

Deno.test("attributesOf() has all of a file's attributes, each with its own value", () => {
  using place = temporary();
  Deno.writeTextFileSync(`${place.path}/file`, "");
  using file = sure(openPath(`${place.path}/file`, ["O_RDONLY"]));
  assertEquals(attributesOf(file.number), []);
  const values = [["user.one", "1"], ["user.two", "22"], ["user.none", ""]] as const;
  for (const [name, value] of values) {
    // A tmpfs before Linux 6.6 takes none.
    if (setAttribute(file.number, name, new TextEncoder().encode(value)) === -E.EOPNOTSUPP) return;
  }
  const found = attributesOf(file.number).map(([name, value]) => [name, new TextDecoder().decode(value)]);
  assertEquals(found.sort(), values.map((pair) => [...pair]).sort());
});
