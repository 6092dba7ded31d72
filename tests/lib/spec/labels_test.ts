import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseRun } from "../../../lib/commands/run_flags.ts";
import { UsageError } from "../../../lib/errors.ts";
import { parseContexts } from "../../../lib/selinux.ts";
import { checkLabels, labelsOf, levelOf, pairsOf, type SelinuxLabel } from "../../../lib/spec/labels.ts";
import type { RunOptions } from "../../../lib/spec/options.ts";

const CONTEXTS = {
  process: "system_u:system_r:container_t:s0",
  file: "system_u:object_r:container_file_t:s0",
};
const ID = "0123456789abcdef".repeat(4);

const options = (...given: string[]): RunOptions => {
  const flags = given.flatMap((one) => ["--security-opt", one]);
  return parseRun("run", ["web", ...flags, "--", "true"])?.options ?? { command: [] };
};

Deno.test("--security-opt apparmor= names a profile, or none", () => {
  assertEquals(options("apparmor=web").apparmor, "web");
  assertEquals(options("apparmor:unconfined").apparmor, "unconfined");
  assertThrows(() => options("apparmor=a", "apparmor=b"), UsageError, "two AppArmor profiles");
  for (const apparmor of ["", " ", "\n", " x", "a\nb", "a\0b", "\x1b[2J", "x".repeat(256)]) {
    assertThrows(() => checkLabels({ apparmor }), UsageError, "can't be the name of an AppArmor profile");
  }
  for (const apparmor of ["a", "/usr/bin/x", "my profile", "a//&b", "x".repeat(255)]) checkLabels({ apparmor });
});

Deno.test("--security-opt label= collects the parts of a label, or takes it away", () => {
  assertEquals(options("label=disable").selinux, "disable");
  assertEquals(options("label=type:web_t", "label=level:s0:c1,c2", "label:user:u").selinux, {
    type: "web_t",
    level: "s0:c1,c2",
    user: "u",
  });
  assertThrows(() => options("label=type:a", "label=disable"), UsageError, "both disabled and given");
  assertThrows(() => options("label=disable", "label=role:a"), UsageError, "both disabled and given");
  assertThrows(() => options("label=type:a", "label=type:b"), UsageError, "two values for type");
  for (const wrong of ["label", "label=", "label=nested", "label=tpye:x", "label=__proto__:x", "label=Type:x"]) {
    assertThrows(() => options(wrong), UsageError, "is no part of an SELinux label");
  }
});

Deno.test("checkLabels() takes what SELinux could", () => {
  for (const level of ["s0", "s0:c1", "s0:c1,c2", "s0:c0.c1023", "s0-s0:c0.c1023", "s15:c3-s15:c3"]) {
    checkLabels({ selinux: { level } });
  }
  const wrong: readonly (readonly [SelinuxLabel, string])[] = [
    [{ type: "" }, "can't be the type"],
    [{ type: "a:b" }, "can't be the type"],
    [{ user: "a b" }, "can't be the user"],
    [{ role: "a\n" }, "can't be the role"],
    [{ filetype: "a,b" }, "can't be the filetype"],
    [{ level: "c1" }, "can't be the level"],
    [{ level: "s0:c1,c2\n" }, "can't be the level"],
    [{ colour: "blue" } as SelinuxLabel, "is no part"],
  ];
  for (const [selinux, says] of wrong) assertThrows(() => checkLabels({ selinux }), UsageError, says);
});

Deno.test("labelsOf() fills in what the host's policy has for containers, and the container's own level", () => {
  assertEquals(labelsOf({}, CONTEXTS, "s0:c1,c2"), {
    process: "system_u:system_r:container_t:s0:c1,c2",
    mount: "system_u:object_r:container_file_t:s0:c1,c2",
  });
  assertEquals(labelsOf({ user: "u", role: "r", type: "t", level: "s1", filetype: "f_t" }, CONTEXTS, "s0:c1,c2"), {
    process: "u:r:t:s1",
    mount: "u:object_r:f_t:s1",
  });
});

Deno.test("levelOf() gives each pair of two different categories to one number", () => {
  const last = 1024 * 1023 / 2 - 1;
  assertEquals([0, 1022, 1023, last].map(levelOf), ["s0:c0,c1", "s0:c0,c1023", "s0:c1,c2", "s0:c1022,c1023"]);
  const levels = new Set(Array.from({ length: 3000 }, (_, index) => levelOf(index)));
  assertEquals(levels.size, 3000);
});

Deno.test("pairsOf() begins where the id says, and goes on from there to others", () => {
  const pairs = [...pairsOf(ID)];
  assertEquals(pairs, [...pairsOf(ID)]);
  assertEquals(new Set(pairs).size, pairs.length);
  assert(pairs.length > 1000 && pairs.every((pair) => levelOf(pair).startsWith("s0:c")));
  assert([...pairsOf("f".repeat(64))][0] !== pairs[0]);
});

Deno.test("parseContexts() reads a policy's labels for containers", () => {
  assertEquals(parseContexts(""), CONTEXTS);
  const text = `process = "a:b:c:s0"\ncontent = "x:y:z:s0"\nfile = "d:e:f:s0"\nsandbox_kvm_process = "no"\n`;
  assertEquals(parseContexts(text), { process: "a:b:c:s0", file: "d:e:f:s0" });
  assertEquals(parseContexts(`file="d:e:f:s0"\n`), { ...CONTEXTS, file: "d:e:f:s0" });
});
