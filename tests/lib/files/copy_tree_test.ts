import { assert, assertEquals, assertThrows } from "@std/assert";
import { lookAt, openPath, toName } from "../../../ffi/files.ts";
import type { Descriptor } from "../../../ffi/libc.ts";
import { FluxError } from "../../../lib/errors.ts";
import { TreeCopier } from "../../../lib/files/copy_tree.ts";

const isRoot = Deno.uid() === 0;
/** Whose copies are to be: only root may give them to somebody else. */
const OWNER = isRoot ? 1234 : Deno.uid() ?? 0;
const SELF = Deno.uid();

/** A directory with room for a source and a destination. */
function room(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-test-" });
  for (const name of ["from", "to"]) Deno.mkdirSync(`${path}/${name}`);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function open(path: string): Descriptor {
  const opened = openPath(path, ["O_PATH", "O_NOFOLLOW"]);
  if (typeof opened === "number") throw new Error(`${path}: ${opened}`);
  return opened;
}

/** Copies `from/NAME` to `to/NAME`; somebody does something as soon as the first name is made there. */
function copyMeanwhile(path: string, name: string, meanwhile: () => void): TreeCopier["copied"] {
  using top = open(`${path}/to`);
  using source = open(`${path}/from/${name}`);
  const facts = lookAt(source.number);
  assert(typeof facts !== "number");
  let isDone = false;
  const copier = new TreeCopier(top, {
    owner: () => [OWNER, isRoot ? OWNER : Deno.gid() ?? 0],
    keepsPrivileges: () => false,
    as: (_, call) => {
      const result = call();
      if (!isDone) meanwhile();
      isDone = true;
      return result;
    },
  });
  copier.copy(source, facts, toName(name), name);
  return copier.copied;
}

const facts = (path: string): [uid: number | null, mode: number] => {
  const { uid, mode } = Deno.lstatSync(path);
  return [uid, (mode ?? 0) & 0o7777];
};

/** The only name in a directory that begins like those of unfinished copies. */
function temporary(directory: string): string {
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name).filter((name) => name.startsWith("."));
  assertEquals(names.length, 1);
  return `${directory}/${names[0]}`;
}

Deno.test("TreeCopier gives a directory that it has made its owner, permissions and times", () => {
  using place = room();
  Deno.mkdirSync(`${place.path}/from/d`);
  Deno.chmodSync(`${place.path}/from/d`, 0o2751);
  Deno.utimeSync(`${place.path}/from/d`, 1, 1_234_567_890);
  const copied = copyMeanwhile(place.path, "d", () => {});
  assertEquals({ ...copied }, { files: 0, directories: 1, links: 0, skipped: 0 });
  assertEquals(facts(`${place.path}/to/d`), [OWNER, 0o751]);
  assertEquals(Deno.statSync(`${place.path}/to/d`).mtime?.getTime(), 1_234_567_890_000);
});

Deno.test("TreeCopier gives nobody a directory that is put in the place of a new one (CVE-2018-15664)", () => {
  for (const hasFile of [true, false]) {
    using place = room();
    const { path } = place;
    Deno.mkdirSync(`${path}/from/d`);
    Deno.mkdirSync(`${path}/victim`);
    Deno.chmodSync(`${path}/victim`, hasFile ? 0o700 : 0o755);
    if (hasFile) Deno.writeTextFileSync(`${path}/victim/file`, "");
    const copied = copyMeanwhile(path, "d", () => {
      Deno.removeSync(`${path}/to/d`);
      Deno.renameSync(`${path}/victim`, `${path}/to/d`);
    });
    assertEquals(copied.directories, 0);
    assertEquals(facts(`${path}/to/d`), [SELF, hasFile ? 0o700 : 0o755]);
  }
});

Deno.test("TreeCopier follows no link that is put in the place of a new directory (CVE-2018-15664)", () => {
  using place = room();
  const { path } = place;
  Deno.mkdirSync(`${path}/from/d`);
  Deno.writeTextFileSync(`${path}/from/d/file`, "");
  Deno.mkdirSync(`${path}/victim`);
  Deno.chmodSync(`${path}/victim`, 0o755);
  assertThrows(
    () =>
      copyMeanwhile(path, "d", () => {
        Deno.removeSync(`${path}/to/d`);
        Deno.symlinkSync("../victim", `${path}/to/d`);
      }),
    FluxError,
    "something else has its name",
  );
  assertEquals(facts(`${path}/victim`), [SELF, 0o755]);
  assertEquals(Array.from(Deno.readDirSync(`${path}/victim`)), []);
});

Deno.test("TreeCopier gives nobody a file that is put in the place of a new link (CVE-2018-15664)", () => {
  using place = room();
  const { path } = place;
  Deno.symlinkSync("anywhere", `${path}/from/l`);
  Deno.writeTextFileSync(`${path}/victim`, "theirs");
  Deno.chmodSync(`${path}/victim`, 0o600);
  Deno.utimeSync(`${path}/victim`, 1, 1);
  assertThrows(
    () =>
      copyMeanwhile(path, "l", () => {
        const name = temporary(`${path}/to`);
        Deno.removeSync(name);
        Deno.linkSync(`${path}/victim`, name);
      }),
    FluxError,
    "can't be written",
  );
  assertEquals(facts(`${path}/victim`), [SELF, 0o600]);
  assertEquals(Deno.statSync(`${path}/victim`).mtime?.getTime(), 1000);
});

Deno.test("TreeCopier writes into no file that is put in the place of a new one (CVE-2019-10152)", () => {
  using place = room();
  const { path } = place;
  Deno.writeTextFileSync(`${path}/from/f`, "new");
  Deno.writeTextFileSync(`${path}/victim`, "theirs");
  Deno.chmodSync(`${path}/victim`, 0o600);
  copyMeanwhile(path, "f", () => {
    const name = temporary(`${path}/to`);
    Deno.removeSync(name);
    Deno.symlinkSync(`${path}/victim`, name);
  });
  assertEquals([Deno.readTextFileSync(`${path}/victim`), facts(`${path}/victim`)], ["theirs", [SELF, 0o600]]);
});

Deno.test("TreeCopier copies a link as it is, with its time", () => {
  using place = room();
  const { path } = place;
  Deno.symlinkSync("/no/such", `${path}/from/l`);
  copyMeanwhile(path, "l", () => {});
  const [from, to] = ["from", "to"].map((name) => Deno.lstatSync(`${path}/${name}/l`));
  assertEquals([Deno.readLinkSync(`${path}/to/l`), to?.uid], ["/no/such", OWNER]);
  assertEquals(to?.mtime, from?.mtime);
});
