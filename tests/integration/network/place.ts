/**
 * Places: the host, another host, a container; programs run there, ask servers and answer clients.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { patience, type Result } from "../support.ts";
import { answers, clientCommand, serverCommand, type Target } from "./echo.ts";

/** How long a client waits for an answer that has to come. */
const ANSWER = patience(5_000);
/** How long a client waits for one that mustn't. */
const SILENCE = patience(700);

/** Runs a program to its end; one that doesn't end is killed. */
export async function execute(command: readonly string[], timeout = patience(20_000)): Promise<Result> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
  try {
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** Like {@linkcode execute}, for what must go well; answers its standard output. */
export async function must(...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute(command);
  assertEquals(code, 0, `${command.join(" ")}: ${stderr}`);
  return stdout;
}

/** Everything a stream says, as long as somebody wants to know. */
class Listener {
  /** What it has said so far. */
  text = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads until `enough`; false where the stream ends before. */
  async listen(enough: (text: string) => boolean): Promise<boolean> {
    while (!enough(this.text)) {
      const { value, done } = await this.#reader.read();
      if (done) return false;
      this.text += value;
    }
    return true;
  }

  async stop(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** A child process in the background. */
export class Background implements AsyncDisposable {
  /** The process. */
  readonly child: Deno.ChildProcess;
  readonly #output: Listener;
  readonly #complaints: Listener;
  readonly #complaining: Promise<boolean>;

  constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    this.#output = new Listener(this.child.stdout);
    this.#complaints = new Listener(this.child.stderr);
    this.#complaining = this.#complaints.listen(() => false);
  }

  /** Waits for the line "ready"; one that doesn't come is an error, with what the process has written. */
  async ready(): Promise<this> {
    const timer = setTimeout(() => this.kill("SIGKILL"), patience(30_000));
    const isReady = await this.#output.listen((text) => /^ready$/m.test(text));
    clearTimeout(timer);
    if (isReady) return this;
    await this.#complaining;
    await this.end();
    throw new Error(`ended after ${JSON.stringify(this.#output.text)}: ${this.#complaints.text}`);
  }

  /** Sends a signal to one that may have ended already. */
  kill(signal: Deno.Signal): void {
    try {
      this.child.kill(signal);
    } catch {
      // ended already
    }
  }

  /** Ends it, or with "none" waits until it has ended, and answers its exit code. */
  async end(signal: Deno.Signal | "none" = "SIGTERM"): Promise<number> {
    if (signal !== "none") this.kill(signal);
    const timer = setTimeout(() => this.kill("SIGKILL"), patience(20_000));
    const { code } = await this.child.status;
    clearTimeout(timer);
    // Not until the streams end: a command that outlives a killed libflux has them too.
    await Promise.all([this.child.stdin.close().catch(() => {}), this.#output.stop(), this.#complaints.stop()]);
    return code;
  }

  /** Like {@linkcode Background.end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** Where programs run. */
export class Place {
  readonly #enter: readonly string[];

  /** @param enter What a command line begins with there. */
  constructor(enter: readonly string[] = []) {
    this.#enter = enter;
  }

  /** Runs a program there to its end. */
  execute(...command: readonly string[]): Promise<Result> {
    return execute([...this.#enter, ...command]);
  }

  /** Runs a program there that must go well; answers its standard output. */
  must(...command: readonly string[]): Promise<string> {
    return must(...this.#enter, ...command);
  }

  /** Asks servers that have to answer; one that doesn't within seconds is told as `timeout`, or by the errno's name. */
  async ask(targets: readonly Target[]): Promise<string[]> {
    return answers(await this.must(...clientCommand(targets, ANSWER)));
  }

  /** Asks servers that mustn't answer: soon told as `timeout`, or by the errno's name. */
  async askInVain(targets: readonly Target[]): Promise<string[]> {
    return answers(await this.must(...clientCommand(targets, SILENCE)));
  }

  /** Starts a server that answers with its name and its client's address, and waits until it listens. */
  serve(...args: Parameters<typeof serverCommand>): Promise<Background> {
    return new Background([...this.#enter, ...serverCommand(...args)]).ready();
  }
}

/**
 * Makes a place send what is for 127.0.0.1 to a neighbour: no honest host does that, and none must take it.
 *
 * @param link The link to the neighbour.
 */
export async function sneakToLoopback(place: Place, link: string, neighbour: string): Promise<void> {
  const lines = [
    `echo 1 >/proc/sys/net/ipv4/conf/${link}/route_localnet`,
    "ip addr del 127.0.0.1/8 dev lo",
    `ip route add 127.0.0.1 via ${neighbour} dev ${link}`,
  ];
  await place.must("sh", "-ec", lines.join("\n"));
}
