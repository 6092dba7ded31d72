/**
 * Connecting a container in user mode: `pasta` takes its packets off a tap, and asks the host for sockets as any program
 * does. The host gets no link, address, rule or setting.
 *
 * As root it stays root, since only its CAP_SYS_ADMIN can enter a namespace of root's. It gives up all else but
 * CAP_NET_BIND_SERVICE, sees an empty directory for a filesystem, and is held by its own seccomp filter.
 *
 * @module
 */
import { AT, CLONE, O, or, SIG } from "../../ffi/abi/constants.ts";
import { sharePort } from "../../ffi/inet.ts";
import type { Descriptor } from "../../ffi/libc.ts";
import type { NetworkNamespace } from "../../ffi/network_namespace.ts";
import type { Operand, ProgramBuilder, Slot } from "../../ffi/program.ts";
import { Service } from "../../ffi/service.ts";
import { errnoText, NetworkError, printable } from "../errors.ts";
import type { RunOptions } from "../spec/options.ts";
import type { PublishedPort } from "../spec/ports.ts";
import type { Family } from "../store/chains.ts";
import { readIfThere } from "../store/directory.ts";
import { startTime } from "../store/process.ts";
import { findProgram } from "../store/programs.ts";
import type { Claim } from "../store/claim.ts";
import type { Store } from "../store/state.ts";
import { warn } from "../warnings.ts";
import type { Connection } from "./connection.ts";
import { type HeldPorts, holdPorts } from "./publish.ts";

/** Milliseconds that it may take until packets get through; usually it is a few. */
const PATIENCE = 10_000;
/** What the hint of a missing one says. */
export const PASTA_HINT = "install what Debian calls passt";

/** Where this host has pasta. */
export function findPasta(): string | undefined {
  return findProgram("pasta");
}

/**
 * How it is told of ports: runs of one address and protocol together. Pure.
 *
 * @throws {NetworkError} One port of the host at two of its addresses, which pasta has no way to say.
 */
export function portArguments(ports: readonly PublishedPort[]): string[] {
  return (["tcp", "udp"] as const).flatMap((protocol) => {
    const flag = protocol === "tcp" ? "-t" : "-u";
    const own = ports.filter((one) => one.protocol === protocol);
    const twice = own.find(({ hostPort }, index) => own.findIndex((one) => one.hostPort === hostPort) < index);
    if (twice !== undefined) {
      throw new NetworkError(`pasta can't publish the port ${twice.hostPort}/${protocol} at two addresses`, {
        hint: "leave the addresses out, or use another port for one of them",
      });
    }
    return own.length === 0 ? [flag, "none"] : runsOf(own).flatMap((run) => [flag, specification(run)]);
  });
}

/** Ports that follow each other on both sides. */
function runsOf(ports: readonly PublishedPort[]): readonly (readonly PublishedPort[])[] {
  const runs: PublishedPort[][] = [];
  for (const port of ports) {
    const last = runs.at(-1)?.at(-1);
    const follows = last !== undefined && last.hostAddress === port.hostAddress &&
      last.hostPort + 1 === port.hostPort && last.containerPort + 1 === port.containerPort;
    if (follows) runs.at(-1)?.push(port);
    else runs.push([port]);
  }
  return runs;
}

/** "8080:80", "127.0.0.1/8000-8009:80-89" */
function specification(run: readonly PublishedPort[]): string {
  const range = (field: "hostPort" | "containerPort"): string =>
    [...new Set([run[0]?.[field], run.at(-1)?.[field]])].join("-");
  const address = run[0]?.hostAddress;
  return `${address === undefined ? "" : `${address}/`}${range("hostPort")}:${range("containerPort")}`;
}

/** All that it is told. The namespace is its standard input, and it says its pid on its standard output when it is ready. */
export function pastaArguments(ports: readonly PublishedPort[]): string[] {
  return [
    ...["--foreground", "--quiet", "--config-net", "--ns-ifname", "eth0"],
    // The host's loopback is nobody else's: not behind the gateway's address, nor by its ports inside.
    ...["--no-map-gw", "-T", "none", "-U", "none"],
    ...portArguments(ports),
    // By descriptors: root without CAP_SYS_PTRACE may not look into the container, and nothing is left on a disk.
    ...["--runas", "0", "--pid", "/proc/self/fd/1", "--netns-only", "--netns", "/proc/self/fd/0"],
  ];
}

/**
 * Lets the addresses of IPv6 that it sets be used at once, where this kernel has that. Besides, pasta of 2023 takes the "::"
 * from which a kernel asks whether somebody has its address for the container's, and sends connections there.
 */
function acceptAddresses(b: ProgramBuilder): void {
  for (const which of ["all", "default"]) {
    const setting = open(b, `/proc/sys/net/ipv6/conf/${which}/accept_dad`, "O_WRONLY", true);
    b.syscall("write", [setting, b.string("0"), 1], { label: "look for no duplicates of addresses", optional: true });
  }
}

function open(b: ProgramBuilder, path: string, flags: "O_RDONLY" | "O_WRONLY", optional: boolean): Slot {
  return b.call("openat", [AT.AT_FDCWD, b.string(path), or(O, flags, "O_CLOEXEC"), 0], "file", {
    label: `open ${path}`,
    path,
    optional,
  });
}

const enter = (b: ProgramBuilder, namespace: Operand): void =>
  b.syscall("setns", [namespace, or(CLONE, "CLONE_NEWNET")], { label: "change the network namespace" });

/** Of root's: goes there, and comes back, since pasta takes the network of who starts it for the host's. */
function prepareAsRoot(b: ProgramBuilder): void {
  const home = open(b, "/proc/self/ns/net", "O_RDONLY", false);
  enter(b, 0);
  acceptAddresses(b);
  enter(b, home);
}

/**
 * Of an ordinary user's: only root of the container's user namespace may enter its network, and from there nobody comes
 * back. So a child of its own goes there; and pasta is that root, in the host's network.
 */
function prepareAsUser(b: ProgramBuilder): void {
  const become = (): void =>
    b.syscall("setns", [Service.MORE, or(CLONE, "CLONE_NEWUSER")], { label: "enter the container's user namespace" });
  const parent = b.target();
  // CLONE_VM|CLONE_VFORK|SIGCHLD: nothing is copied, and the parent goes on when it has ended.
  const child = b.call("clone", [0x4100 | SIG.SIGCHLD, 0, 0, 0, 0], "child", { label: "make a process" });
  b.branch(child, "!=", 0, parent, "in the parent, go on below");
  become();
  enter(b, 0);
  acceptAddresses(b);
  b.exit(0, "end");
  b.place(parent);
  b.syscall("wait4", [child, 0, 0, 0], { label: "wait for it" });
  // It opens that again, as who may be somebody else by then.
  b.syscall("fchmod", [1, 0o666], { label: "let every user write to its output" });
  become();
  b.syscall("setresgid", [0, 0, 0], { label: "become group 0" });
  b.syscall("setresuid", [0, 0, 0], { label: "become user 0" });
}

/** What it says beside the reason, whether it fails or not. */
const NOISE =
  /^(Failed to send \d+ bytes to syslog|Don't run as root.*|No external routable interface for IPv[46]|\d+|)$/;

/** Why it has failed, by what it has said. Pure. */
export function reasonOf(output: string): NetworkError {
  const lines = output.split("\n").map((line) => line.replace(/^\d+\.\d+: /, "").trim());
  const says = lines.find((line) => !NOISE.test(line)) ?? lines.find((line) => line !== "") ?? "it said nothing";
  const hint = /^(External interface not usable|No routable interface)/.test(says)
    ? "it connects containers by the host's default route, and there is none: 'ip route' lists them"
    : says.startsWith("Failed to bind")
    ? "somebody has just taken the port: use another, or try again"
    : undefined;
  return new NetworkError(
    `pasta could not connect the container: ${printable(says.replace(/, exiting$/, "")).slice(0, 300)}`,
    { step: "connect the container by pasta", ...(hint === undefined ? {} : { hint }) },
  );
}

/** What a container asks of pasta. */
interface PastaOptions {
  /** Whether the container is to fail where it turns out later that it can't be connected. */
  readonly required: boolean;
  /** Whether pasta stays when libflux has gone: then it ends by the container's ledger. */
  readonly isDetached: boolean;
}

/** A container's pasta. */
class PastaConnection implements Connection {
  readonly #path: string;
  readonly #held: HeldPorts;
  readonly #claim: Claim;
  readonly #required: boolean;
  readonly #isDetached: boolean;
  #service: Service | undefined;

  constructor(path: string, held: HeldPorts, claim: Claim, { required, isDetached }: PastaOptions) {
    [this.#path, this.#held, this.#claim] = [path, held, claim];
    [this.#required, this.#isDetached] = [required, isDetached];
  }

  /** pasta holds the ports itself. */
  get held(): readonly Descriptor[] {
    return [];
  }

  get ports(): readonly PublishedPort[] {
    return this.#held.ports;
  }

  get shown(): Connection["shown"] {
    return this.ports.length === 0 ? {} : { ports: this.ports };
  }

  async attach({ namespace, owner }: NetworkNamespace): Promise<void> {
    const prepare = owner === undefined ? prepareAsRoot : prepareAsUser;
    const service = new Service(this.#path, pastaArguments(this.ports), namespace, {
      prepare,
      ...(owner === undefined ? {} : { more: owner }),
      outlives: this.#isDetached,
    });
    this.#service = service;
    this.#claim.ledger.add({ kind: "process", pid: service.pid, startTime: startTime(service.pid) ?? 0 });
    // Not closed yet: nobody else shall have them before it does. Besides, the container's process may still have copies,
    // since it was only just cloned.
    this.#held.sockets.forEach(sharePort);
    service.release();
    // Its pid, when it has done everything.
    const isReady = await service.says(/^\d+\n/m, PATIENCE);
    this.#held[Symbol.dispose]();
    if (isReady) {
      return this.#isDetached ? service.leave() : void this.#watch(service.ended).catch(() => {});
    }
    await service[Symbol.asyncDispose]();
    const error = service.errno > 0
      ? new NetworkError(
        `${service.step === undefined ? `${this.#path} can't be executed` : `pasta could not ${service.step}`}: ${
          errnoText(service.errno)
        }`,
        { errno: service.errno },
      )
      : reasonOf(service.output);
    if (this.#required) throw error;
    warn(`the container has no network beyond lo, since ${error.message}; --network none says so in advance`);
  }

  /** Killed it was by libflux, when the container had ended. */
  async #watch(ended: Service["ended"]): Promise<void> {
    const { code, signal } = await ended;
    if (signal === "SIGKILL") return;
    warn(`the container ${this.#claim.name} has lost its network: pasta has ended with ${signal ?? code}`);
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held[Symbol.dispose]();
    await this.#service?.[Symbol.asyncDispose]();
  }
}

/** The versions of IP that this kernel has. */
function families(): readonly Family[] {
  return readIfThere("/proc/net/if_inet6") === undefined ? [4] : [4, 6];
}

/**
 * Sees that a container can be connected by pasta, and holds its ports until that has them.
 *
 * @throws {NetworkError} There is no pasta here, or a port isn't to be had.
 */
export async function connectByPasta(
  store: Store,
  claim: Claim,
  { ports = [] }: RunOptions,
  how: PastaOptions,
): Promise<Connection> {
  const path = findPasta();
  if (path === undefined) throw new NetworkError("there is no pasta on this host", { hint: PASTA_HINT });
  const held = await holdPorts(ports, families(), store);
  try {
    portArguments(held.ports);
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
  return new PastaConnection(path, held, claim, how);
}
