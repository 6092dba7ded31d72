/**
 * What of the host's own firewall stands in the way of a network, though libflux's rules let it pass.
 *
 * Of those who filter a packet each has a say: what iptables accepts, a chain of nftables' may still drop. libflux changes
 * neither a policy nor anybody's rules: whoever runs the host is told what to add.
 *
 * @module
 */
import { readIfThere } from "../store/directory.ts";
import { type NftablesChain, nftablesChains } from "../store/nftables.ts";

/** A chain of nftables' that all forwarded packets go through. */
export type ForwardChain = Pick<NftablesChain, "family" | "table" | "drops">;

/** What is known of the host's firewalls. */
export interface Firewalls {
  readonly chains: readonly ForwardChain[];
  /** The zones of firewalld's as files, all in one text. */
  readonly zones: string;
  /** `/etc/ufw/ufw.conf`, and the rules that it was given. */
  readonly ufw: string;
}

/** The table that `iptables-nft` keeps: libflux's own jump is in it, before all else. */
const isIptables = ({ family, table }: ForwardChain): boolean => family !== 1 && table === "filter";

/** What else is needed so that packets of a bridge pass: one sentence; nothing where nothing is. Pure. */
export function obstacle(bridge: string, { chains, zones, ufw }: Firewalls): string | undefined {
  const needed: string[] = [];
  if (chains.some(({ table }) => table === "firewalld") && !zones.includes(`"${bridge}"`)) {
    needed.push(
      `firewalld rejects what it doesn't know: firewall-cmd --permanent --zone=trusted --add-interface=${bridge}, ` +
        "then firewall-cmd --reload and libflux network reload",
    );
  }
  const strict = chains.find((chain) => chain.drops && !isIptables(chain));
  if (strict !== undefined) {
    needed.push(
      `the table ${strict.table} of nftables drops what is forwarded: accept iifname and oifname ${bridge} in it`,
    );
  }
  if (/^ENABLED=yes/m.test(ufw) && !new RegExp(`\\b${bridge}\\b`).test(ufw)) {
    needed.push(`ufw keeps containers from this host's own services: ufw allow in on ${bridge}`);
  }
  return needed.length === 0 ? undefined : needed.join("; ");
}

/** Looks at the host. */
export function firewalls(): Firewalls {
  const chains = nftablesChains().filter(({ isForward }) => isForward);
  const isFirewalld = chains.some(({ table }) => table === "firewalld");
  const conf = readIfThere("/etc/ufw/ufw.conf") ?? "";
  const rules = conf === ""
    ? []
    : ["/etc/ufw/user.rules", "/etc/ufw/before.rules"].map((path) => readIfThere(path) ?? "");
  return { chains, zones: isFirewalld ? zoneFiles() : "", ufw: [conf, ...rules].join("\n") };
}

function zoneFiles(): string {
  const directory = "/etc/firewalld/zones";
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => readIfThere(`${directory}/${name}`) ?? "").join("\n");
  } catch {
    return "";
  }
}
