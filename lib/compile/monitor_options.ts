/**
 * What a monitor is told, and what it finds open.
 *
 * @module
 */
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import type { Daemon } from "../logs/daemon.ts";
import type { HealthCheck } from "../spec/health.ts";
import type { Log } from "../spec/log_options.ts";

/** The descriptors that a monitor finds open, besides its three streams, which are nothing. */
export const MONITOR = {
  /** Where the interpreter reports a failed instruction. */
  report: 3,
  /** A socket to libflux, until that has done its part: the pid goes out, {@link MonitorWord} comes in. */
  talk: 4,
  /** Who has it open has the container's name. */
  lock: 5,
  /** The container's directory below the state root. */
  directory: 6,
  /** The directory of its log. */
  logs: 7,
  /** The log. */
  log: 8,
  /** What the command writes: the other end of its standard output, or its terminal. */
  stdout: 9,
  /** The other end of its standard error. */
  stderr: 10,
  /** Where a reaping init writes the command's raw wait status. */
  status: 11,
  /** Open as long as a reaping init is to run. */
  lifeline: 12,
  /** A listening socket: who connects is given {@link MONITOR.input}. */
  attach: 13,
  /** The other end of the command's standard input, or its terminal. */
  input: 14,
  /** A socket from which the terminal comes. */
  console: 15,
  /** libflux itself. */
  program: 16,
  /** One byte that lets PID 1 begin. */
  gate: 17,
  /** The launch program of PID 1. */
  image: 18,
  /** The cgroup that it, and every health check, is born in. */
  cgroup: 19,
  /** The launch program of a health check. */
  health: 20,
  /** A socket on which the kernel says which process a health check's command is, */
  announce: 21,
  /** and its other end. */
  announced: 22,
  /** A socket for the daemon that gets the log too. */
  daemon: 23,
  /** From here on: what is PID 1's; and then what is only to be held. */
  more: 24,
} as const;

/** What libflux tells a monitor. */
export const MonitorWord = {
  /** Its part is done: the container is the monitor's from now on. */
  go: 1,
  /** The launch has failed, and libflux cleans up itself. */
  stop: 2,
} as const;

/** What a monitor is told beforehand. */
export interface MonitorOptions {
  readonly architecture: Architecture;
  /** `CLONE_*` for PID 1. */
  readonly flags: number;
  /** Whether PID 1 is born in {@link MONITOR.cgroup}. */
  readonly hasCgroup: boolean;
  /** `[here, in PID 1]`; none of the first is also one of the second. */
  readonly descriptors: readonly (readonly [number, number])[];
  /** As `SpawnOptions` has it. */
  readonly keepCapabilities: number;
  /** Whether PID 1 reaps and reports. */
  readonly init: boolean;
  readonly terminal: boolean;
  /** Whether somebody may still write when PID 1 has ended. */
  readonly sharesPids: boolean;
  /** What is run in the container again and again. */
  readonly health?: Required<HealthCheck>;
  /** The file that says whether the container is held, and the byte that it begins with then. */
  readonly freezer?: { readonly path: string; readonly held: number };
  readonly log: Pick<Log, "maxSize" | "maxFile">;
  /** What gets the log too. */
  readonly daemon?: Daemon;
  /** What to execute at the end, and with which environment. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
}
