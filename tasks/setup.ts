/**
 * Installs what a task needs and the machine lacks.
 *
 * @module
 */
import { capture, which } from "./process.ts";

/** What somebody is about to do. */
export type Purpose = "demo" | "test" | "bench" | "vm";

interface Requirement {
  /** The command that must be there, or the file, by its path, where it isn't in a directory of commands. */
  readonly command: string;
  /** Its package in Debian and Ubuntu. */
  readonly debian: string;
  readonly purposes: readonly Purpose[];
}

const ALL: readonly Purpose[] = ["demo", "test", "bench", "vm"];

/** Command, package, and who needs it. */
export const REQUIREMENTS: readonly Requirement[] = [
  { command: "ip", debian: "iproute2", purposes: ALL },
  { command: "iptables", debian: "iptables", purposes: ALL },
  { command: "busybox", debian: "busybox-static", purposes: ["test", "bench", "vm"] },
  { command: "as", debian: "binutils", purposes: ["test"] },
  { command: "x86_64-linux-gnu-as", debian: "binutils-x86-64-linux-gnu", purposes: ["test"] },
  { command: "aarch64-linux-gnu-as", debian: "binutils-aarch64-linux-gnu", purposes: ["test"] },
  { command: "qemu-aarch64-static", debian: "qemu-user-static", purposes: ["test"] },
  { command: "debootstrap", debian: "debootstrap", purposes: ["test", "vm"] },
  { command: "pasta", debian: "passt", purposes: ["test", "vm"] },
  { command: "newuidmap", debian: "uidmap", purposes: ["test"] },
  { command: "fuse-overlayfs", debian: "fuse-overlayfs", purposes: ["test"] },
  // What the compiler of seccomp profiles is compared with: libseccomp itself has no command.
  { command: "scmp_sys_resolver", debian: "seccomp", purposes: ["test"] },
  { command: "strace", debian: "strace", purposes: ["test"] },
  // Completion scripts are tried in the shells that they are for, and manual pages by what reads them.
  { command: "bash", debian: "bash", purposes: ["test"] },
  { command: "zsh", debian: "zsh", purposes: ["test"] },
  { command: "fish", debian: "fish", purposes: ["test"] },
  { command: "man", debian: "man-db", purposes: ["test"] },
  { command: "groff", debian: "groff", purposes: ["test"] },
  { command: "mandoc", debian: "mandoc", purposes: ["test"] },
  // What tries dangerous operations is a program of C.
  { command: "gcc", debian: "gcc", purposes: ["test", "vm"] },
  { command: "/usr/include/stdio.h", debian: "libc6-dev", purposes: ["test", "vm"] },
  { command: "crun", debian: "crun", purposes: ["test", "bench"] },
  { command: "runc", debian: "runc", purposes: ["bench"] },
  { command: "qemu-system-x86_64", debian: "qemu-system-x86", purposes: ["vm"] },
  { command: "apparmor_parser", debian: "apparmor", purposes: ["vm"] },
  { command: "secilc", debian: "secilc", purposes: ["vm"] },
  { command: "cpio", debian: "cpio", purposes: ["vm"] },
  { command: "depmod", debian: "kmod", purposes: ["vm"] },
  { command: "xz", debian: "xz-utils", purposes: ["vm"] },
  { command: "mke2fs", debian: "e2fsprogs", purposes: ["vm"] },
  { command: "hyperfine", debian: "hyperfine", purposes: ["bench"] },
  { command: "podman", debian: "podman", purposes: ["test", "bench"] },
  { command: "/usr/lib/podman/netavark", debian: "netavark", purposes: ["bench"] },
  { command: "iperf3", debian: "iperf3", purposes: ["bench"] },
];

/** The packages that are missing for a purpose; `present` answers whether a command is there. */
export function missingPackages(purpose: Purpose, present: (command: string) => boolean): string[] {
  const missing = REQUIREMENTS.filter(({ command, purposes }) => purposes.includes(purpose) && !present(command));
  return [...new Set(missing.map(({ debian }) => debian))];
}

/** The sentence for a machine where nothing can be installed. */
export function complaint(packages: readonly string[], reason: string): string {
  const what = packages.length === 1 ? "a package is missing" : "packages are missing";
  return `${what} and ${reason}; install what Debian calls ${packages.join(", ")} and try again`;
}

function isPresent(command: string): boolean {
  if (command.endsWith(".h")) return isFile(command);
  const file = which(command);
  return file !== undefined && (command !== "busybox" || isStatic(file));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Tests put busybox alone into a tree: one that needs a loader can't start there. */
function isStatic(file: string): boolean {
  return !new TextDecoder("latin1").decode(Deno.readFileSync(file).subarray(0, 4096)).includes("/ld-");
}

/** Installs what is missing for `purpose`, naming it. */
export async function setup(purpose: Purpose): Promise<void> {
  const packages = missingPackages(purpose, isPresent);
  if (packages.length === 0) return;
  if (which("apt-get") === undefined) throw new SetupError(complaint(packages, "this system has no apt-get"));
  if (Deno.uid() !== 0) throw new SetupError(complaint(packages, "only root can install them"));
  console.log(`installing: ${packages.join(", ")} (Debian packages)`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // out-of-date lists are the usual reason for a failed installation, a failed update alone is none
  await capture("apt-get", ["update", "-qq"], { env });
  const { code, output } = await capture("apt-get", [
    "install",
    "-y",
    "-qq",
    "-o",
    "DPkg::Lock::Timeout=120",
    "--no-install-recommends",
    ...packages,
  ], {
    env,
  });
  const still = missingPackages(purpose, isPresent);
  if (code === 0 && still.length === 0) return;
  const errors = output.split("\n").filter((line) => line.startsWith("E:")).join(" ");
  throw new SetupError(complaint(still, `apt-get could not install them${errors === "" ? "" : ` (${errors})`}`));
}

/** What is missing, and how to get it, in one sentence. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

/** Like {@linkcode setup}, but ends the process with the sentence where it can't be done. */
export async function setupOrExit(purpose: Purpose): Promise<void> {
  try {
    await setup(purpose);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`${purpose}: ${error.message}`);
    Deno.exit(1);
  }
}

if (import.meta.main) {
  const purpose = ALL.find((known) => known === Deno.args[0]);
  if (purpose === undefined) {
    console.error(`setup: say what for: ${ALL.join(", ")}`);
    Deno.exit(2);
  }
  await setupOrExit(purpose);
}
