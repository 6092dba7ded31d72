import { assert, assertEquals } from "@std/assert";
import { listing } from "../../../ffi/listing.ts";
import type { LaunchProgram } from "../../../ffi/program.ts";
import { compile, type Launch } from "../../../lib/compile/mod.ts";
import { buildSpec } from "../../../lib/spec/build.ts";
import { CAPABILITIES } from "../../../lib/spec/capabilities.ts";
import type { Spec } from "../../../lib/spec/types.ts";

const FACTS = {
  name: "web",
  image: "/srv/image",
  passwd: "",
  group: "",
  hostname: "host",
  id: "0123456789abcdef".repeat(4),
  architecture: "x86_64" as const,
  cgroupsPath: "/libflux-id",
};
const LAUNCH: Launch = {
  architecture: "x86_64",
  writable: false,
  init: true,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  lastCapability: CAPABILITIES.length - 1,
  rlimits: [],
  legacyGroups: [],
  kinds: new Map(),
};
const CONTEXTS = { process: "system_u:system_r:container_t:s0", file: "system_u:object_r:container_file_t:s0" };
const LABELS = { level: "s0:c1,c2" };
const SPEC: Spec = buildSpec(
  { command: ["/bin/true"], selinux: LABELS, user: "1000" },
  { ...FACTS, apparmor: "web-profile", selinux: CONTEXTS },
);

/** Where an instruction is whose label has these words. */
const at = (program: LaunchProgram, words: string): number =>
  program.instructions.findIndex(({ label }) => label.includes(words));

Deno.test("the spec has the labels as the OCI specification has them", () => {
  assertEquals(SPEC.process.apparmorProfile, "web-profile");
  assertEquals(SPEC.process.selinuxLabel, "system_u:system_r:container_t:s0:c1,c2");
  assertEquals(SPEC.linux?.mountLabel, "system_u:object_r:container_file_t:s0:c1,c2");
});

Deno.test("labels are for the command's execve, and written before anything is given up", () => {
  for (const init of [true, false]) {
    const program = compile(SPEC, { ...LAUNCH, init });
    const text = listing(program);
    for (const path of ["self/attr/apparmor/exec", "self/attr/exec"]) {
      // By the private procfs, verified (CVE-2025-52881).
      assert(new RegExp(`openat\\(\\$proc, "${path}", O_WRONLY\\|O_NOFOLLOW`).test(text), path);
      assert(at(program, `see that /proc/${path} is on procfs`) > 0);
    }
    assert(text.includes("exec web-profile"), text);
    assert(text.includes("system_u:system_r:container_t:s0:c1,c2"), text);
    const order = [
      "wait until libflux",
      "have AppArmor confine",
      "have SELinux label the command",
      "filter the syscalls",
    ]
      .concat(["allow no new privileges", "drop capabilities", "become user", "execute /bin/true"]);
    const places = order.map((words) => at(program, words));
    assertEquals(places, places.toSorted((a, b) => a - b));
    assert(!places.includes(-1), places.join());
  }
});

Deno.test("a PID 1 of libflux's enters the profile itself, by a descriptor that it keeps for that alone", () => {
  const program = compile(SPEC, LAUNCH);
  const [clone, confine] = [at(program, "make a process for the command"), at(program, "confine PID 1")];
  const open = at(program, "open PID 1's own label");
  assert(open > 0 && open < clone && clone < confine, `${open} ${clone} ${confine}`);
  const text = listing(program);
  assert(text.includes("self/attr/apparmor/current") && text.includes("close_range(7, ~0, 0)"), text);
  assertEquals(at(compile(SPEC, { ...LAUNCH, init: false }), "confine PID 1"), -1);
  const { apparmorProfile: _, ...process } = SPEC.process;
  // With SELinux alone by its file, and before anybody hears that the command runs.
  const selinux = compile({ ...SPEC, process }, LAUNCH);
  assertEquals(at(selinux, "AppArmor"), -1);
  assert(listing(selinux).includes('"self/attr/current"') && listing(selinux).includes("close_range(7, ~0, 0)"));
  assert(at(selinux, "confine PID 1") < at(selinux, "report in place of"));
  const { selinuxLabel: _label, ...plain } = process;
  const without = compile({ ...SPEC, process: plain }, LAUNCH);
  assertEquals([at(without, "have SELinux label the command"), at(without, "own label")], [-1, -1]);
  assert(listing(without).includes("close_range(6, ~0, 0)"));
});

Deno.test("a keyring that the command can use is made for it where SELinux labels it", () => {
  const keyrings = (program: LaunchProgram): string[] =>
    program.instructions.filter(({ label }) => /keyring/.test(label)).map(({ label }) => label);
  assertEquals(keyrings(compile(SPEC, LAUNCH)).filter((label) => label === "join a new session keyring").length, 2);
  const { selinuxLabel: _, ...process } = SPEC.process;
  assertEquals(keyrings(compile({ ...SPEC, process }, LAUNCH)), ["join a new session keyring"]);
});

Deno.test("before Linux 5.8 there is one file for all security modules", () => {
  const text = listing(compile(SPEC, { ...LAUNCH, appArmorAttributes: "self/attr" }));
  assert(!text.includes("attr/apparmor") && text.includes('"self/attr/current"'), text);
});

Deno.test("every filesystem of the container's own has the mount label, those of the kernel's have none", () => {
  const program = compile(SPEC, LAUNCH);
  const labelled = program.instructions.flatMap(({ label }) =>
    /^set context=system_u:object_r:container_file_t:s0:c1,c2 of the (\w+) filesystem$/.exec(label)?.[1] ?? []
  );
  // The tmpfs of its changes, the root, /dev, /dev/pts, /dev/shm.
  assertEquals(labelled, ["tmpfs", "overlay", "tmpfs", "devpts", "tmpfs"]);
  // mqueue doesn't know the parameter.
  assert(at(program, "have SELinux label the directory of the queues") > at(program, "create the mqueue filesystem"));
  // Before the filesystem is there.
  const text = listing(program);
  assert(text.indexOf("context=") < text.indexOf("create the overlay filesystem"));
});

Deno.test("without labels nothing is written and nothing labelled", () => {
  const text = listing(compile(buildSpec({ command: ["true"] }, FACTS), LAUNCH));
  assert(!text.includes("attr/") && !text.includes("context="), text);
});
