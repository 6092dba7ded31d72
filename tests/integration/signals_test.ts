import { assert, assertEquals, assertMatch } from "@std/assert";
import { BUSYBOX, hostTest, LIBFLUX, libflux, startLibflux, uniqueName } from "./support.ts";

const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGWINCH"] as const;

/** A running container whose output can be waited for. */
class Running implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  text = "";

  constructor(flags: readonly string[], script: string) {
    this.child = startLibflux(["run", uniqueName(), "--image", BUSYBOX, ...flags, "--", "sh", "-c", script]);
    this.#reader = this.child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async says(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(this.text)}`);
      this.text += value;
    }
  }

  async ended(): Promise<number> {
    return (await this.child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // ended already
    }
    await Promise.all([
      this.child.stdin.abort().catch(() => {}),
      this.#reader.cancel(),
      this.child.stderr.cancel(),
      this.child.status,
    ]);
  }
}

for (const flags of [[], ["--no-init"]]) {
  for (const [index, signal] of FORWARDED.entries()) {
    hostTest(`signals: ${signal} reaches the command${flags.map((flag) => ` (${flag})`).join("")}`, async () => {
      const short = signal.slice(3);
      await using running = new Running(
        flags,
        `trap 'echo caught; exit ${index + 10}' ${short}; echo ready; while :; do sleep 0.01; done`,
      );
      await running.says("ready");
      running.child.kill(signal);
      await running.says("caught");
      assertEquals(await running.ended(), index + 10);
    });
  }
}

hostTest("signals: one that the command doesn't handle ends it with 128+n", async () => {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
    await using running = new Running([], "echo ready; sleep 1000");
    await running.says("ready");
    running.child.kill(signal);
    assertEquals(await running.ended(), code);
  }
});

hostTest("signals: what the caller ignores is ignored, by the command too; all else is as ever", async () => {
  for (const flags of ["", "--no-init"]) {
    const line = `trap '' INT HUP QUIT TERM USR1 CHLD; exec "$0" run ${uniqueName()} --image ${BUSYBOX} ${flags} -- ` +
      `sh -c 'grep SigIgn /proc/self/status; echo ready; read line; exit 6'`;
    const child = new Deno.Command("sh", { args: ["-c", line, LIBFLUX], stdin: "piped", stdout: "piped" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("ready")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended after ${text}`);
      text += value;
    }
    // HUP, INT, QUIT, USR1, TERM. Not SIGPIPE; nor SIGCHLD, without which no status would be known.
    // Beyond 31 they are libc's own.
    assertMatch(text, /^SigIgn:\t[0-9a-f]{8}[08]0004207\nready\n$/);
    for (const signal of ["SIGINT", "SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) child.kill(signal);
    await child.stdin.close();
    assertEquals((await child.status).code, 6);
    await reader.cancel();
  }
});

hostTest("signals: a command that ignores one goes on; a second interrupt kills it", async () => {
  await using running = new Running(
    [],
    "trap '' INT; trap 'echo alive' USR1; echo ready; while :; do sleep 0.01; done",
  );
  await running.says("ready");
  running.child.kill("SIGINT");
  running.child.kill("SIGUSR1");
  await running.says("alive");
  running.child.kill("SIGINT");
  assertEquals(await running.ended(), 137);
});

hostTest("signals: many of one kind end nothing by themselves", async () => {
  await using running = new Running(
    [],
    "trap 'n=1' USR1; echo ready; while test -z \"$n\"; do sleep 0.01; done; sleep 0.1; echo still here",
  );
  await running.says("ready");
  for (let i = 0; i < 100; i++) running.child.kill("SIGUSR1");
  await running.says("still here");
  assertEquals(await running.ended(), 0);
});

hostTest(
  "signals: one that comes while libflux starts ends the container, or libflux before there is one",
  async () => {
    for (let delay = 0; delay < 40; delay += 4) {
      await using running = new Running([], "sleep 1000");
      await new Promise((resolve) => setTimeout(resolve, delay));
      running.child.kill("SIGTERM");
      assertEquals(await running.ended(), 143, `after ${delay} ms`);
    }
    await libflux(["ps"]);
  },
);

for (const flags of [[], ["--pid", "host"]]) {
  hostTest(`signals: libflux killed, the container ends too ${flags.join(" ")}`, async () => {
    await using running = new Running(flags, "echo ready; sleep 1000 & sleep 1000");
    await running.says("ready");
    running.child.kill("SIGKILL");
    // Without a pid namespace only the next command finds what the command has left behind.
    if (flags.length > 0) await libflux(["ps"]);
    // Its end of the pipe is closed by the last process of the container.
    await running.says("never").catch((error) => assert(String(error).includes("ended after"), String(error)));
    assertEquals((await libflux(["ps", "--quiet"])).stdout, "");
  });
}
