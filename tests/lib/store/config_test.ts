import { assert, assertEquals } from "@std/assert";
import { parseConfig, readConfig, serialize, writeConfig } from "../../../lib/store/config.ts";
import { Store } from "../../../lib/store/state.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { isDefault } from "../../../lib/seccomp/filters.ts";
import type { Seccomp } from "../../../lib/seccomp/types.ts";
import type { Spec } from "../../../lib/spec/types.ts";

const SPEC: Spec = buildSpec({
  command: ["true"],
  mounts: [{ destination: "/data", type: "bind", source: "/srv", options: ["ro"] }],
  ulimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 2 ** 64 }],
  oomScoreAdj: 5,
  labels: { tier: "web" },
}, {
  name: "web",
  image: "/srv/image",
  passwd: "",
  group: "",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: Deno.build.arch,
  cgroupsPath: "/libflux-id",
});
const ID = "0123456789abcdef".repeat(4);
const LAUNCH = { init: true, writable: false };
const OWN: Seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{
    names: ["personality"],
    action: "SCMP_ACT_ERRNO",
    errnoRet: 1,
    args: [{ index: 0, value: 0xffff_ffff_ffff_fff0n, valueTwo: 3, op: "SCMP_CMP_MASKED_EQ" }],
  }],
};
const withSeccomp = (seccomp: Seccomp | undefined): Spec => {
  const { seccomp: _, ...linux } = SPEC.linux ?? {};
  return { ...SPEC, linux: { ...linux, ...(seccomp === undefined ? {} : { seccomp }) } };
};

Deno.test("parseConfig() reads what serialize() writes, and names the default profile only", () => {
  const text = serialize({ id: ID, spec: SPEC, launch: LAUNCH });
  assert(text.length < 8192, `${text.length}`);
  const read = parseConfig(text);
  const { seccomp } = read?.spec.linux ?? {};
  assert(seccomp !== undefined && isDefault(seccomp));
  assertEquals({ ...read?.spec, linux: { ...read?.spec.linux, seccomp: undefined } }, {
    ...SPEC,
    linux: { ...SPEC.linux, seccomp: undefined },
  });
  assertEquals(read?.launch, LAUNCH);
});

Deno.test("parseConfig() reads a profile of the caller's with its numbers of 64 bits, and none where there is none", () => {
  for (const seccomp of [OWN, undefined]) {
    const config = { id: ID, spec: withSeccomp(seccomp), launch: { ...LAUNCH, keepGroups: true } };
    assertEquals(parseConfig(serialize(config)), config);
  }
});

Deno.test("parseConfig() refuses a configuration torn at any of its bytes", () => {
  const text = serialize({ id: ID, spec: SPEC, launch: LAUNCH });
  for (let length = 0; length < text.length; length++) assertEquals(parseConfig(text.slice(0, length)), undefined);
});

Deno.test("parseConfig() refuses what can't be", () => {
  const text = serialize({ id: ID, spec: SPEC, launch: LAUNCH });
  const forgeries: readonly (readonly [string, string])[] = [
    ['"id":"0', '"id":"'],
    ['"cwd":"/"', '"cwd":"here"'],
    ['"cwd":"/"', '"cwd":"/a\\u0000b"'],
    ['"args":["true"]', '"args":[]'],
    ['"args":["true"]', '"args":[1]'],
    ['"uid":0', '"uid":4294967295'],
    ['"uid":0', '"uid":-1'],
    ['"uid":0', '"uid":"0"'],
    ['"oomScoreAdj":5', '"oomScoreAdj":1001'],
    ['"CAP_CHOWN"', '"CAP_LUCK"'],
    ["RLIMIT_CORE", "RLIMIT_LUCK"],
    ['"type":"mount"', '"type":"luck"'],
    ['"init":true', '"init":1'],
    ['"writable":false', '"writable":false,"appArmorAttributes":"1/attr"'],
    ['"seccomp":"default"', '"seccomp":"own"'],
    ['"seccomp":"default"', '"seccomp":0'],
    ['"path":"/srv/image"', '"path":1'],
  ];
  for (const [part, forged] of forgeries) {
    assert(text.includes(part), part);
    assertEquals(parseConfig(text.replace(part, () => forged)), undefined, forged);
  }
  for (const other of [undefined, "", "null", "[]", "1", "{}", '{"spec":{},"launch":{},"seccomp":"none"}']) {
    assertEquals(parseConfig(other), undefined);
  }
});

Deno.test("parseConfig() refuses a profile of the caller's that can't be", () => {
  const text = serialize({ id: ID, spec: withSeccomp(OWN), launch: LAUNCH });
  for (
    const [part, forged] of [
      ["SCMP_ACT_ALLOW", "SCMP_ACT_LUCK"],
      ["SCMP_CMP_MASKED_EQ", "SCMP_CMP_LUCK"],
      ['"18446744073709551600"', '"0x10"'],
      ['"index":0', '"index":6'],
      ['"errnoRet":1', '"errnoRet":-1'],
      ['["personality"]', '"personality"'],
    ] as const
  ) {
    assert(text.includes(part), part);
    assertEquals(parseConfig(text.replace(part, () => forged)), undefined, forged);
  }
});

Deno.test("a configuration is there from when it is put in its place, and only its owner can read it", () => {
  const root = Deno.makeTempDirSync({ prefix: "libflux-config-" });
  try {
    const store = new Store(root);
    const directory = store.directory("web");
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const publish = writeConfig(directory, { id: ID, spec: SPEC, launch: LAUNCH });
    assertEquals(readConfig(store, "web"), undefined);
    publish();
    assertEquals(readConfig(store, "web")?.spec.process, SPEC.process);
    assertEquals((Deno.statSync(`${directory}/config.json`).mode ?? 0) & 0o777, 0o600);
    assertEquals(Array.from(Deno.readDirSync(directory), ({ name }) => name), ["config.json"]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
