/**
 * The chains of libflux's in the host's firewall, four for each network, and the jumps to them, as `iptables-restore` reads
 * them and `iptables-save` tells them. Pure.
 *
 * @module
 */

/** The version of IP. */
export type Family = 4 | 6;

/** The chains of a network. @param index The N of its bridge `libfluxN`. */
export function chainsOf(index: number): Readonly<Record<"ports" | "nat" | "forward" | "input", string>> {
  return {
    ports: `LIBFLUX-PORTS-${index}`,
    nat: `LIBFLUX-NAT-${index}`,
    forward: `LIBFLUX-FORWARD-${index}`,
    input: `LIBFLUX-INPUT-${index}`,
  };
}

/** A jump from a chain of the kernel's to one of libflux's. */
interface Jump {
  readonly table: "nat" | "filter";
  /** As in `iptables -A`. */
  readonly rule: string;
  readonly chain: string;
  /** Before all others, so that nobody's DROP comes first. */
  readonly first: boolean;
}

/** The jumps to a network's chains. */
export function jumpsTo(index: number, family: Family): readonly Jump[] {
  const { ports, nat, forward, input } = chainsOf(index);
  const local = "-m addrtype --dst-type LOCAL";
  // The host's loopback is for the host alone, whoever sends there: what is published at it too.
  const beyond = family === 4 ? "! -d 127.0.0.0/8" : "! -d ::1/128";
  // That of IPv6 can't be translated: no answer finds its way back. Refused at once, programs go on to 127.0.0.1.
  const own = family === 4 ? "" : `${beyond} `;
  return [
    { table: "nat", rule: `PREROUTING ${beyond} ${local} -j ${ports}`, chain: ports, first: false },
    { table: "nat", rule: `OUTPUT ${own}${local} -j ${ports}`, chain: ports, first: false },
    { table: "nat", rule: `POSTROUTING -j ${nat}`, chain: nat, first: false },
    { table: "filter", rule: `FORWARD -j ${forward}`, chain: forward, first: true },
    { table: "filter", rule: `INPUT -i libflux${index} -j ${input}`, chain: input, first: true },
  ];
}

/** Lines for tables. */
export type Lines = Readonly<Partial<Record<"nat" | "filter", readonly string[]>>>;

/** The text of tables. */
export function tables(lines: Lines): string {
  return Object.entries(lines).filter(([, list]) => list.length > 0)
    .map(([table, list]) => `*${table}\n${list.join("\n")}\nCOMMIT\n`).join("");
}

/** What takes a network's jumps and chains away, where all of them are there. */
export function removalOf(index: number, family: Family): string {
  const lines = (table: Jump["table"]): string[] => {
    const jumps = jumpsTo(index, family).filter((jump) => jump.table === table);
    const chains = [...new Set(jumps.map(({ chain }) => chain))];
    return [
      ...jumps.map(({ rule }) => `-D ${rule}`),
      ...chains.flatMap((chain) => [`-F ${chain}`, `-X ${chain}`]),
    ];
  };
  return tables({ nat: lines("nat"), filter: lines("filter") });
}

/** What takes some of the rules away that `iptables-save` tells of, by table. */
function scan(
  saved: string,
  isMeant: (from: string, target: string, line: string) => boolean,
): Partial<Record<string, string[]>> {
  const lines: Partial<Record<string, string[]>> = {};
  let table = "";
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, from = ""] = /^-A (\S+) /.exec(line) ?? [];
    // At the end of the line: what comes before may be anybody's words, in a comment.
    const [, target = ""] = / -j (\S+)$/.exec(line) ?? [];
    if (isMeant(from, target, line)) (lines[table] ??= []).push(line.replace("-A", "-D"));
  }
  return lines;
}

/** What `iptables-save` tells of some chains, and of who jumps there, turned into what takes it away. Pure. */
export function removalFrom(saved: string, isMine: (chain: string) => boolean, id?: string): string {
  const lines = scan(
    saved,
    (from, target, line) =>
      id === undefined ? from !== "" && isMine(target) && !isMine(from) : isMine(from) && line.includes(id),
  );
  const chains: Record<string, string[]> = {};
  let table = "";
  for (const line of id === undefined ? saved.split("\n") : []) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, chain = ""] = /^:(\S+) /.exec(line) ?? [];
    if (isMine(chain)) (chains[table] ??= []).push(chain);
  }
  return tables(Object.fromEntries(
    [...new Set([...Object.keys(lines), ...Object.keys(chains)])].map((name) => [
      name,
      [
        ...lines[name] ?? [],
        ...(chains[name] ?? []).map((chain) => `-F ${chain}`),
        ...(chains[name] ?? []).map((chain) => `-X ${chain}`),
      ],
    ]),
  ));
}

/**
 * What sets a network's rules anew, whatever has become of them, in one step: no packet finds a network without its rules.
 * Pure.
 *
 * The chain of published ports isn't emptied: a container that is just starting may have put its own there since.
 *
 * @param saved What `iptables-save` tells. @param lines The network's rules, with its chains.
 * @param rules Those of published ports that are to be there.
 */
export function renewal(saved: string, index: number, lines: Lines, rules: readonly string[]): string {
  const { ports } = chainsOf(index);
  const mine = new Set(Object.values(chainsOf(index)));
  const jumps = scan(saved, (from, target) => from !== "" && mine.has(target) && !mine.has(from));
  const { nat = [], filter = [] } = lines;
  const isThere = saved.includes(`\n:${ports} `);
  return tables({
    nat: [
      ...jumps.nat ?? [],
      ...nat.filter((line) => !isThere || !line.startsWith(`:${ports} `)),
      ...rules.map((rule) => `-A ${ports} ${rule}`).filter((line) => !saved.includes(`\n${line}\n`)),
    ],
    filter: [...jumps.filter ?? [], ...filter],
  });
}
