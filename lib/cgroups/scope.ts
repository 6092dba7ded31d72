/**
 * A scope of systemd's, made and kept.
 *
 * systemd makes a scope around a process, and removes it when its last process has ended; what the cgroup could tell of the
 * container would be gone with it. So a keeper is in it from before the container until after: a few pages of memory
 * that wait for the end of a pipe, which also comes when libflux is killed.
 *
 * @module
 */
import { O, or, PR } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, pipe } from "../../ffi/libc.ts";
import { link, REPORT_DESCRIPTOR } from "../../ffi/link.ts";
import { ProgramBuilder } from "../../ffi/program.ts";
import { type Child, executable, spawn } from "../../ffi/spawn.ts";
import { sleep } from "../../ffi/reactor.ts";
import { LimitError, ScopeError } from "../errors.ts";
import { readIfThere } from "../store/directory.ts";
import { write } from "../store/cgroup.ts";
import { CONTAINER_GROUP, KEEPER_GROUP, type Scope } from "./manager.ts";

/** What the keeper finds open besides its streams and the report. */
const LIFELINE = 4;

/** A keeper's program. */
export function keeperProgram(): ReturnType<ProgramBuilder["build"]> {
  const b = new ProgramBuilder(ARCHITECTURE);
  b.syscall("prctl", [or(PR, "PR_SET_NAME"), b.string("libflux-scope"), 0, 0, 0], { label: "take a name of its own" });
  // Whatever libflux was started in can be unmounted.
  b.syscall("chdir", [b.string("/")], { label: "leave the working directory" });
  b.syscall("close", [REPORT_DESCRIPTOR], { label: "tell that it runs" });
  b.syscall("read", [LIFELINE, b.buffer(1), 1], { label: "wait until libflux has done with the scope, or is gone" });
  b.exit(0, "end");
  return b.build();
}

/** A process that keeps a scope; ends with libflux. All signals but SIGKILL are blocked in it. */
class Keeper {
  readonly #child: Child;
  readonly lifeline: Descriptor;

  constructor() {
    const image = link(keeperProgram());
    using memfd = executable(image.elf);
    using nothing = new Descriptor(checked("openat", -100, "/dev/null", O.O_RDWR | O.O_CLOEXEC, 0));
    const report = pipe();
    using _near = report.read;
    using far = report.write;
    const life = pipe();
    using end = life.read;
    using lifeline = new DisposableStack();
    this.lifeline = lifeline.use(life.write);
    const streams = [0, 1, 2].map((number) => [nothing.number, number] as const);
    this.#child = spawn({
      executable: memfd,
      flags: 0,
      report: far.number,
      descriptors: [...streams, [far.number, REPORT_DESCRIPTOR], [end.number, LIFELINE]],
    });
    lifeline.move();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends it, and reaps it. Can be done again. */
  async end(): Promise<void> {
    this.lifeline.close();
    await this.#child.wait();
    this.#child[Symbol.dispose]();
  }
}

/** A scope that is there until it is let go. */
export interface KeptScope {
  readonly directory: string;
  /**
   * Puts a process into the container's cgroup, where nothing can be born there: in a scope of a user's own systemd, whose
   * libflux itself is in a cgroup of root's. Throws a {@link ScopeError}.
   */
  readonly attach?: (pid: number) => Promise<void>;
  /** What holds it: closed everywhere, it is let go. */
  readonly held: readonly Descriptor[];
  /** Lets go: systemd removes it once nobody is in it. */
  release(): Promise<void>;
}

/** Milliseconds for systemd to make a scope; on a host that just boots it has more to do. */
const PATIENCE = 10_000;
const MOMENT = 1;

/** Whether systemd takes `OOMPolicy` for scopes, which it does from version 253 on; nothing where that isn't known yet. */
let hasPolicy: boolean | undefined;

/** How `busctl` calls systemd: the user's own, or the system's. */
const manager = (user: boolean): string[] => [
  ...[user ? "--user" : "--system", "--timeout=10", "call"],
  ...["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"],
];

/**
 * The arguments for `busctl` that make a scope: `StartTransientUnit` (`man 5 org.freedesktop.systemd1`). Pure.
 *
 * @param pid Who is in it first.
 * @param policy Whether to say that one process without memory isn't the end of all.
 */
export function scopeArguments(
  { unit, slice, user }: Scope,
  description: string,
  pid: number,
  policy: boolean,
): string[] {
  // TasksMax: systemd's default would be a limit that nobody asked for.
  const NO_LIMIT = "18446744073709551615";
  const properties = [
    ["Description", "s", description],
    ["PIDs", "au", "1", String(pid)],
    ["Delegate", "b", "true"],
    ["Slice", "s", slice],
    ["TasksMax", "t", NO_LIMIT],
    // Nothing stays when a process was killed, either.
    ["CollectMode", "s", "inactive-or-failed"],
    ...policy ? [["OOMPolicy", "s", "continue"]] : [],
  ];
  return [
    ...manager(user),
    ...["StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail"],
    ...[String(properties.length), ...properties.flat(), "0"],
  ];
}

/** What systemd says where it refuses. */
async function busctl(args: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
  const command = new Deno.Command("busctl", {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    ...(signal === undefined ? {} : { signal }),
  });
  const { success, stderr } = await command.output().catch((error) => {
    throw new ScopeError(`busctl can't be run: ${error.message}`);
  });
  signal?.throwIfAborted();
  return success ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "busctl failed";
}

/**
 * Makes a scope and keeps it.
 *
 * @throws {ScopeError} systemd refuses, or takes too long.
 */
export async function startScope(scope: Scope, name: string, signal?: AbortSignal): Promise<KeptScope> {
  const keeper = new Keeper();
  try {
    const start = (policy: boolean): Promise<string | undefined> =>
      busctl(scopeArguments(scope, `libflux container ${name}`, keeper.pid, policy), signal);
    let refused = await start(hasPolicy ?? true);
    if (refused !== undefined && hasPolicy === undefined && /OOMPolicy|unknown property/i.test(refused)) {
      refused = await start(false);
      hasPolicy = false;
    }
    if (refused !== undefined) throw failure(scope, refused);
    hasPolicy ??= true;
    await arrive(scope, keeper.pid, signal);
    // A cgroup that hands controllers down has no processes of its own.
    const group = `${scope.directory}/${KEEPER_GROUP}`;
    Deno.mkdirSync(group);
    const moved = write(`${group}/cgroup.procs`, String(keeper.pid));
    if (moved < 0) throw failure(scope, `it isn't libflux's to use (errno ${-moved})`);
    const attach = (pid: number): Promise<void> => attachTo(scope, pid, signal);
    return {
      directory: scope.directory,
      ...(scope.user ? { attach } : {}),
      held: [keeper.lifeline],
      release: () => keeper.end(),
    };
  } catch (error) {
    await keeper.end();
    if (error instanceof LimitError || error === signal?.reason) throw error;
    throw failure(scope, error instanceof Error ? error.message : String(error));
  }
}

/** The arguments for `busctl` that put a process into the container's cgroup of a scope. Pure. */
export function attachArguments({ unit, user }: Pick<Scope, "unit" | "user">, pid: number): string[] {
  return [
    ...manager(user),
    ...["AttachProcessesToUnit", "ssau", unit, `/${CONTAINER_GROUP}`, "1", String(pid)],
  ];
}

/** Puts a process into the container's cgroup of a scope. Throws a {@link ScopeError}. */
export async function attachTo(
  scope: Pick<Scope, "unit" | "user" | "slice">,
  pid: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const refused = await busctl(attachArguments(scope, pid), signal);
  if (refused !== undefined) throw failure(scope, `it takes no process: ${refused}`);
}

function failure({ unit, slice }: Pick<Scope, "unit" | "slice">, why: string): ScopeError {
  return new ScopeError(`systemd doesn't make the scope ${unit.slice(0, 20)}… in ${slice}: ${why}`, {
    hint: "'systemctl status' tells how systemd is; --cgroup-manager cgroupfs does without it",
  });
}

/** Waits until systemd has put the keeper into the scope: its answer only says that it is going to. */
async function arrive(scope: Scope, pid: number, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const own = /^0::(.*)$/m.exec(readIfThere(`/proc/${pid}/cgroup`) ?? "")?.[1] ?? "";
    if (own.endsWith(`/${scope.unit}`)) {
      if (scope.directory.endsWith(own)) return;
      throw failure(scope, `its cgroup is ${own}, and libflux expected ${scope.directory}`);
    }
    signal?.throwIfAborted();
    if (performance.now() > deadline) throw failure(scope, `it hasn't within ${PATIENCE / 1000} seconds`);
    await sleep(MOMENT);
  }
}
