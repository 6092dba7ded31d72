/**
 * The kernel of the virtual machine, from Debian's package: unpacked, its modules indexed, its image uncompressed.
 *
 * @module
 */
import { capture, ROOT, which } from "../../tasks/process.ts";

/** What can't be done here, in one sentence. */
export class MachineError extends Error {
  override readonly name = "MachineError";
}

/** Where everything is kept that takes time to make. */
export const CACHE = `${ROOT}/build/vm`;

/** A kernel that can be started. */
export interface Kernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** The uncompressed image: decompressing takes the emulator 3 to 4 seconds at each boot. */
  readonly image: string;
  /** The package's root, with `lib/modules/RELEASE`. */
  readonly root: string;
}

/** Whether a file is there. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Makes a directory whole or not at all; one that is there already is kept. */
export async function makeOnce(directory: string, fill: (partial: string) => Promise<void>): Promise<void> {
  if (exists(directory)) return;
  const partial = `${directory}.partial-${Deno.pid}`;
  await Deno.mkdir(partial, { recursive: true });
  try {
    await fill(partial);
    await Deno.rename(partial, directory);
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

/** Runs a program that must go well, and answers its output. */
export async function must(program: string, args: readonly string[]): Promise<string> {
  const { code, output } = await capture(which(program) ?? program, args);
  if (code !== 0) throw new MachineError(`${program} ${args.join(" ")} failed: ${output.trim().slice(-1000)}`);
  return output;
}

/** Fetches exactly these packages and unpacks them below `directory`. */
export async function unpack(packages: readonly string[], directory: string): Promise<void> {
  const folder = `${directory}.deb`;
  await Deno.mkdir(folder, { recursive: true });
  try {
    const script = 'cd "$0" && apt-get -qq -o APT::Sandbox::User=root download "$@"';
    const download = () => capture("sh", ["-c", script, folder, ...packages]);
    if ((await download()).code !== 0) {
      // Out-of-date lists name files that the mirror no longer has.
      await capture("apt-get", ["update", "-qq"]);
      const { code, output } = await download();
      if (code !== 0) throw new MachineError(`apt-get could not download ${packages.join(", ")}: ${output.trim()}`);
    }
    for await (const { name } of Deno.readDir(folder)) await must("dpkg", ["-x", `${folder}/${name}`, directory]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Where the compressed kernel is in a bzImage (Documentation/x86/boot.rst): sectors of 512 bytes of set-up code, then
 * the protected-mode kernel, within which the payload lies.
 */
export function payload(image: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const [SETUP_SECTORS, MAGIC, OFFSET, LENGTH] = [0x1f1, 0x202, 0x248, 0x24c];
  const HDRS = 0x53726448;
  if (image.length < 0x250 || view.getUint32(MAGIC, true) !== HDRS) throw new MachineError("this is no bzImage");
  const setup = (image[SETUP_SECTORS] || 4) * 512 + 512;
  const start = setup + view.getUint32(OFFSET, true);
  return image.subarray(start, start + view.getUint32(LENGTH, true));
}

async function decompress(bytes: Uint8Array<ArrayBuffer>, file: string): Promise<void> {
  const child = new Deno.Command("xz", {
    // The length of the result follows the stream, as its own trailer.
    args: ["--decompress", "--stdout", "--single-stream"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feed = new Blob([bytes]).stream().pipeTo(child.stdin).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await feed;
  const ELF = 0x7f;
  if (code !== 0 || stdout[0] !== ELF) {
    throw new MachineError(`the kernel can't be uncompressed: ${new TextDecoder().decode(stderr).trim() || "no ELF"}`);
  }
  await Deno.writeFile(file, stdout);
}

/** The kernel that Debian's `linux-image-amd64` stands for today, ready to be started. */
export async function kernel(): Promise<Kernel> {
  const name = /Depends: (linux-image-\S+-amd64)$/m.exec(await must("apt-cache", ["depends", "linux-image-amd64"]))
    ?.[1];
  if (name === undefined) throw new MachineError("apt knows no linux-image-amd64; run apt-get update and try again");
  const release = name.slice("linux-image-".length);
  const root = `${CACHE}/${name}`;
  await makeOnce(root, async (partial) => {
    await unpack([name], partial);
    await must("depmod", ["-b", partial, release]);
    const compressed = payload(await Deno.readFile(`${partial}/boot/vmlinuz-${release}`));
    await decompress(compressed.slice(), `${partial}/vmlinux`);
  });
  return { release, root, image: `${root}/vmlinux` };
}
