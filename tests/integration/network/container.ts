/**
 * Containers as places of the lab.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DEBIAN, LIBFLUX, libflux, uniqueName } from "../support.ts";
import { clientCommand, serverCommand } from "./echo.ts";
import { Background, must, Place } from "./place.ts";

/** A published port, as `libflux ps --format json` has it. */
export interface Port {
  readonly hostAddress?: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
}

/** A container, as far as `libflux ps --format json` tells of its network. */
export interface Info {
  readonly name: string;
  readonly pid: number;
  readonly address?: string;
  readonly ports?: readonly Port[];
}

/** What `libflux ps` tells of a container. */
export async function info(name: string): Promise<Info> {
  const { code, stdout, stderr } = await libflux(["ps", "--format", "json"]);
  assertEquals([code, stderr], [0, ""]);
  const all: readonly Info[] = JSON.parse(stdout);
  const found = all.find((one) => one.name === name);
  assert(found !== undefined, `${name} isn't in ${stdout}`);
  return found;
}

/** A link, as `ip -j` tells of it. */
interface Link {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly addr_info: readonly { readonly family: string; readonly scope: string; readonly local: string }[];
}

/** A container that runs. */
export class Container extends Place implements AsyncDisposable {
  readonly name: string;
  /** PID 1 of it. */
  readonly pid: number;
  /** Its links. */
  readonly links: readonly Link[];
  /** Its addresses beside those of `lo`: IPv4, and IPv6 if it has one. */
  readonly addresses: readonly string[];
  /** Its network alone: there the host's programs run. */
  readonly network: Place;
  readonly #libflux: Background;

  private constructor(name: string, pid: number, links: readonly Link[], process: Background) {
    super(["nsenter", "--target", String(pid), "--net", "--mount"]);
    [this.name, this.pid, this.links, this.#libflux] = [name, pid, links, process];
    this.network = new Place(["nsenter", `--net=/proc/${pid}/ns/net`]);
    this.addresses = links.flatMap(({ addr_info }) =>
      addr_info.filter(({ scope }) => scope === "global").map(({ local }) => local)
    ).sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
  }

  /** Starts one whose command says "ready", and waits for that. */
  static async start(flags: readonly string[], command: readonly string[], name = uniqueName()): Promise<Container> {
    const child = new Background([LIBFLUX, "run", name, "--image", DEBIAN, "--no-tty", ...flags, "--", ...command]);
    await child.ready();
    try {
      const { pid } = await info(name);
      const links = JSON.parse(await must("nsenter", `--net=/proc/${pid}/ns/net`, "ip", "-j", "addr"));
      return new Container(name, pid, links, child);
    } catch (error) {
      await child.end();
      throw error;
    }
  }

  /** Its address of a family; fails where it has none. */
  address(family: 4 | 6 = 4): string {
    const found = this.addresses.find((address) => address.includes(":") === (family === 6));
    assert(found !== undefined, `${this.name} has only ${this.addresses}`);
    return found;
  }

  /** Where its default route leads, for each family it has one for. */
  async gateways(): Promise<string[]> {
    const found: string[] = [];
    for (const family of ["-4", "-6"]) {
      const routes: readonly { readonly gateway?: string }[] = JSON.parse(
        await this.network.must("ip", "-j", family, "route", "show", "default"),
      );
      found.push(...routes.flatMap(({ gateway }) => gateway ?? []));
    }
    return found;
  }

  /** The lines of a file in it, as words. */
  async file(path: string): Promise<string[][]> {
    return (await this.must("cat", path)).trimEnd().split("\n").map((line) => line.split(/\s+/));
  }

  /** The addresses that its `/etc/hosts` has for a name. */
  async addressesOf(name: string): Promise<string[]> {
    return (await this.file("/etc/hosts")).filter((words) => words.slice(1).includes(name)).map(([first = ""]) =>
      first
    );
  }

  /** Ends libflux, or with "none" waits until it has ended, and answers its exit code. */
  end(signal?: Deno.Signal | "none"): Promise<number> {
    return this.#libflux.end(signal);
  }

  /** Like {@linkcode Container.end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** Starts a container with a server that answers with the container's name and its client's address. */
export function serve(
  flags: readonly string[],
  ports: readonly (number | string)[] = [80],
  name = uniqueName(),
): Promise<Container> {
  return Container.start(flags, serverCommand(name, ports), name);
}

/** A network, as `libflux network inspect` tells of it. */
export interface NetworkInfo {
  readonly name: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly gateway: string;
  readonly ipv6Subnet?: string;
  readonly ipv6Gateway?: string;
  readonly internal: boolean;
  readonly mtu: number;
  readonly created: string;
  readonly containers: readonly {
    readonly name: string;
    readonly id: string;
    readonly address: string;
    readonly ipv6Address?: string;
    readonly macAddress: string;
    readonly aliases: readonly string[];
    readonly ports: readonly Port[];
  }[];
}

/** What `libflux network inspect` tells of networks. */
export async function inspect(...names: readonly [string, ...string[]]): Promise<[NetworkInfo, ...NetworkInfo[]]> {
  return JSON.parse(await command("network", "inspect", ...names));
}

/** A network of a name that no other test uses, as long as the variable lasts. */
export async function createNetwork(...flags: readonly string[]): Promise<AsyncDisposable & { readonly name: string }> {
  const name = uniqueName();
  await command("network", "create", name, ...flags);
  return { name, [Symbol.asyncDispose]: async () => void await command("network", "rm", name) };
}

/** Runs a client in a container of its own; answers what it was told. */
export async function askFrom(
  flags: readonly string[],
  ...[targets, milliseconds]: Parameters<typeof clientCommand>
): Promise<string[]> {
  const { code, stdout, stderr } = await libflux([
    ...["run", uniqueName(), "--image", DEBIAN, ...flags, "--"],
    ...clientCommand(targets, milliseconds),
  ]);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n");
}

/** Runs libflux, which has to succeed and to warn of nothing; answers what it prints. */
export async function command(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await libflux(args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

/** Runs libflux, which has to refuse with a sentence that tells something. */
export async function refused(args: readonly string[], ...says: readonly RegExp[]): Promise<void> {
  const { code, stdout, stderr } = await libflux(args);
  assertEquals([code, stdout], [125, ""], `${args.join(" ")}: ${stderr}`);
  assertMatch(stderr, /^libflux: [^\n]+\n$/);
  for (const one of says) assertMatch(stderr, one);
}

/** The same answer over TCP and over UDP, from each of some servers or to each of some clients. */
export function twice(lines: readonly string[]): string[] {
  return lines.flatMap((line) => [line, line]);
}

/** Who has answered: the first words. */
export function who(lines: readonly string[]): string[] {
  return lines.map((line) => line.split(" ")[0] ?? "");
}
