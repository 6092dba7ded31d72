/**
 * The virtual machine: a kernel with nothing but cgroup v2, emulated in software, that sees this host's files read-only
 * and keeps what it changes in memory. Runs one command and is gone.
 *
 * @module
 */
import { ROOT, which } from "../../tasks/process.ts";
import { initramfs } from "./initramfs.ts";
import { CACHE, type Kernel, kernel, MachineError, must } from "./kernel.ts";

/** What to run in it. */
export interface MachineOptions {
  readonly command: readonly string[];
  /** Variables of the command's. */
  readonly env?: Readonly<Record<string, string>>;
  /** For how long it may run, in milliseconds. */
  readonly timeout: number;
  /** Gets what the command writes, as it comes. */
  readonly output: (bytes: Uint8Array) => void;
  /** What runs as PID 1 and is to start `/run/vm/guest.sh`; that itself if left out. */
  readonly init?: string;
  /** More words of the kernel's command line. */
  readonly kernelLine?: readonly string[];
  /** Directories of the cache that lie over the host's files. */
  readonly layers?: readonly string[];
  /** Directories that the command needs, wherever they are. */
  readonly needs?: readonly string[];
  /** A shell script that is run before the command, as root. */
  readonly prepare?: string;
  /** Other scripts, by their names below `/run/vm`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Starts the command: `{}` stands for it. */
  readonly wrapper?: string;
}

/** The command took too long. */
export const TIMED_OUT = 124;
/** The machine died. */
export const DIED = 125;

/** Boots that may fail: one in about a hundred hangs without a trace. The command itself is never run twice. */
const BOOTS = 3;
/** For how long a boot may take, in milliseconds; usual are 4 seconds, and 30 with systemd, on a host that isn't busy. */
const BOOT_TIMEOUT = 180_000;
/** How often the ports are looked at, in milliseconds. */
const MOMENT = 50;
const DISK_SIZE = 2 * 2 ** 30;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Memory filesystems of the guest that hide what the host has there. */
const HIDDEN = ["/tmp/", "/run/", "/dev/shm/"];

/** The directories among `paths` that have to be shown again, outermost only. */
export function overlaysOf(paths: readonly string[]): string[] {
  const hidden = paths.filter((path) => HIDDEN.some((prefix) => path.startsWith(prefix)));
  return [...new Set(hidden)].filter((path) => !hidden.some((other) => other !== path && path.startsWith(`${other}/`)));
}

async function writeFolder(folder: string, { release }: Kernel, options: MachineOptions): Promise<void> {
  const { layers = [], needs = [], env = {}, files = {}, prepare, wrapper = "exec {}" } = options;
  await Deno.mkdir(`${folder}/vm`, { recursive: true });
  const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/vm/${name}`, text, { mode: 0o755 });
  const init = options.init ?? "/run/vm/guest.sh";
  await write("settings", `RELEASE=${quote(release)}\nLAYERS=${quote(layers.join(" "))}\nINIT=${quote(init)}\n`);
  await write("needs", [ROOT, ...needs].map((path) => `${path}\n`).join(""));
  await write("overlays", overlaysOf([ROOT, ...needs]).map((path) => `${path}\n`).join(""));
  await Deno.copyFile(new URL("guest.sh", import.meta.url), `${folder}/vm/guest.sh`);
  await Deno.chmod(`${folder}/vm/guest.sh`, 0o755);
  if (prepare !== undefined) await write("prepare.sh", prepare);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}\n`).join("");
  const command = options.command.map(quote).join(" ");
  await write("command.sh", `#!/bin/sh\n${exports}cd ${quote(ROOT)}\n${wrapper.replace("{}", () => command)}\n`);
}

function qemuArguments({ image }: Kernel, folder: string, more: readonly string[]): string[] {
  const share = (tag: string, path: string, more: string): string[] => [
    "-virtfs",
    `local,path=${path.replaceAll(",", ",,")},mount_tag=${tag},security_model=none,multidevs=remap${more}`,
  ];
  const port = (name: string): string[] => [
    ...["-chardev", `file,id=${name},path=${folder.replaceAll(",", ",,")}/${name}`],
    ...["-device", `virtserialport,chardev=${name},name=${name}`],
  ];
  const kernelLine = [
    ...["console=ttyS0", "loglevel=4", "panic=-1", "cgroup_no_v1=all", "mitigations=off", "tsc=reliable"],
    ...["cryptomgr.notests", "random.trust_cpu=on", ...more],
  ];
  return [
    ...["-accel", "tcg,thread=single,tb-size=512", "-cpu", "Nehalem", "-smp", "2", "-m", "2048"],
    ...["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot", "-nic", "none"],
    ...["-kernel", image, "-initrd", `${folder}/initrd.cpio`, "-append", kernelLine.join(" ")],
    ...["-serial", `file:${folder}/console`, "-device", "virtio-serial-pci", ...port("out"), ...port("status")],
    ...share("host", "/", ",readonly=on"),
    ...share("cache", CACHE, ",readonly=on"),
    ...share("vm", `${folder}/vm`, ""),
    ...["-drive", `file=${folder.replaceAll(",", ",,")}/disk,if=virtio,format=raw,cache=unsafe`],
  ];
}

/** Shows what has been added to a file. */
class Tail {
  #offset = 0;
  readonly #file: Deno.FsFile;
  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, read: true, write: true });
  }
  read(): Uint8Array {
    const size = this.#file.statSync().size;
    const bytes = new Uint8Array(Math.max(0, size - this.#offset));
    this.#file.seekSync(this.#offset, Deno.SeekMode.Start);
    const count = this.#file.readSync(bytes) ?? 0;
    this.#offset += count;
    return bytes.subarray(0, count);
  }
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Boots once. @returns The command's exit code; nothing where the machine didn't come up. */
async function boot(made: Kernel, folder: string, options: MachineOptions): Promise<number | undefined> {
  for (const name of ["out", "status", "console"]) await Deno.writeTextFile(`${folder}/${name}`, "");
  const limit = Math.ceil((BOOT_TIMEOUT + options.timeout) / 1000) + 10;
  // `timeout` ends the machine even where this process is killed.
  const child = new Deno.Command("timeout", {
    args: [
      "--kill-after=5",
      String(limit),
      "qemu-system-x86_64",
      ...qemuArguments(made, folder, options.kernelLine ?? []),
    ],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  let over = false;
  const ended = child.status.then(() => over = true);
  using out = new Tail(`${folder}/out`);
  const status = (): string => Deno.readTextFileSync(`${folder}/status`);
  const code = (): number | undefined => {
    const found = /^rc (\d+)$/m.exec(status())?.[1];
    return found === undefined ? undefined : Number(found);
  };
  let deadline = performance.now() + BOOT_TIMEOUT;
  let booted = false;
  try {
    while (!over && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, MOMENT));
      options.output(out.read());
      if (!booted && status().startsWith("booted")) {
        booted = true;
        deadline = performance.now() + options.timeout;
      }
      if (code() !== undefined) break;
    }
    const alive = !over;
    if (alive && code() === undefined) child.kill("SIGTERM");
    // A machine that has told its result ends by itself at once.
    const GRACE = 10_000;
    const timer = setTimeout(() => over || child.kill("SIGTERM"), GRACE);
    await ended;
    clearTimeout(timer);
    options.output(out.read());
    return booted ? code() ?? (alive ? TIMED_OUT : DIED) : undefined;
  } finally {
    if (!over) child.kill("SIGKILL");
  }
}

/** What the machine's console said last. */
function lastWords(folder: string): string {
  return Deno.readTextFileSync(`${folder}/console`).trim().split("\n").slice(-15).join("\n");
}

/**
 * Runs a command in the machine.
 *
 * @returns Its exit code; {@linkcode TIMED_OUT} and {@linkcode DIED} where there is none.
 */
export async function runInMachine(options: MachineOptions): Promise<number> {
  if (Deno.build.arch !== "x86_64") throw new MachineError("the virtual machine is made for x86-64 hosts only");
  if (which("qemu-system-x86_64") === undefined) throw new MachineError("there is no qemu-system-x86_64");
  const made = await kernel();
  const folder = await Deno.makeTempDir({ dir: CACHE, prefix: "run-" });
  try {
    await writeFolder(folder, made, options);
    await initramfs(made, `${folder}/initrd.cpio`);
    await Deno.writeFile(`${folder}/disk`, new Uint8Array());
    await Deno.truncate(`${folder}/disk`, DISK_SIZE);
    await must("mke2fs", ["-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", `${folder}/disk`]);
    for (let attempt = 1; attempt <= BOOTS; attempt++) {
      const code = await boot(made, folder, options);
      if (code === DIED || code === TIMED_OUT) console.error(`vm: its last words:\n${lastWords(folder)}`);
      if (code !== undefined) return code;
      console.error(`vm: it didn't come up, attempt ${attempt} of ${BOOTS}; its last words:\n${lastWords(folder)}`);
    }
    return DIED;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
