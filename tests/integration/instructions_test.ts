import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Instruction } from "../../ffi/program.ts";
import { start } from "../../lib/container.ts";
import { describe, FluxError } from "../../lib/errors.ts";
import { compileProgram, prepare } from "../../lib/prepare.ts";
import type { RunOptions } from "../../lib/spec/options.ts";
import { onDisk } from "./disk.ts";
import {
  assertHost,
  BUSYBOX,
  HAS_USERS,
  host,
  IS_USER,
  openDescriptors,
  quietDescriptors,
  temporaryDirectory,
} from "./support.ts";

/**
 * Whether a launch that goes well passes an instruction by: failed checks, what is done to paths that this kernel hasn't
 * got, what is tried after the command was found, and what init does only when it is told to.
 */
function isPassedBy(instruction: Instruction, command: string): boolean {
  if (instruction.op !== "syscall" || instruction.name === "fail") return true;
  const { field = "", label, path = "" } = instruction;
  // An ordinary user has no cgroups where none are delegated.
  if (IS_USER && field === "linux.cgroupsPath" && !label.startsWith("open ")) return true;
  if (/Paths$/.test(field) && !/^(open|look for) /.test(label) && !exists(path)) return true;
  return ["forward the signal", "kill the command"].includes(label) ||
    !command.includes("/") && /^execute \/(usr\/)?(local\/)?s?bin\/true$/.test(label);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** How a launch went in which one instruction failed: its error, or its exit code. */
async function launchWithFailure(options: RunOptions, failAt: number): Promise<string | number> {
  try {
    await using container = await start(options, { failAt });
    return (await container.status).code;
  } catch (error) {
    if (!(error instanceof FluxError)) throw error;
    return describe(error);
  }
}

async function failEveryInstruction(options: RunOptions & { readonly root: string }): Promise<void> {
  const { instructions } = compileProgram(prepare(options, [0, 1, 2]), options);
  const [command = ""] = options.command;
  const before = host(options.root);
  // The first run opens what all the others use too.
  assertEquals(await launchWithFailure(options, -1), 0);
  const descriptors = await quietDescriptors();
  const started = instructions.findIndex(({ label }) => label === "report in place of the command's status");
  let failures = 0;
  for (const [index, instruction] of instructions.entries()) {
    if (instruction.op !== "syscall") continue;
    const outcome = await launchWithFailure(options, index);
    const which = `${index}: ${instruction.label}`;
    if (typeof outcome === "string") {
      failures++;
      assertStringIncludes(outcome, `could not ${instruction.label}: not implemented by this kernel (ENOSYS)`, which);
      assertEquals(outcome.split("\n").length, 1, which);
      assertEquals(outcome.includes("PID 1 of libflux's failed"), started >= 0 && index > started, outcome);
    } else assert(outcome === 0 && isPassedBy(instruction, command), `${which}: exit code ${outcome}`);
    assertEquals(openDescriptors(), descriptors, which);
    assertEquals(host(options.root).state, [], which);
  }
  const passedBy = instructions.filter((one) => one.op === "syscall" && isPassedBy(one, command)).length;
  const all = instructions.filter(({ op }) => op === "syscall").length;
  assertEquals(failures, all - passedBy);
  await assertHost(before, options.root);
}

Deno.test("run: each instruction of a full-featured container fails once, is told, and leaves nothing", async () => {
  using directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  await failEveryInstruction({
    name: "instructions",
    root: `${directory.path}/state`,
    image: BUSYBOX,
    network: "none",
    command: ["true"],
    readOnly: true,
    mounts: [
      { destination: "/data", type: "bind", source: directory.path, options: ["rbind", "ro", "nosuid"] },
      { destination: "/file", type: "bind", source: `${directory.path}/file`, options: ["bind"] },
      { destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["size=1m"] },
    ],
    devices: [{ source: "/dev/zero", destination: "/dev/below/own" }],
    env: { A: "b" },
    ...(HAS_USERS ? { user: "web" } : {}),
    workdir: "/work/here",
    hostname: "full",
    timeOffset: 1000,
    terminal: { columns: 80, rows: 24 },
    labels: { a: "b" },
  });
});

Deno.test("run: each instruction of a container without init that shares the host's namespaces fails once", async () => {
  using directory = temporaryDirectory();
  const image = `${directory.path}/image`;
  new Deno.Command("cp", { args: ["-a", BUSYBOX, image] }).outputSync();
  await failEveryInstruction({
    name: "instructions",
    root: `${directory.path}/state`,
    image,
    command: ["/bin/true"],
    writable: true,
    init: false,
    network: "host",
    pid: "host",
    ipc: "host",
    uts: "host",
    stdout: "null",
    stderr: "null",
  });
});

Deno.test("run: each instruction of a container with users of its own fails once", async () => {
  using directory = temporaryDirectory();
  // Nobody below may change where it is.
  Deno.chmodSync(directory.path, 0o755);
  await failEveryInstruction({
    name: "instructions",
    root: `${directory.path}/state`,
    image: onDisk(BUSYBOX),
    network: "none",
    ...(!IS_USER ? { userns: "auto" } : HAS_USERS ? { userns: "keep-id" } : {}),
    command: ["/bin/true"],
    stdout: "null",
    stderr: "null",
  });
});
