import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { checkMount } from "../../../lib/spec/check_mount.ts";
import { UsageError } from "../../../lib/errors.ts";
import { parseBind, parseMount, parseTmpfs } from "../../../lib/spec/mounts.ts";

Deno.test("parseBind() reads SRC:DST[:OPTION,…]", () => {
  assertEquals(parseBind("/a:/b"), { type: "bind", source: "/a", destination: "/b", options: ["rbind"] });
  assertEquals(parseBind("/a/../c/:/b:ro,nosuid,rshared"), {
    type: "bind",
    source: "/c",
    destination: "/b",
    options: ["rbind", "ro", "nosuid", "rshared"],
  });
  assertEquals(parseBind("here:/b").source, `${Deno.cwd()}/here`);
});

Deno.test("parseBind() refuses what is no bind", () => {
  for (const text of ["", "/a", ":", "/a:", ":/b", "/a:/b:ro:rw", "/a:b", "/a:/b/../c", "/a:/b:nope", "/a:/b:size=1"]) {
    assertThrows(() => parseBind(text), UsageError, undefined, text);
  }
});

Deno.test("parseTmpfs() adds docker's defaults where they weren't said otherwise", () => {
  const options = (text: string) => parseTmpfs(text).options;
  assertEquals(options("/t"), ["nosuid", "nodev", "noexec", "mode=1777"]);
  assertEquals(options("/t:exec,size=64m,mode=700"), ["nosuid", "nodev", "exec", "size=64m", "mode=700"]);
  assertEquals(options("/t:suid,dev"), ["noexec", "mode=1777", "suid", "dev"]);
});

Deno.test("parseTmpfs() refuses what is no tmpfs", () => {
  for (const text of ["", "t", "/t:size", "/t:size=", "/t:colour=red", "/t:ro:rw", "/../t"]) {
    assertThrows(() => parseTmpfs(text), UsageError, undefined, text);
  }
});

Deno.test("parseMount() reads docker's notation", () => {
  assertEquals(parseMount("type=bind,src=/a,dst=/b,ro"), {
    type: "bind",
    source: "/a",
    destination: "/b",
    options: ["rbind", "ro"],
  });
  assertEquals(parseMount("type=bind,source=/a,target=/b,readonly=false,bind-propagation=rslave").options, [
    "rbind",
    "rslave",
  ]);
  assertEquals(parseMount("type=bind,src=/a,destination=/b,bind-nonrecursive=true").options, ["bind"]);
  assertEquals(parseMount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700").options, [
    "nosuid",
    "nodev",
    "noexec",
    "size=1m",
    "mode=700",
  ]);
});

Deno.test("parseMount() refuses what is no mount", () => {
  for (
    const text of [
      "",
      "type=bind",
      "type=bind,src=/a",
      "type=bind,dst=/b",
      "src=/a,dst=/b",
      "type=volume,src=a,dst=/b",
      "type=tmpfs,src=/a,dst=/b",
      "type=cgroup2,dst=/b",
      "type=bind,src=/a,dst=b",
      "type=bind,src=/a,dst=/b,ro=maybe",
      "type=bind,src=/a,dst=/b,nope",
    ]
  ) {
    assertThrows(() => parseMount(text), UsageError, undefined, text);
  }
});

Deno.test("parseBind(), parseTmpfs() and parseMount() refuse a relative target, and one with ..", () => {
  for (const target of ["b", "./b", "../b", "/..", "/b/../c"]) {
    const says = target.startsWith("/") ? '".."' : "absolute path inside the container";
    assertThrows(() => parseBind(`/a:${target}`), UsageError, says, target);
    assertThrows(() => parseTmpfs(target), UsageError, says, target);
    assertThrows(() => parseMount(`type=bind,src=/a,dst=${target}`), UsageError, says, target);
    assertThrows(() => parseMount(`type=tmpfs,dst=${target}`), UsageError, says, target);
  }
});

Deno.test("parseBind() takes every option that a bind has, in the order given", () => {
  for (
    const option of [
      ...["ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec"],
      ...["noatime", "relatime", "strictatime", "nodiratime", "diratime"],
      ...["private", "rprivate", "slave", "rslave", "shared", "rshared", "bind", "rbind", "z", "Z"],
    ]
  ) {
    assertEquals(parseBind(`/a:/b:${option}`).options, ["rbind", option]);
    assertEquals(parseMount(`type=bind,src=/a,dst=/b,${option}`).options?.at(-1), option);
  }
  assertEquals(parseBind("/a:/b:,ro,,nosuid,").options, ["rbind", "ro", "nosuid"]);
});

Deno.test("parseMount() knows podman's words for relabelling, and nobody relabels for all and for one", () => {
  const mount = (relabel: string) => parseMount(`type=bind,src=/a,dst=/b,relabel=${relabel}`);
  assertEquals([mount("shared").options, mount("private").options], [["rbind", "z"], ["rbind", "Z"]]);
  assertThrows(() => mount("none"), UsageError, "relabel=none");
  assertThrows(() => parseMount("type=tmpfs,dst=/t,relabel=shared"), UsageError, "only a bind can be relabelled");
  assertThrows(() => checkMount(parseBind("/a:/b:z,Z")), UsageError, "both for all containers and for this one");
  assertThrows(() => parseTmpfs("/t:z"), UsageError, '"z"');
});

Deno.test("parseBind() and parseMount() refuse options that docker has for other kinds of mount", () => {
  for (const option of ["U", "cached", "nocopy", "size=1m", "mode=700", "RO", "constructor", "ro "]) {
    assertThrows(() => parseBind(`/a:/b:${option}`), UsageError, option, option);
    assertThrows(() => parseMount(`type=bind,src=/a,dst=/b,${option}`), UsageError, option, option);
  }
});

Deno.test("parseTmpfs() takes each parameter of a tmpfs with a value, and each flag without one", () => {
  for (const option of ["size=64m", "mode=0700", "uid=5", "gid=5", "nr_inodes=10", "nr_blocks=10", "huge=never"]) {
    assert(parseTmpfs(`/t:${option}`).options?.includes(option), option);
    assertThrows(() => parseTmpfs(`/t:${option.split("=")[0]}`), UsageError, undefined, option);
  }
  for (const option of ["ro", "rw", "noatime", "relatime", "strictatime", "exec", "dev", "suid"]) {
    assert(parseTmpfs(`/t:${option}`).options?.includes(option), option);
    assertThrows(() => parseTmpfs(`/t:${option}=1`), UsageError, undefined, option);
  }
});

Deno.test("parseTmpfs() never gives two answers to one question", () => {
  for (const [given, left] of [["suid", "nosuid"], ["dev", "nodev"], ["exec", "noexec"], ["mode=7", "mode=1777"]]) {
    assert(!parseTmpfs(`/t:${given}`).options?.includes(left ?? ""), given);
  }
  assertEquals(parseTmpfs("/t:nosuid").options?.filter((option) => option === "nosuid").length, 1);
});

Deno.test("parseMount() knows docker's words for true and false", () => {
  const options = (value: string) => parseMount(`type=bind,src=/a,dst=/b,readonly${value}`).options;
  assertEquals(["", "=true", "=1"].map(options), [["rbind", "ro"], ["rbind", "ro"], ["rbind", "ro"]]);
  assertEquals(["=false", "=0"].map(options), [["rbind"], ["rbind"]]);
  for (const value of ["=", "=yes", "=TRUE", "=2"]) {
    assertThrows(() => options(value), UsageError, "neither true nor false", value);
  }
});

Deno.test("parseMount() takes a relative source from the working directory, and = within a path", () => {
  assertEquals(parseMount("type=bind,src=here/../there,dst=/b").source, `${Deno.cwd()}/there`);
  const mount = parseMount("type=bind,src=/a=b,dst=/c=d");
  assertEquals([mount.source, mount.destination], ["/a=b", "/c=d"]);
});

Deno.test("parseMount() keeps a tmpfs from being given what only a bind has", () => {
  for (const option of ["bind-nonrecursive", "bind-propagation=rslave", "rbind", "nodiratime", "src=/a"]) {
    assertThrows(() => parseMount(`type=tmpfs,dst=/t,${option}`), UsageError, undefined, option);
  }
  assertEquals(parseMount("type=tmpfs,dst=/t,src=tmpfs").source, "tmpfs");
});

Deno.test("the refusals of mounts say how to write one, and can't drive a terminal", () => {
  const cases: readonly (readonly [() => unknown, string])[] = [
    [() => parseBind("\x1b[2J"), "SRC:DST"],
    [() => parseTmpfs("/a:\x1b:b"), "DST"],
    [() => parseMount("type=\x1b,dst=/b"), "type=bind or type=tmpfs"],
    [() => parseMount("type=bind,src=/\x1b"), "dst=DST"],
    [() => parseMount("type=bind,dst=/\x1b"), "src=PATH"],
  ];
  for (const [parse, hint] of cases) {
    const error = assertThrows(parse, UsageError);
    assertStringIncludes(error.hint ?? "", hint);
    assert(!error.message.includes("\x1b"), error.message);
    assertStringIncludes(error.message, "\\x1b");
  }
});
