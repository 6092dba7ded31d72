/**
 * `libflux network` and `libflux port`: the networks that containers are on, and the ports that lead there.
 *
 * @module
 */
import { type FluxError, NetworkError, NoContainerError, printable, UsageError } from "../errors.ts";
import { list } from "../list.ts";
import {
  createNetwork,
  inspectNetwork,
  listNetworks,
  type NetworkInfo,
  pruneNetworks,
  reloadNetworks,
  removeNetwork,
} from "../networks.ts";
import { nearest, table } from "../render.ts";
import type { Command, CommandHelp } from "./command.ts";
import { helpText, type Parsed, parseFlags, refuseArguments } from "./flags.ts";
import { columns, print } from "./output.ts";

/** What is done with networks. */
interface Action extends CommandHelp {
  readonly act: (flags: Parsed, where: { readonly root?: string }) => Promise<void>;
}

function namesOf(action: string, { positional, rest }: Parsed): readonly string[] {
  const names = [...positional, ...(rest ?? [])];
  if (names.length > 0) return names;
  throw new UsageError(`'libflux network ${action}' needs a name`, { hint: `write libflux network ${action} NAME` });
}

async function create(flags: Parsed, where: { readonly root?: string }): Promise<void> {
  const [name = "", ...more] = namesOf("create", flags);
  if (more.length > 0) {
    throw new UsageError(`a network has one name, not ${printable(name)} and ${printable(more.join(" "))}`);
  }
  const mtu = flags.value("mtu");
  if (mtu !== undefined && !/^[0-9]{1,6}$/.test(mtu)) {
    throw new UsageError(`--mtu is a number of bytes, not "${printable(mtu)}"`);
  }
  await createNetwork(name, {
    ...where,
    subnets: flags.values("subnet"),
    gateways: flags.values("gateway"),
    ipv6: flags.on("ipv6") ?? false,
    internal: flags.on("internal") ?? false,
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
  });
  print(`${name}\n`);
}

async function ls(flags: Parsed, where: { readonly root?: string }): Promise<void> {
  refuseArguments("network ls", flags);
  const format = flags.value("format") ?? "table";
  if (format !== "table" && format !== "json") {
    throw new UsageError(`--format is table or json, not "${printable(format)}"`);
  }
  const networks = await listNetworks(where);
  if (flags.on("quiet") === true) return print(networks.map(({ name }) => `${name}\n`).join(""));
  if (format === "json") return print(`${JSON.stringify(networks, null, 2)}\n`);
  const row = (network: NetworkInfo): string[] => [
    network.name,
    network.bridge,
    [network.subnet, network.ipv6Subnet].filter((one) => one !== undefined).join(", "),
    network.internal ? "yes" : "no",
    String(network.containers.length),
  ];
  print(
    table(["NAME", "BRIDGE", "SUBNET", "INTERNAL", "CONTAINERS"], networks.map(row), { width: columns(), whole: [0] }),
  );
}

async function inspect(flags: Parsed, where: { readonly root?: string }): Promise<void> {
  const found: NetworkInfo[] = [];
  for (const name of namesOf("inspect", flags)) found.push(await inspectNetwork(name, where));
  print(`${JSON.stringify(found, null, 2)}\n`);
}

async function rm(flags: Parsed, where: { readonly root?: string }): Promise<void> {
  const names = namesOf("rm", flags);
  const failures: FluxError[] = [];
  for (const name of names) {
    try {
      await removeNetwork(name, where);
      print(`${name}\n`);
    } catch (error) {
      // One that can't be removed keeps nobody from the others.
      if (!(error instanceof NetworkError || error instanceof UsageError)) throw error;
      failures.push(error);
    }
  }
  const [first, ...more] = failures;
  if (first === undefined) return;
  if (more.length === 0) throw first;
  throw new NetworkError(failures.map(({ message }) => message).join("; "));
}

const printNames = (names: readonly string[]): void => print(names.map((name) => `${name}\n`).join(""));

const ACTIONS: readonly Action[] = [
  {
    name: "network create",
    usage: ["network create NAME [FLAG…]"],
    about: "Makes a network, which stays until it is removed, or the host restarts.",
    flags: [
      {
        name: "subnet",
        value: "CIDR",
        repeated: true,
        help: "its addresses; free ones by default; twice: IPv4 and IPv6",
      },
      { name: "gateway", value: "ADDRESS", repeated: true, help: "the bridge's own; the subnet's first by default" },
      { name: "ipv6", help: "IPv6 too: a unique local subnet" },
      { name: "internal", help: "no way out of it, and none in" },
      { name: "mtu", value: "BYTES", help: "the longest packet; 1500 by default" },
    ],
    maxOperands: 1,
    examples: [{ line: "libflux network create backend --subnet 10.99.7.0/24 --ipv6 --internal" }],
    act: create,
  },
  {
    name: "network ls",
    usage: ["network ls [FLAG…]"],
    aliases: ["list"],
    about: "Lists networks. None is no error.",
    flags: [
      { name: "format", value: "table|json", help: "table by default" },
      { name: "quiet", short: "q", help: "only names" },
    ],
    maxOperands: 0,
    act: ls,
  },
  {
    name: "network inspect",
    usage: ["network inspect NAME…"],
    about: "Shows all that is known of networks, as JSON.",
    flags: [],
    operands: { names: "networks" },
    act: inspect,
  },
  {
    name: "network rm",
    usage: ["network rm NAME…"],
    aliases: ["remove"],
    about: "Removes networks that no container is on.",
    flags: [],
    operands: { names: "networks" },
    act: rm,
  },
  {
    name: "network prune",
    usage: ["network prune"],
    about: "Removes every network that no container is on.",
    flags: [],
    maxOperands: 0,
    act: async (flags, where) => {
      refuseArguments("network prune", flags);
      printNames(await pruneNetworks(where));
    },
  },
  {
    name: "network reload",
    usage: ["network reload"],
    about: "Puts rules and bridges back that somebody else has removed, such as a firewall that was restarted.",
    flags: [],
    maxOperands: 0,
    act: async (flags, where) => {
      refuseArguments("network reload", flags);
      printNames(await reloadNetworks(where));
    },
  },
];

/** `libflux network`. */
export const NETWORK: Command = {
  name: "network",
  usage: ["network ACTION [NAME…] [FLAG…]"],
  about: "Makes, lists and removes networks.",
  flags: [],
  maxOperands: 0,
  subcommands: ACTIONS,
  run: networkCommand,
};

/** `libflux port`. */
export const PORT: Command = {
  name: "port",
  usage: ["port NAME [PORT[/udp]]"],
  about: "Shows by which ports of the host a container is reached.",
  flags: [],
  operands: { names: "running" },
  maxOperands: 1,
  run: portCommand,
};

/** Runs `network`; answers the exit code. */
export async function networkCommand(args: readonly string[]): Promise<number> {
  const [given, ...rest] = args;
  if (given === "--help" || given === "-h") {
    print(helpText(NETWORK));
    return 0;
  }
  const known = ACTIONS.map(({ name }) => name.slice(NETWORK.name.length + 1));
  if (given === undefined) {
    throw new UsageError("'libflux network' needs an action", { hint: `write libflux network ${known.join("|")}` });
  }
  const action = ACTIONS.find(({ name, aliases }) => name === `network ${given}` || aliases?.includes(given));
  if (action === undefined) {
    const near = nearest(given, known);
    throw new UsageError(`'libflux network' has no action "${printable(given)}"`, {
      hint: near === undefined ? `it has ${known.join(", ")}` : `did you mean 'libflux network ${near}'?`,
    });
  }
  const flags = parseFlags(action.name, action.flags, rest);
  if (flags.on("help") === true) {
    print(helpText(action));
    return 0;
  }
  const root = flags.value("root");
  const act = (): Promise<void> => action.act(flags, root === undefined ? {} : { root });
  const { withProgress } = await import("./progress.ts");
  return await uninterrupted(() =>
    withProgress(() => `libflux ${action.name} ${flags.positional.join(" ")}`.trim(), act)
  );
}

/** Does something that no signal cuts in two; answers the exit code, that of the first signal where one came. */
async function uninterrupted(body: () => Promise<void>): Promise<number> {
  let code = 0;
  const listeners = ([["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const).map(([signal, end]) =>
    [signal, () => void (code ||= end)] as const
  );
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  try {
    await body();
  } finally {
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  }
  return code;
}

/** Runs `port`; answers the exit code. */
export async function portCommand(args: readonly string[]): Promise<number> {
  const flags = parseFlags("port", [], args);
  if (flags.on("help") === true) {
    print(helpText(PORT));
    return 0;
  }
  const [name, port, ...more] = [...flags.positional, ...(flags.rest ?? [])];
  if (name === undefined || more.length > 0) {
    throw new UsageError("'libflux port' takes a name, and a port at most", { hint: "write libflux port NAME [PORT]" });
  }
  const root = flags.value("root");
  const container = (await list(root === undefined ? {} : { root })).find((one) => one.name === name);
  if (container === undefined) {
    throw new NoContainerError(`there is no container ${printable(name)}`, {
      hint: "'libflux ps' lists those that run",
    });
  }
  const [, number, protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(port ?? "") ?? [];
  if (port !== undefined && number === undefined) {
    throw new UsageError(`"${printable(port)}" is no port`, { hint: "write 80 or 53/udp" });
  }
  const wanted = container.ports.filter((one) =>
    number === undefined || one.containerPort === Number(number) && one.protocol === protocol
  );
  if (number !== undefined && wanted.length === 0) {
    throw new NetworkError(`the port ${number}/${protocol} of ${name} isn't published`, {
      hint: `'libflux port ${name}' shows those that are`,
    });
  }
  const where = ({ hostAddress = "0.0.0.0", hostPort }: { hostAddress?: string; hostPort: number }): string =>
    `${hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress}:${hostPort}`;
  print(
    wanted.map((one) => `${number === undefined ? `${one.containerPort}/${one.protocol} -> ` : ""}${where(one)}\n`)
      .join(""),
  );
  return 0;
}
