import { assertEquals, assertThrows } from "@std/assert";
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
      "type=bind,src=/a,dst=b",
      "type=bind,src=/a,dst=/b,ro=maybe",
      "type=bind,src=/a,dst=/b,nope",
    ]
  ) {
    assertThrows(() => parseMount(text), UsageError, undefined, text);
  }
});
