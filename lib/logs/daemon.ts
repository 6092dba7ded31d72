/**
 * The daemons of a host that take logs: systemd's journal and syslog. What goes there goes into the log's file as well, so
 * that `libflux logs` has it too.
 *
 * @module
 */
import { E, SOCKET } from "../../ffi/abi/constants.ts";
import { checked, Descriptor, syscall } from "../../ffi/libc.ts";
import { errnoText, LaunchError } from "../errors.ts";
import type { Log } from "../spec/log_options.ts";

const AF_UNIX = 1;
/** `struct sockaddr_un` without its path. */
const FAMILY_SIZE = 2;
/** With it. */
const ADDRESS_SIZE = 110;

/** Drivers that send to a daemon. */
export type DaemonDriver = Exclude<Log["driver"], "file" | "none">;

/** A daemon, and whose lines it gets. */
export interface Daemon {
  readonly driver: DaemonDriver;
  /** Its socket. */
  readonly path: string;
  /** The container's name. */
  readonly name: string;
  /** The container's 64 hexadecimal digits. */
  readonly id: string;
}

/** Where they listen: `systemd-journald.service(8)`, `syslog(3)`. */
const PATHS: Readonly<Record<DaemonDriver, string>> = {
  journald: "/run/systemd/journal/socket",
  syslog: "/dev/log",
};

/** The daemon that a log goes to; nothing where it goes to a file only. */
export function daemonOf(
  { driver }: Pick<Log, "driver">,
  { name, id }: Pick<Daemon, "name" | "id">,
): Daemon | undefined {
  return driver === "file" || driver === "none" ? undefined : { driver, path: PATHS[driver], name, id };
}

/** `struct sockaddr_un` of a path. */
export function socketAddress(path: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(path);
  if (FAMILY_SIZE + text.length >= ADDRESS_SIZE) throw new TypeError(`${path} is too long for a socket's path`);
  const bytes = new Uint8Array(FAMILY_SIZE + text.length + 1);
  bytes[0] = AF_UNIX;
  bytes.set(text, FAMILY_SIZE);
  return bytes;
}

/**
 * Opens a socket to send to a daemon with.
 *
 * @param mustListen Whether to throw a `LaunchError` where nobody listens.
 */
export function openDaemon({ driver, path }: Daemon, mustListen = true): Descriptor {
  const address = socketAddress(path);
  using opened = new DisposableStack();
  const socket = opened.use(new Descriptor(checked("socket", AF_UNIX, SOCKET.SOCK_DGRAM | SOCKET.SOCK_CLOEXEC, 0)));
  const connected = syscall("connect", socket.number, address, address.length);
  if (connected < 0 && mustListen) {
    const what = driver === "journald" ? "the journal" : "syslog";
    const why = connected === -E.ENOENT || connected === -E.ECONNREFUSED
      ? `nobody listens at ${path}`
      : `${path} can't be opened: ${errnoText(-connected)}`;
    throw new LaunchError(`${what} can't be logged to: ${why}`, {
      step: "open the log",
      path,
      errno: -connected,
      hint: "is the daemon running? --log-driver file needs none",
    });
  }
  opened.move();
  return socket;
}
