import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/errors.ts";
import { parseGroups, parsePasswd, readInRoot, resolveUser } from "../../lib/users.ts";

const USERS = parsePasswd("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/srv:/bin/sh\n1234:x:5:5::/:\n");
const GROUPS = parseGroups("root:x:0:\nweb:x:1001:\nlogs:x:1002:web,other\n");

Deno.test("parsePasswd() keeps well-formed lines only", () => {
  const lines = [
    "a:x:1:2:c:/h:/s",
    "b:x:1:2",
    "c:x:0x1:2::/:",
    "d:x:-1:2::/:",
    "e:x: 1:2::/:",
    "f:x:+1:2::/:",
    "g:x::2::/:",
    ":x:1:2::/:",
  ]
    .concat([
      "h:x:4294967295:0::/:",
      "i:x:4294967294:0::/:",
      "j:x:1e3:0::/:",
      "k:x:1:2:::too:many",
      "",
      "#l:x:1:2::/:",
    ]);
  assertEquals(parsePasswd(lines.join("\n")).map(({ name }) => name), ["a", "i", "#l"]);
});

Deno.test("parseGroups() keeps well-formed lines only", () => {
  assertEquals(parseGroups("a:x:1:b,,c\nb:x:y:\nc:x:2\nd:x:3:e:f\n"), [{ name: "a", gid: 1, members: ["b", "c"] }]);
});

Deno.test("resolveUser() takes numbers and names, and the groups that a name is in", () => {
  const cases = [
    ["0", 0, 0, [0], "/root"],
    ["root", 0, 0, [0], "/root"],
    ["web", 1000, 1001, [1001, 1002], "/srv"],
    ["1000", 1000, 1001, [1001, 1002], "/srv"],
    ["web:logs", 1000, 1002, [1002], "/srv"],
    ["web:0", 1000, 0, [0], "/srv"],
    ["4242", 4242, 0, [0], "/"],
    ["4242:77", 4242, 77, [77], "/"],
    // A number is an id, even where somebody is called so.
    ["1234", 1234, 0, [0], "/"],
  ] as const;
  for (const [text, uid, gid, groups, home] of cases) {
    assertEquals(resolveUser(text, USERS, GROUPS), { uid, gid, groups: [...groups], home }, text);
  }
});

Deno.test("resolveUser() refuses what is no user", () => {
  for (
    const text of [
      "",
      ":",
      "0:",
      ":0",
      "0:0:0",
      "-1",
      "+0",
      "0x0",
      " 0",
      "0 ",
      "4294967295",
      "99999999999",
      "nobody",
      "web:nogroup",
      "we b",
      "web:-1",
    ]
  ) {
    assertThrows(() => resolveUser(text, USERS, GROUPS), UsageError, undefined, text);
  }
});

Deno.test("resolveUser() knows root's home without a passwd file", () => {
  assertEquals(resolveUser("0", [], []).home, "/root");
  assertEquals(resolveUser("5", parsePasswd("a:x:5:5::relative:/s"), []).home, "/");
});

Deno.test("readInRoot() reads regular files, and follows links inside the root only", () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-users-" });
  try {
    const root = `${path}/root`;
    Deno.mkdirSync(`${root}/etc`, { recursive: true });
    Deno.writeTextFileSync(`${path}/secret`, "outside");
    Deno.writeTextFileSync(`${root}/etc/real`, "inside");
    for (
      const [name, target] of [
        ["absolute", "/etc/real"],
        ["up", "../../../../etc/real"],
        ["out", "../../secret"],
        ["far", `${path}/secret`],
        ["magic", "/proc/self/root/etc/passwd"],
        ["loop", "loop"],
      ] as const
    ) {
      Deno.symlinkSync(target, `${root}/etc/${name}`);
    }
    const read = (name: string): string | undefined => {
      const bytes = readInRoot(root, `/etc/${name}`);
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    };
    assertEquals(["real", "absolute", "up"].map(read), ["inside", "inside", "inside"]);
    assertEquals(["out", "far", "magic", "loop", "missing", ".", "real/x"].map(read), new Array(7).fill(undefined));
    new Deno.Command("mkfifo", { args: [`${root}/etc/fifo`] }).outputSync();
    assertEquals(read("fifo"), undefined);
    Deno.writeFileSync(`${root}/etc/large`, new Uint8Array(100));
    assertEquals(readInRoot(root, "/etc/large", 10)?.length, 10);
    assertEquals(readInRoot(`${path}/nowhere`, "/etc/real"), undefined);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("resolveUser() takes the first of two lines with one name or one id, as getpwnam does", () => {
  const users = parsePasswd("a:x:1:10::/first:\na:x:2:20::/second:\nb:x:1:30::/third:\n");
  const groups = parseGroups("g:x:5:\ng:x:6:a\n");
  assertEquals(resolveUser("a", users, groups), { uid: 1, gid: 10, groups: [10, 6], home: "/first" });
  assertEquals(resolveUser("1", users, groups).home, "/first");
  assertEquals(resolveUser("0:g", users, groups).gid, 5);
});

Deno.test("resolveUser() lists a group once, and the primary one first", () => {
  const groups = parseGroups("a:x:7:web\nb:x:1001:web\nc:x:7:web\n");
  assertEquals(resolveUser("web", USERS, groups).groups, [1001, 7]);
});

Deno.test("resolveUser() says whether it is the user or the group that isn't there", () => {
  const refusal = (text: string) => assertThrows(() => resolveUser(text, USERS, GROUPS), UsageError).message;
  assertStringIncludes(refusal("nobody"), 'no user "nobody" in the image\'s /etc/passwd');
  assertStringIncludes(refusal("web:staff"), 'no group "staff" in the image\'s /etc/group');
  assertStringIncludes(refusal("+0"), '"+0" is no user id');
  assertStringIncludes(refusal("4294967295"), "no user id");
  assert(!refusal("a\x1b[2J").includes("\x1b"));
});

Deno.test("resolveUser() takes ids up to 4294967294, for users and for groups", () => {
  const { uid, gid } = resolveUser("4294967294:4294967294", [], []);
  assertEquals([uid, gid], [4294967294, 4294967294]);
  assertThrows(() => resolveUser("0:4294967295", [], []), UsageError);
});

Deno.test("readInRoot() stays inside, wherever an image's etc and passwd lead", () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-users-" });
  const host = Deno.readTextFileSync("/etc/passwd");
  try {
    const cases = [
      ["passwd-up", "../../../../../../etc/passwd"],
      ["passwd-absolute", "/etc/passwd"],
      ["passwd-root", "/"],
      ["passwd-proc", "/proc/self/root/etc/passwd"],
    ] as const;
    for (const [name, target] of cases) {
      Deno.mkdirSync(`${path}/${name}/etc`, { recursive: true });
      Deno.symlinkSync(target, `${path}/${name}/etc/passwd`);
      assertEquals(readInRoot(`${path}/${name}`, "/etc/passwd"), undefined, name);
    }
    for (const [name, target] of [["etc-up", "../../../../../../etc"], ["etc-absolute", "/etc"]] as const) {
      Deno.mkdirSync(`${path}/${name}`);
      Deno.symlinkSync(target, `${path}/${name}/etc`);
      assertEquals(readInRoot(`${path}/${name}`, "/etc/passwd"), undefined, name);
    }
    // As the same links do where the image has what they name: they mean the image's own.
    Deno.mkdirSync(`${path}/own/etc`, { recursive: true });
    Deno.symlinkSync("../../../../../../etc/real", `${path}/own/etc/passwd`);
    Deno.writeTextFileSync(`${path}/own/etc/real`, "own");
    const own = new TextDecoder().decode(readInRoot(`${path}/own`, "/etc/passwd"));
    assertEquals(own, "own");
    assert(own !== host);
    for (const dots of ["../../../../../../etc/passwd", "/../etc/passwd"]) {
      const found = readInRoot(`${path}/own`, dots);
      assertEquals(found === undefined ? undefined : new TextDecoder().decode(found), "own", dots);
    }
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("readInRoot() reads no directory, no socket and no device, and does not wait for a FIFO", () => {
  const path = Deno.makeTempDirSync({ prefix: "libflux-users-" });
  try {
    Deno.mkdirSync(`${path}/directory`);
    assert(new Deno.Command("mkfifo", { args: [`${path}/fifo`] }).outputSync().success);
    using _socket = Deno.listen({ transport: "unix", path: `${path}/socket` });
    for (const name of ["directory", "fifo", "socket", "", "/"]) assertEquals(readInRoot(path, name), undefined, name);
    assertEquals(readInRoot("/dev", "zero"), undefined);
    Deno.writeTextFileSync(`${path}/empty`, "");
    assertEquals(readInRoot(path, "empty"), new Uint8Array());
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});
