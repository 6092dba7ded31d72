/**
 * The first root filesystem of the virtual machine: busybox, the modules that reach the host's files, and `init.sh`.
 *
 * @module
 */
import { which } from "../../tasks/process.ts";
import { type Kernel, must } from "./kernel.ts";

/** Transports, then what the host's files come over. Debian's kernel has none of them built in. */
const MODULES = ["virtio_pci", "virtio_console", "virtio_blk", "9p", "9pnet_virtio", "overlay"];

/** The files to load, each after those that it needs. @param listing What `modprobe --show-depends` said. */
export function moduleFiles(listing: string): string[] {
  return [...new Set([...listing.matchAll(/^insmod (\S+)/gm)].map(([, file]) => file ?? ""))];
}

/** Makes `file`, a cpio archive that isn't compressed: the emulator would have to undo it. */
export async function initramfs({ root, release }: Kernel, file: string): Promise<void> {
  const tree = `${file}.tree`;
  for (const name of ["bin", "modules"]) await Deno.mkdir(`${tree}/${name}`, { recursive: true });
  await Deno.copyFile(which("busybox") ?? "busybox", `${tree}/bin/busybox`);
  await Deno.copyFile(new URL("init.sh", import.meta.url), `${tree}/init`);
  await Deno.chmod(`${tree}/init`, 0o755);
  const listing = await must("modprobe", ["-d", root, "-S", release, "--show-depends", "--all", ...MODULES]);
  const names: string[] = [];
  for (const source of moduleFiles(listing)) {
    const name = source.slice(source.lastIndexOf("/") + 1);
    names.push(name);
    await Deno.copyFile(source, `${tree}/modules/${name}`);
  }
  await Deno.writeTextFile(`${tree}/modules/order`, names.map((name) => `${name}\n`).join(""));
  await must("sh", ["-c", 'cd "$0" && find . | cpio --quiet -o -H newc >"$1"', tree, file]);
  await Deno.remove(tree, { recursive: true });
}
