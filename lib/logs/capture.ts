/**
 * A container's output, captured: a pump between the command and whoever called libflux, and the record of what it was.
 *
 * @module
 */
import { E, F, O, POLL } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, checked, Descriptor, pipe, SyscallError, syscallInBackground } from "../../ffi/libc.ts";
import { type Child, executable, spawn } from "../../ffi/spawn.ts";
import { errnoText, FluxError, PermissionError } from "../errors.ts";
import type { ContainerRecord, History } from "../store/history.ts";
import { warn } from "../warnings.ts";
import { type Daemon, daemonOf, openDaemon } from "./daemon.ts";
import { openLog } from "./files.ts";
import { PUMP, pumpImage, type PumpOptions } from "./pump.ts";

/** A stream that is captured. */
interface Captured {
  readonly stream: "stdout" | "stderr";
  readonly source: Descriptor;
  /** Ours to close where it is a descriptor. */
  readonly tee: Descriptor | number | undefined;
}

/** How a container ended. */
type End = Required<Pick<ContainerRecord, "code">> & Pick<ContainerRecord, "signal" | "outOfMemory">;

const images = new Map<string, Uint8Array<ArrayBuffer>>();

/** Seconds that a reader may take for what is left when the container has ended. */
const PATIENCE = 2n;

/** Made once for all containers of a process that are captured alike. */
function imageFor(options: PumpOptions): Uint8Array<ArrayBuffer> {
  // A daemon is told of each by its name.
  if (options.daemon !== undefined) return pumpImage(options);
  const key = JSON.stringify(options);
  let image = images.get(key);
  if (image === undefined) images.set(key, image = pumpImage(options));
  return image;
}

/** The output of one container. */
export class Capture {
  readonly #captured: Captured[] = [];
  #pump: Child | undefined;
  #begun = false;
  #daemon: { readonly daemon: Daemon; readonly socket: Descriptor } | undefined;
  #tap: Descriptor | undefined;

  /**
   * Opens the daemon that is to have the log too. Throws a `LaunchError` where there is none.
   *
   * @param record What is known of the container before it runs.
   * @param trim Removes old ones, where there are too many by now; to be called when the name is free again.
   */
  constructor(
    readonly history: History,
    readonly record: ContainerRecord,
    readonly trim: () => Promise<unknown>,
  ) {
    const daemon = daemonOf(record.log, record);
    if (daemon !== undefined) this.#daemon = { daemon, socket: openDaemon(daemon) };
  }

  /**
   * Lays a stream; answers what the command is to write to.
   *
   * @param tee Who gets it as well: a descriptor is closed when the pump has it, a number is the caller's.
   */
  lay(stream: "stdout" | "stderr", tee?: Descriptor | number): Descriptor {
    const { read, write } = pipe();
    this.#captured.push({ stream, source: read, tee });
    return write;
  }

  /** What is to be written to that a terminal shows; doesn't block. */
  tap(): Descriptor {
    if (this.#tap !== undefined) return this.#tap;
    const tap = this.lay("stdout");
    checked("fcntl", tap.number, F.F_SETFL, O.O_NONBLOCK | O.O_WRONLY);
    return this.#tap = tap;
  }

  /** Begins the log. To be called once, by who has the name, when all streams have been laid. */
  start(): void {
    const { name, log } = this.record;
    this.#begun = true;
    using opened = new DisposableStack();
    const [directory, file] = this.#begin();
    opened.use(directory);
    opened.use(file);
    const report = pipe();
    using reading = report.read;
    using writing = report.write;
    const streams = this.#captured.map(({ stream, tee }) => ({ stream, hasTee: tee !== undefined }));
    const { maxSize, maxFile } = log;
    using image = executable(imageFor({
      ...{ architecture: ARCHITECTURE, log: { maxSize, maxFile }, streams },
      ...(this.#daemon === undefined ? {} : { daemon: this.#daemon.daemon }),
    }));
    this.#pump = spawn({
      executable: image,
      argv: ["libflux-pump", name],
      flags: 0,
      report: writing.number,
      descriptors: [
        [writing.number, PUMP.report],
        [directory.number, PUMP.directory],
        [file.number, PUMP.file],
        ...(this.#daemon === undefined ? [] : [[this.#daemon.socket.number, PUMP.socket] as const]),
        ...this.#captured.flatMap(({ stream, source, tee }): [number, number][] => [
          [source.number, PUMP[stream].source],
          ...(tee === undefined ? [] : [[typeof tee === "number" ? tee : tee.number, PUMP[stream].tee]] as [
            number,
            number,
          ][]),
        ]),
      ],
    });
    reading.close();
    this.#giveUp();
  }

  #begin(): [Descriptor, Descriptor] {
    try {
      using opened = new DisposableStack();
      const directory = opened.use(this.history.begin(this.record));
      const file = openLog(directory);
      opened.move();
      return [directory, file];
    } catch (error) {
      if (!(error instanceof FluxError || error instanceof SyscallError)) throw error;
      const why = error instanceof FluxError ? error.message : errnoText(error.errno);
      throw new PermissionError(`what ${this.record.name} writes can't be logged: ${why}`, {
        ...(error.path === undefined ? {} : { path: error.path }),
        ...(error.errno === undefined ? {} : { errno: error.errno }),
        hint: "--log-driver none logs nothing",
        cause: error,
      });
    }
  }

  /**
   * Waits until all that the command wrote has been logged and passed on; not for ever, where nobody takes it: what the pump
   * still has goes on without anybody.
   */
  async ended(): Promise<void> {
    this.#giveUp();
    this.#tap?.close();
    const pump = this.#pump;
    if (pump === undefined) return;
    if (!await this.#ends(pump)) return void pump.wait().then(() => pump[Symbol.dispose]());
    const { code, signal } = await pump.wait();
    pump[Symbol.dispose]();
    if (code === 0) return;
    const why = signal === undefined ? `it failed with code ${code}` : `it was killed by ${signal}`;
    warn(`the output of ${this.record.name} wasn't passed on to its end: ${why}, the process that did so`);
  }

  /** Waits for the end of the pump, with bounded patience. */
  async #ends({ pidfd }: Child): Promise<boolean> {
    const polled = new Uint8Array(8);
    const view = new DataView(polled.buffer);
    view.setInt32(0, pidfd.number, true);
    view.setInt16(4, POLL.POLLIN, true);
    const timeout = new Uint8Array(new BigInt64Array([PATIENCE, 0n]).buffer);
    for (;;) {
      // Not a timer of Deno's: the first takes 5 ms to load.
      const result = await syscallInBackground("ppoll", polled, 1, timeout, 0, 8);
      if (result !== -E.EINTR) return result !== 0;
    }
  }

  /** The command runs: what was kept of an earlier container of its name goes. */
  keep(): void {
    this.history.keep(this.record.name);
  }

  /** Writes down how the container ended. */
  finish(
    { code, signal, outOfMemory }: End,
    { started, finished }: { readonly started: Date; readonly finished: Date },
  ): void {
    const { history, record } = this;
    try {
      if (record.remove) return history.remove(record.name);
      history.write({
        ...record,
        ...{ started: started.toISOString(), finished: finished.toISOString(), code },
        ...(signal === undefined ? {} : { signal }),
        ...(outOfMemory === undefined ? {} : { outOfMemory }),
      });
    } catch (error) {
      // It has ended like that all the same, and who asks for its status is told.
      if (!(error instanceof FluxError || error instanceof SyscallError)) throw error;
      warn(`how ${record.name} ended can't be written down: ${error.message}`);
    }
  }

  /** Forgets a container that never ran. */
  async discard(): Promise<void> {
    await this.ended();
    if (!this.#begun) return;
    try {
      this.history.giveBack(this.record.name);
    } catch (error) {
      // Why it never ran is what is to be told.
      warn(`the log of ${this.record.name} can't be removed: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Closes what the pump has copies of. */
  #giveUp(): void {
    this.#daemon?.socket.close();
    for (const { source, tee } of this.#captured) {
      source.close();
      if (tee instanceof Descriptor) tee.close();
    }
  }
}
