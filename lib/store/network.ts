/**
 * What is known of networks, and of who is on them.
 *
 * A network is a directory with its record, its ledger, and a file for each address that somebody has. All of it changes
 * under one lock, which nobody has for long.
 *
 * @module
 */
import { AT, E } from "../../ffi/abi/constants.ts";
import { type Descriptor, syscall } from "../../ffi/libc.ts";
import { stat } from "../../ffi/stat.ts";
import { NetworkError } from "../errors.ts";
import { isIPv4, isIPv6 } from "../spec/addresses.ts";
import { isNetworkName } from "../spec/networks.ts";
import { isName } from "../spec/options.ts";
import {
  bootId,
  checkPrivateDirectory,
  defaultRoot,
  errorOf,
  makePrivateDirectory,
  readState,
  unwritable,
  writeAtomically,
} from "./directory.ts";
import type { Family } from "./chains.ts";
import { BRIDGE } from "./link.ts";
import { exclusively, isFree } from "./lock.ts";

/** A network. */
export interface Network {
  readonly name: string;
  /** The name of its bridge: "libflux0". */
  readonly bridge: string;
  /** "10.87.0.0/24" */
  readonly subnet: string;
  /** The bridge's own address in it. */
  readonly gateway: string;
  /** "fd12:3456:789a::/64"; nothing where the network has no IPv6. */
  readonly ipv6Subnet?: string;
  readonly ipv6Gateway?: string;
  /** Whether there is no way out of it. */
  readonly internal: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Whether it goes with the last container that is on it. */
  readonly temporary: boolean;
  readonly bootId: string;
}

/** The versions of IP that a network has. */
export function familiesOf({ ipv6Subnet }: Pick<Network, "ipv6Subnet">): Family[] {
  return ipv6Subnet === undefined ? [4] : [4, 6];
}

/** An address on a network, and who has it. */
export interface Lease {
  /** The container's. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly address: string;
  readonly ipv6Address?: string;
  readonly macAddress: string;
  /** What the others find it by: its name, then its aliases. */
  readonly names: readonly string[];
  /** Whether its command runs, and the rules of its ports are set. */
  readonly isSettled?: boolean;
  /** The `/etc/hosts` that the others are written to. */
  readonly hosts?: HostsFile;
}

/** A file inside a container, told from any other that may be at its path. */
export interface HostsFile {
  /** PID 1 of the container. */
  readonly pid: number;
  readonly startTime: number;
  /** `st_dev` and `st_ino`. */
  readonly device: string;
  readonly inode: number;
}

/** Networks below one state root. */
export class Networks {
  /** @param root The state root. */
  constructor(readonly root: string) {}

  get #all(): string {
    return `${this.root}/networks`;
  }

  /** The directory of a network. */
  directory(name: string): string {
    return `${this.#all}/${name}`;
  }

  /** The file of a network's ledger. */
  ledger(name: string): string {
    return `${this.directory(name)}/ledger`;
  }

  /** Does something while nobody else changes networks or addresses. */
  exclusively<T>(body: () => Promise<T> | T): Promise<T> {
    makePrivateDirectory(this.root);
    makePrivateDirectory(this.#all);
    return exclusively(this.#lockFile, (lock) =>
      // Bridges and chains are numbered: two state roots may not choose the same.
      exclusively(namespaceLock(), async () => {
        this.#lock = lock;
        try {
          return await body();
        } finally {
          this.#lock = undefined;
        }
      }));
  }

  /** Whether nobody changes any just now. */
  get isIdle(): boolean {
    return isFree(this.#lockFile) && isFree(namespaceLock());
  }

  get #lockFile(): string {
    return `${this.#all}/.lock`;
  }

  /** What nobody else has meanwhile; nothing at other times. */
  get lock(): Descriptor | undefined {
    return this.#lock;
  }
  #lock: Descriptor | undefined;

  /** The names that have a directory, sorted. */
  names(): string[] {
    if (!checkPrivateDirectory(this.root) || !checkPrivateDirectory(this.#all)) return [];
    return directories(this.#all).filter(isNetworkName).sort();
  }

  /** What is known of a network; nothing where there is none. */
  read(name: string): Network | undefined {
    const network = parseNetwork(readState(`${this.directory(name)}/network.json`));
    return network?.name === name ? network : undefined;
  }

  /** Makes room for a network that isn't there yet: for its ledger, to begin with. */
  prepare(name: string): void {
    for (const path of [this.directory(name), `${this.directory(name)}/leases`]) makePrivateDirectory(path);
    writeAtomically(`${this.directory(name)}/namespace`, ownNamespace());
  }

  /**
   * Whether a network is in another network namespace than this process, where nothing of it is seen, nor can be changed:
   * of whoever shares a state root with `ip netns exec`.
   */
  isElsewhere(name: string): boolean {
    const found = readState(`${this.directory(name)}/namespace`);
    // That of another boot is gone.
    return found?.startsWith(bootId()) === true && found !== ownNamespace();
  }

  /** Throws a {@link NetworkError} where a network is in another network namespace. */
  checkHere(name: string): void {
    if (!this.isElsewhere(name)) return;
    throw new NetworkError(`the network ${name} is in another network namespace than this process`, {
      hint: `run it there, or use another --root; if that namespace is gone, remove ${this.directory(name)}`,
    });
  }

  /** Writes what is known of a network. */
  write(network: Network): void {
    writeAtomically(`${this.directory(network.name)}/network.json`, JSON.stringify(network));
  }

  /** Forgets what a network is like, so that nobody goes there any more. */
  forgetRecord(name: string): void {
    unlink(`${this.directory(name)}/network.json`);
  }

  /** Forgets a network, of which nothing is left. */
  forget(name: string): void {
    const directory = this.directory(name);
    for (const address of this.addresses(name)) unlink(`${directory}/leases/${address}`);
    // Some of them only where somebody was killed while they were written.
    for (const file of ["network.json", "ledger", "lease.new", "namespace"]) {
      for (const path of [file, `${file}.new`]) unlink(`${directory}/${path}`);
    }
    syscall("unlinkat", AT.AT_FDCWD, `${directory}/leases`, AT.AT_REMOVEDIR);
    syscall("unlinkat", AT.AT_FDCWD, directory, AT.AT_REMOVEDIR);
  }

  /** The addresses that somebody has. */
  addresses(name: string): string[] {
    return files(`${this.directory(name)}/leases`).filter(isIPv4);
  }

  /** Who is on a network. */
  leases(name: string): Lease[] {
    return this.addresses(name).flatMap((address) => this.lease(name, address) ?? []);
  }

  /** Who has an address; nothing where nobody has. */
  lease(name: string, address: string): Lease | undefined {
    return parseLease(readState(`${this.directory(name)}/leases/${address}`), address);
  }

  /** Writes who has an address. */
  writeLease(name: string, lease: Lease): void {
    const path = `${this.directory(name)}/leases/${lease.address}`;
    // Beside the directory that tells which there are.
    const partial = `${this.directory(name)}/lease.new`;
    writeAtomically(partial, JSON.stringify(lease));
    const renamed = syscall("renameat2", AT.AT_FDCWD, partial, AT.AT_FDCWD, path, 0);
    if (renamed < 0) throw unwritable(path, -renamed);
  }

  /** Takes an address back from whoever has this id. */
  removeLease(name: string, address: string, id: string): void {
    const lease = this.lease(name, address);
    if (lease === undefined || lease.id === id) unlink(`${this.directory(name)}/leases/${address}`);
  }
}

function namespaceInode(): string {
  const found = stat("/proc/self/ns/net");
  return typeof found === "number" ? "" : String(found.inode);
}

/** What tells this process's network namespace from all others of this boot. */
function ownNamespace(): string {
  return `${bootId()} ${namespaceInode()}`;
}

/** The lock of all state roots that are used in this network namespace. The namespace itself anybody could lock. */
function namespaceLock(): string {
  const directory = defaultRoot();
  makePrivateDirectory(directory);
  return `${directory}/.networks-${namespaceInode()}.lock`;
}

function unlink(path: string): void {
  const removed = syscall("unlinkat", AT.AT_FDCWD, path, 0);
  if (removed < 0 && removed !== -E.ENOENT && removed !== -E.ENOTDIR) throw unwritable(path, -removed);
}

/** What is in a directory; nothing where there is none. Throws where that can't be told: others' networks may be there. */
const entries = (path: string): Deno.DirEntry[] => {
  try {
    return Array.from(Deno.readDirSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw errorOf(error, path);
  }
};
const files = (path: string): string[] => entries(path).filter(({ isFile }) => isFile).map(({ name }) => name);
const directories = (path: string): string[] =>
  entries(path).filter(({ isDirectory }) => isDirectory).map(({ name }) => name);

function parse(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

const isText = (value: unknown, isRight: (text: string) => boolean): value is string =>
  typeof value === "string" && isRight(value);
const isSubnet = (isFamily: (text: string) => boolean, bits: number) => (text: string): boolean => {
  const [, address = "", prefix = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  return isFamily(address) && Number(prefix) <= bits;
};
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0;

/** Reads a network's record as what it is: a file that somebody else may have written. */
export function parseNetwork(text: string | undefined): Network | undefined {
  const found = parse(text);
  if (found === undefined) return undefined;
  const { name, bridge, subnet, gateway, ipv6Subnet, ipv6Gateway, internal, mtu, created, temporary } = found;
  const isRight = isText(name, isNetworkName) && isText(bridge, (one) => BRIDGE.test(one)) &&
    isText(subnet, isSubnet(isIPv4, 32)) && isText(gateway, isIPv4) && typeof internal === "boolean" &&
    (ipv6Subnet === undefined
      ? ipv6Gateway === undefined
      : isText(ipv6Subnet, isSubnet(isIPv6, 128)) && isText(ipv6Gateway, isIPv6)) &&
    typeof temporary === "boolean" && isCount(mtu) && Number(mtu) <= 65_535 &&
    isText(created, (one) => !Number.isNaN(Date.parse(one)));
  // Its link is gone after a reboot.
  return isRight && found.bootId === bootId() ? found as unknown as Network : undefined;
}

/** Reads a lease likewise. */
export function parseLease(text: string | undefined, address: string): Lease | undefined {
  const found = parse(text);
  if (found === undefined || found.address !== address) return undefined;
  const { name, id, ipv6Address, macAddress, names, isSettled, hosts } = found;
  const file = hosts as Record<string, unknown> | null | undefined;
  const isRight = isText(name, isName) && isText(id, (one) => /^[0-9a-f]{64}$/.test(one)) &&
    isText(macAddress, (one) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(one)) &&
    (ipv6Address === undefined || isText(ipv6Address, isIPv6)) &&
    Array.isArray(names) && names.every((one) => isText(one, (word) => /^[A-Za-z0-9_.+-]+$/.test(word))) &&
    (isSettled === undefined || typeof isSettled === "boolean") &&
    (file === undefined ||
      typeof file === "object" && file !== null && isCount(file.pid) && isCount(file.startTime) &&
        isCount(file.inode) &&
        typeof file.device === "string");
  return isRight ? found as unknown as Lease : undefined;
}
