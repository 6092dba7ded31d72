/**
 * Trying things out in a child that has namespaces of its own, so that whatever it makes ends with it.
 *
 * @module
 */
import { AT, CLONE, E, O } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, Descriptor, pipe, syscall, SyscallError } from "../../ffi/libc.ts";
import { decodeReport, type Image, link, REPORT_DESCRIPTOR } from "../../ffi/link.ts";
import { ProgramBuilder } from "../../ffi/program.ts";
import { type Child, executable, spawn } from "../../ffi/spawn.ts";
import type { Outcome } from "./feature.ts";

/** What a child shall try. */
export interface Attempt {
  /** `CLONE_NEW*`. */
  readonly flags: number;
  /** What to do there; nothing, to see that the namespaces can be made. */
  readonly fill?: (builder: ProgramBuilder) => void;
  /** `[here, in the child]` */
  readonly descriptors?: readonly (readonly [number, number])[];
}

const SUCCESS: Outcome = { errno: 0, step: "" };

/** Runs an attempt in a child of its own and waits for its end. */
export async function attempt({ flags, fill, descriptors = [] }: Attempt): Promise<Outcome> {
  const builder = new ProgramBuilder(ARCHITECTURE);
  fill?.(builder);
  builder.exit(0, "tell that it worked");
  const image = link(builder.build());
  try {
    using file = executable(image.elf);
    // Non-blocking: another child may still hold a copy of the writing end when this one has ended.
    const { read, write } = pipe(O.O_NONBLOCK);
    using report = read;
    using writer = write;
    using child = spawn({
      executable: file,
      flags,
      report: writer.number,
      hold: true,
      descriptors: [[writer.number, REPORT_DESCRIPTOR], ...descriptors],
    });
    return await finish(child, flags, image, report);
  } catch (error) {
    if (error instanceof SyscallError) return { errno: error.errno, step: error.syscall };
    throw error;
  }
}

async function finish(child: Child, flags: number, image: Image, report: Descriptor): Promise<Outcome> {
  const mapped = (flags & CLONE.CLONE_NEWUSER) === 0 ? SUCCESS : writeIdMaps(child.pid);
  if (mapped.errno === 0) child.release();
  else child.abandon();
  const { code } = await child.wait();
  if (mapped.errno !== 0) return mapped;
  if (code === 0) return SUCCESS;
  const bytes = new Uint8Array(16);
  if (syscall("read", report.number, bytes, bytes.length) !== bytes.length) {
    return { errno: E.EIO, step: `end without a report (exit code ${code})` };
  }
  const { instruction, errno } = decodeReport(image, bytes);
  return { errno, step: instruction?.label ?? "execute the probe" };
}

/** Root of a user namespace is the caller, and nobody else: what every caller may map. */
export function writeIdMaps(pid: number): Outcome {
  const files = [
    // Without this an ordinary user may not write a gid_map (CVE-2014-8989).
    ["setgroups", "deny"],
    ["uid_map", `0 ${Deno.uid() ?? 0} 1`],
    ["gid_map", `0 ${Deno.gid() ?? 0} 1`],
  ] as const;
  for (const [name, text] of files) {
    const opened = syscall("openat", AT.AT_FDCWD, `/proc/${pid}/${name}`, O.O_WRONLY | O.O_CLOEXEC, 0);
    if (opened < 0) return { errno: -opened, step: `open ${name} of a user namespace` };
    using file = new Descriptor(opened);
    const bytes = new TextEncoder().encode(text);
    const written = syscall("write", file.number, bytes, bytes.length);
    if (written < 0) return { errno: -written, step: `write ${name} of a user namespace` };
  }
  return SUCCESS;
}

/** A process that waits in a user namespace until it is disposed of; its namespace can be opened meanwhile. */
export async function withUserNamespace(use: (namespace: number) => Promise<Outcome>): Promise<Outcome> {
  const builder = new ProgramBuilder(ARCHITECTURE);
  builder.exit(0, "end");
  try {
    using file = executable(link(builder.build()).elf);
    const { read, write } = pipe();
    using _read = read;
    using writer = write;
    using child = spawn({
      executable: file,
      flags: CLONE.CLONE_NEWUSER,
      report: writer.number,
      descriptors: [],
      hold: true,
    });
    try {
      const mapped = writeIdMaps(child.pid);
      if (mapped.errno !== 0) return mapped;
      const opened = syscall("openat", AT.AT_FDCWD, `/proc/${child.pid}/ns/user`, O.O_RDONLY | O.O_CLOEXEC, 0);
      if (opened < 0) return { errno: -opened, step: "open a user namespace" };
      using namespace = new Descriptor(opened);
      return await use(namespace.number);
    } finally {
      child.abandon();
      await child.wait();
    }
  } catch (error) {
    if (error instanceof SyscallError) return { errno: error.errno, step: error.syscall };
    throw error;
  }
}
