import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { parseProfile } from "../../../lib/seccomp/parse.ts";
import { resolveProfile } from "../../../lib/seccomp/profile.ts";

const rule = (text: string): string => `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],${text}}]}`;
const argument = (text: string): string => rule(`"action":"SCMP_ACT_ALLOW","args":[{${text}}]`);

/** What is wrong with a profile. */
const MISTAKES: readonly (readonly [profile: string, message: string])[] = [
  ["[]", "is wrong: there must be an object"],
  ["null", "is wrong: there must be an object"],
  ["{}", "is wrong at defaultAction: there must be a text"],
  ['{"defaultAction":"SCMP_ACT_ALOW"}', 'is wrong at defaultAction: there is no action "SCMP_ACT_ALOW"'],
  ['{"defaultAction":"SCMP_ACT_NOTIFY"}', "is wrong at defaultAction: SCMP_ACT_NOTIFY leaves calls to another process"],
  ['{"defaultAction":"SCMP_ACT_ALLOW","sycalls":[]}', 'is wrong: "sycalls" is no field of the format'],
  ['{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":-1}', "at defaultErrnoRet: there must be a whole number"],
  ['{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":4096}', "a whole number from 0 to 4095"],
  [
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_VAX"]}',
    "at architectures[0]: there is no architecture",
  ],
  ['{"defaultAction":"SCMP_ACT_ALLOW","architectures":"SCMP_ARCH_X86"}', "at architectures: there must be an array"],
  [
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_ARM"}]}',
    "at architectures: the profile has an archMap too",
  ],
  ['{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{}]}', "at archMap[0].architecture: there must be a text"],
  [
    '{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}',
    'at flags[0]: there is no flag "SECCOMP_FILTER_FLAG_NEW_LISTENER"',
  ],
  [
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"}]}',
    "at syscalls[0]: the rule names no call",
  ],
  [rule('"action":"SCMP_ACT_NOTIFY"'), "at syscalls[0].action: SCMP_ACT_NOTIFY leaves calls to another process"],
  [rule('"action":7'), "at syscalls[0].action: there must be a text"],
  [rule('"actoin":"SCMP_ACT_ALLOW"'), 'at syscalls[0]: "actoin" is no field'],
  [rule('"action":"SCMP_ACT_ERRNO","errnoRet":"EPERM"'), "at syscalls[0].errnoRet: there must be a whole number"],
  [rule('"action":"SCMP_ACT_ALLOW","includes":{"caps":["SYS_ADMIN"]}'), "at syscalls[0].includes.caps[0]: there is no"],
  [rule('"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"4"}'), "at syscalls[0].excludes.minKernel: there must be"],
  [
    argument('"index":6,"value":0,"op":"SCMP_CMP_EQ"'),
    "at syscalls[0].args[0].index: there must be a whole number from 0 to 5",
  ],
  [argument('"index":0,"value":1.5,"op":"SCMP_CMP_EQ"'), "at syscalls[0].args[0].value: there must be a whole number"],
  [argument('"index":0,"op":"SCMP_CMP_EQ"'), "at syscalls[0].args[0].value: there must be a whole number"],
  [argument('"index":0,"value":18446744073709551616,"op":"SCMP_CMP_EQ"'), "from 0 to 18446744073709551615"],
  [argument('"index":0,"value":-1,"op":"SCMP_CMP_EQ"'), "at syscalls[0].args[0].value: there must be a whole number"],
  [
    argument('"index":0,"value":1,"op":"SCMP_CMP_IN"'),
    'at syscalls[0].args[0].op: there is no comparison "SCMP_CMP_IN"',
  ],
  ["{", "is no JSON: "],
  ["", "is no JSON: "],
];

for (const [profile, message] of MISTAKES) {
  Deno.test(`parseProfile() says in one sentence what is wrong with ${profile || "an empty file"}`, () => {
    const error = assertThrows(() => parseProfile(profile, "own.json"), UsageError);
    assertEquals(error.message.startsWith("the seccomp profile own.json is "), true, error.message);
    assertEquals(error.message.includes(message), true, error.message);
    assertEquals(error.message.includes("\n"), false);
  });
}

Deno.test("parseProfile() keeps numbers of 64 bits exactly", () => {
  const { syscalls } = parseProfile(argument('"index":0,"value":18446744073709551615,"op":"SCMP_CMP_EQ"'), "own.json");
  assertEquals(syscalls[0]?.args?.[0]?.value, 18446744073709551615n);
});

Deno.test("parseProfile() takes null for what isn't there, and ABIs of machines that it doesn't know", () => {
  const profile = parseProfile(
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_S390X","SCMP_ARCH_X86"],"flags":null,' +
      '"syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":null,"includes":null,"excludes":{}}]}',
    "own.json",
  );
  const seccomp = resolveProfile(profile, { architecture: "x86_64", kernel: "6.1", capabilities: [] });
  assertEquals(seccomp, {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [{ names: ["read"], action: "SCMP_ACT_KILL" }],
  });
});

Deno.test("resolveProfile() takes the rules that count, by capabilities, architecture and kernel", () => {
  const text = Deno.readTextFileSync(new URL("./profile.json", import.meta.url));
  const profile = parseProfile(text, "profile.json");
  const some = new Set(["mount", "umount2", "arch_prctl", "chroot", "openat2", "statx"]);
  const taken = (architecture: "x86_64" | "aarch64", kernel: string, ...capabilities: string[]): string[] =>
    resolveProfile(profile, { architecture, kernel, capabilities }).syscalls?.flatMap(({ names }) => names)
      .filter((name) => some.has(name)) ?? [];
  assertEquals(taken("x86_64", "5.5.99"), ["umount2", "arch_prctl", "statx"]);
  assertEquals(taken("x86_64", "5.10.0-18-amd64", "CAP_SYS_ADMIN"), ["arch_prctl", "openat2", "statx"]);
  assertEquals(taken("aarch64", "6.10", "CAP_SYS_ADMIN", "CAP_CHOWN"), ["mount", "chroot", "openat2"]);
  assertEquals(taken("aarch64", "10.0", "CAP_SYS_BOOT"), ["chroot", "openat2"]);
});
