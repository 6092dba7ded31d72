/**
 * What integration tests share: libflux as a command, and a host that must be the same afterwards.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { defaultRoot } from "../../lib/store/directory.ts";
import { LIBFLUX } from "./trees.ts";

export { BUSYBOX, DEBIAN, EVERYDAY_TREE, LIBFLUX } from "./trees.ts";

/** How a command went. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to start libflux. */
export interface Options {
  readonly input?: string | Uint8Array<ArrayBuffer>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds after which it is ended. */
  readonly timeout?: number;
}

/** How much longer than usual everything may take: an emulated machine is slow. */
const SLOWNESS = Number(Deno.env.get("LIBFLUX_TEST_PATIENCE") ?? 1);

/** So many milliseconds on a usual machine, and more on a slow one. */
export function patience(milliseconds: number): number {
  return milliseconds * SLOWNESS;
}

/** A test that hangs fails. */
const TIMEOUT = patience(30_000);

/** Starts `./libflux` with its streams piped. */
export function startLibflux(args: readonly string[], { env, cwd }: Options = {}): Deno.ChildProcess {
  return new Deno.Command(LIBFLUX, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
}

/** Runs `./libflux` to its end; the streams as bytes. */
export async function libfluxBytes(
  args: readonly string[],
  options: Options = {},
): Promise<{ readonly code: number; readonly stdout: Uint8Array; readonly stderr: string }> {
  const child = startLibflux(args, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeout ?? TIMEOUT);
  const writer = child.stdin.getWriter();
  const { input = "" } = options;
  writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input)
    .then(() => writer.close())
    // A command that doesn't read its input is no failure.
    .catch(() => {});
  try {
    const { code, stdout, stderr } = await child.output();
    return { code, stdout, stderr: new TextDecoder().decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `./libflux` to its end. */
export async function libflux(args: readonly string[], options: Options = {}): Promise<Result> {
  const { code, stdout, stderr } = await libfluxBytes(args, options);
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

let count = 0;
/** Every test file of a process has a copy of this module, and what is kept of ended containers goes by their names. */
const COPY = crypto.randomUUID().slice(0, 4);

/** A name that no other test uses. */
export function uniqueName(): string {
  return `test-${Deno.pid}-${COPY}-${++count}`;
}

/** `./libflux run` with a name of its own. */
export function runContainer(
  flags: readonly string[],
  command: readonly string[],
  options: Options = {},
): Promise<Result> {
  return libflux(["run", uniqueName(), ...flags, "--", ...command], options);
}

/** A directory that lasts as long as its variable. */
export function temporaryDirectory(dir = "/tmp"): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ dir, prefix: "libflux-test-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Whether something is at a path. */
export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function entries(directory: string): Deno.DirEntry[] {
  try {
    return Array.from(Deno.readDirSync(directory));
  } catch {
    return [];
  }
}

function names(directory: string): string[] {
  return entries(directory).map(({ name }) => name).sort();
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

const KINDS = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"];

/** Whether a process has ended, and only waits for the host's own init to take note of it, which can take seconds. */
function isForgotten(pid: string): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return /^ Z 1 /.test(stat.slice(stat.lastIndexOf(")") + 1));
}

/** The namespaces that some process is in. */
function namespaces(): string[] {
  const all = names("/proc").filter((name) => /^\d+$/.test(name) && !isForgotten(name)).flatMap((pid) =>
    KINDS.map((kind) => link(`/proc/${pid}/ns/${kind}`))
  );
  return [...new Set(all)].filter((name) => name !== "").sort();
}

/** Whether a cgroup is libflux's, or systemd's for it: others make theirs whenever they like. */
const isOurs = (path: string): boolean => path.includes("libflux") || /\.(slice|scope)$/.test(path);

/** Such cgroups, of every hierarchy, below the mount points that this process sees. */
function cgroups(): string[] {
  const points = read("/proc/self/mountinfo").split("\n").filter((line) => / - cgroup2? /.test(line));
  const walk = (directory: string): string[] =>
    entries(directory).flatMap(({ name, isDirectory }) =>
      isDirectory ? [`${directory}/${name}`, ...walk(`${directory}/${name}`)] : []
    );
  return points.flatMap((line) => walk(line.split(" ")[4] ?? "")).filter(isOurs).sort();
}

/** What containers could leave on the host. */
export interface Host {
  readonly mounts: string;
  readonly namespaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly state: readonly string[];
  readonly temporary: readonly string[];
  readonly sharedMemory: readonly string[];
  readonly links: string;
}

/** Looks at the host. @param root The state root. */
export function host(root = defaultRoot()): Host {
  return {
    mounts: read("/proc/self/mountinfo"),
    namespaces: namespaces(),
    cgroups: cgroups(),
    state: names(`${root}/containers`),
    temporary: names("/tmp").filter((name) => name.startsWith("libflux")),
    sharedMemory: names("/dev/shm"),
    links: read("/proc/net/dev").replace(/:.*/g, ""),
  };
}

/** The kernel destroys namespaces a moment after their last process. */
const PATIENCE = patience(5_000);

/** Waits until the host is as it was; fails, showing the difference, when that doesn't happen soon. */
export async function assertHost(before: Host, root?: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  // Others on this machine may lose theirs meanwhile: only what is new counts.
  const now = (): Host => {
    const found = host(root);
    const added = (old: readonly string[], all: readonly string[]): string[] => [
      ...old,
      ...all.filter((name) => !old.includes(name)),
    ];
    return {
      ...found,
      namespaces: added(before.namespaces, found.namespaces),
      cgroups: added(before.cgroups, found.cgroups),
      temporary: added(before.temporary, found.temporary),
    };
  };
  while (performance.now() < deadline) {
    if (JSON.stringify(now()) === JSON.stringify(before)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(now(), before);
}

/** The numbers of this process's open descriptors. */
export function openDescriptors(): string[] {
  return names("/proc/self/fd");
}

/** {@linkcode openDescriptors}, when what tests before have left to be done in the background is over. */
export async function quietDescriptors(): Promise<string[]> {
  const deadline = performance.now() + PATIENCE;
  let found = openDescriptors();
  for (let since = performance.now(); performance.now() < deadline && performance.now() - since < 300;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = openDescriptors();
    if (now.join() !== found.join()) since = performance.now();
    found = now;
  }
  return found;
}

/** Registers a test that must leave the host as it was. @param ignore Whether it can't be run here. */
export function hostTest(
  name: string,
  body: (context: Deno.TestContext) => void | Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name,
    ignore,
    fn: async (context) => {
      const before = host();
      await body(context);
      await assertHost(before);
    },
  });
}

/** Whether the tests run as an ordinary user: see `rootless/enter.sh`. */
export const IS_USER: boolean = Deno.uid() !== 0;

/** Whether containers have more users than one: an ordinary user without ranges of ids has no others. */
export const HAS_USERS: boolean = Deno.env.get("LIBFLUX_TEST_USER") !== "single";

/** Registers a test that takes more users than one. */
export function usersTest(...test: Parameters<typeof hostTest>): void {
  if (HAS_USERS) hostTest(...test);
}

/** Registers a test of what only root can do, or set up: it isn't among those that run as an ordinary user. */
export function rootTest(...test: Parameters<typeof hostTest>): void {
  if (!IS_USER) hostTest(...test);
}
