import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { defaultRoot } from "../../lib/store/directory.ts";
import { BUSYBOX, hostTest, libflux, patience, startLibflux, uniqueName } from "./support.ts";

const TIMEOUT = patience(15_000);
const LOOP = "echo ready; while :; do sleep 0.01; done";
/** Milliseconds after which a second interrupt is a first one again. */
const INSISTENCE = 2_000;
/** The last that libflux begins to listen for. */
const SIGUSR2 = 12;

const sh = (script: string): readonly string[] => ["sh", "-c", script];

/** A container whose both outputs can be waited for. */
class Running implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly #timer: ReturnType<typeof setTimeout>;
  #wake = (): void => {};
  #over = false;
  stdout = "";
  stderr = "";

  constructor(flags: readonly string[], command: readonly string[], name = uniqueName()) {
    this.child = startLibflux(["run", name, "--image", BUSYBOX, ...flags, "--", ...command]);
    this.#timer = setTimeout(() => this.#kill(), TIMEOUT);
    this.#reading = Promise.all([
      this.#read(this.child.stdout, (text) => this.stdout += text),
      this.#read(this.child.stderr, (text) => this.stderr += text),
    ]).then(() => {
      this.#over = true;
      this.#wake();
    });
  }

  #kill(): void {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // ended already
    }
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
      this.#wake();
    }
  }

  /** Waits until a text has been written a number of times. */
  async says(text: string, times = 1): Promise<void> {
    while (this.stdout.split(text).length <= times) {
      if (this.#over) throw new Error(`ended without ${text}: ${JSON.stringify([this.stdout, this.stderr])}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Waits until libflux handles a signal by itself. */
  async handles(number: number): Promise<void> {
    const deadline = performance.now() + TIMEOUT;
    while (performance.now() < deadline) {
      const status = Deno.readTextFileSync(`/proc/${this.child.pid}/status`);
      const caught = BigInt(`0x${/^SigCgt:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
      if ((caught >> BigInt(number - 1) & 1n) === 1n) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    throw new Error(`libflux never handled signal ${number}`);
  }

  /** The exit code, once everything that was written is here. */
  async ended(): Promise<number> {
    const { code } = await this.child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#kill();
    await this.child.stdin.abort().catch(() => {});
    await this.ended();
  }
}

hostTest("signals: a PID 1 that handles nothing is out of reach of SIGTERM, as everywhere", async () => {
  await using running = new Running(["--no-init"], sh("trap '' INT; trap 'echo alive' USR1; " + LOOP));
  await running.says("ready");
  running.child.kill("SIGTERM");
  running.child.kill("SIGUSR1");
  await running.says("alive");
  running.child.kill("SIGINT");
  running.child.kill("SIGUSR1");
  await running.says("alive", 2);
  running.child.kill("SIGINT");
  assertEquals(await running.ended(), 137);
});

for (const flags of [[], ["--no-init"]]) {
  hostTest(`signals: the second interrupt is told, unless --quiet ${flags.join("")}`, async () => {
    for (const quiet of [false, true]) {
      await using running = new Running(
        [...flags, ...(quiet ? ["--quiet"] : [])],
        sh("trap '' INT; trap 'echo alive' USR1; " + LOOP),
      );
      await running.says("ready");
      running.child.kill("SIGINT");
      running.child.kill("SIGUSR1");
      await running.says("alive");
      running.child.kill("SIGINT");
      assertEquals(await running.ended(), 137);
      assertEquals(running.stderr, quiet ? "" : "libflux: second interrupt: killing the container\n");
    }
  });
}

hostTest("signals: an interrupt more than 2 s after another is just one more", async () => {
  await using running = new Running([], sh("trap 'echo interrupted' INT; trap 'exit 5' TERM; " + LOOP));
  await running.says("ready");
  running.child.kill("SIGINT");
  await running.says("interrupted");
  await new Promise((resolve) => setTimeout(resolve, INSISTENCE + 100));
  running.child.kill("SIGINT");
  await running.says("interrupted", 2);
  running.child.kill("SIGTERM");
  assertEquals(await running.ended(), 5);
  assertEquals(running.stderr, "");
});

hostTest("signals: one that comes before there is a container reaches it once there is one", async () => {
  for (let round = 0; round < 10; round++) {
    await using running = new Running([], sh("trap 'exit 7' USR1; " + LOOP));
    await running.handles(SIGUSR2);
    running.child.kill("SIGUSR1");
    const code = await running.ended();
    // 138 where the shell hadn't set its trap yet.
    assert(code === 7 || code === 138, `round ${round}: ended with ${code} ${running.stderr}`);
  }
});

hostTest("signals: each kind that comes early keeps its meaning", async () => {
  for (
    const [signal, code] of [
      ["SIGHUP", 129],
      ["SIGINT", 130],
      ["SIGQUIT", 131],
      ["SIGUSR1", 138],
      ["SIGUSR2", 140],
      ["SIGTERM", 143],
    ] as const
  ) {
    // No shell: busybox's ignores SIGQUIT, and so does what it executes.
    await using running = new Running([], ["sleep", "1000"]);
    await running.handles(SIGUSR2);
    running.child.kill(signal);
    assertEquals(await running.ended(), code, signal);
  }
});

hostTest("signals: to the command's children it is for the command to pass them on", async () => {
  await using running = new Running(
    [],
    sh(`trap 'echo parent; exit 3' TERM; sh -c "trap 'echo child' TERM; while :; do sleep 0.01; done" & ${LOOP}`),
  );
  await running.says("ready");
  running.child.kill("SIGTERM");
  assertEquals(await running.ended(), 3);
  assertStringIncludes(running.stdout, "parent\n");
  assert(!running.stdout.includes("child"), running.stdout);
});

hostTest("signals: those that end a command end libflux where there is no container yet", async () => {
  const name = uniqueName();
  const directory = `${defaultRoot()}/containers/${name}`;
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  {
    // Somebody holds the name who is no container: --replace waits for 10 s.
    using file = Deno.openSync(`${directory}/lock`, { write: true, create: true });
    file.lockSync(true);
    for (
      const [signal, times, code, told] of [
        ["SIGTERM", 1, 143, /^$/],
        ["SIGHUP", 1, 129, /^$/],
        // Those that come before the first was heard are one with it: how many that takes is the machine's to say.
        ["SIGINT", 1000, 130, /^(libflux: second interrupt: giving up\n)+$/],
      ] as const
    ) {
      await using running = new Running(["--replace"], ["true"], name);
      await running.handles(SIGUSR2);
      await new Promise((resolve) => setTimeout(resolve, 200));
      const begin = performance.now();
      let ended = false;
      running.child.status.then(() => ended = true);
      for (let i = 0; i < times && !ended; i++) {
        try {
          running.child.kill(signal);
        } catch {
          // ended already
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals(await running.ended(), code);
      assertMatch(running.stderr, told);
      assert(performance.now() - begin < patience(3000));
    }
  }
  await libflux(["ps"]);
});
