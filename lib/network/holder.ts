/**
 * Who has a port of the host.
 *
 * @module
 */
import { sleep } from "../../ffi/reactor.ts";
import { printable } from "../errors.ts";
import { readIfThere } from "../store/directory.ts";
import { Ledger } from "../store/ledger.ts";
import type { Store } from "../store/state.ts";

/** The inodes of sockets that have a port, of every address. */
function inodesAt(port: number, protocol: "tcp" | "udp"): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const found = new Set<string>();
  for (const version of ["", "6"]) {
    for (const line of (readIfThere(`/proc/net/${protocol}${version}`) ?? "").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      // Connections have a remote end; who listens, or has only bound it, has none.
      if (fields[1]?.endsWith(`:${wanted}`) && /:0000$/.test(fields[2] ?? "")) found.add(fields[9] ?? "");
    }
  }
  return found;
}

/** A process that has one of the sockets. */
function processWith(inodes: ReadonlySet<string>): { readonly pid: string; readonly name: string } | undefined {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
        const [, inode = ""] = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${name}`)) ?? [];
        if (inodes.has(inode)) return { pid, name: printable(readIfThere(`/proc/${pid}/comm`)?.trim() ?? "") };
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

function link(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

/** A container, also one that is only being made: then its ledger tells first. */
function containerWith(store: Store, port: number, protocol: "tcp" | "udp"): string | undefined {
  const rule = new RegExp(`-p ${protocol} -m ${protocol} --dport ${port} `);
  return store.names().find((name) => {
    const ports = store.state(name)?.ports ?? [];
    if (ports.some((one) => one.hostPort === port && one.protocol === protocol)) return true;
    const entries = new Ledger(`${store.directory(name)}/ledger`).entries();
    return entries.some((entry) => entry.kind === "ports" && entry.rules.some((text) => rule.test(text)));
  });
}

/** Milliseconds until whoever holds a port has written down what for. */
const PATIENCE = 500;
const MOMENT = 20;

/** Who has a port, for a sentence: "the container web", "nginx (pid 812)". */
export async function holderOf(store: Store, port: number, protocol: "tcp" | "udp"): Promise<string> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const name = containerWith(store, port, protocol);
    if (name !== undefined) return `the container ${name}`;
    const found = processWith(inodesAt(port, protocol));
    if (found !== undefined) return `${found.name} (pid ${found.pid})`;
    // A socket of TCP that is only bound, as libflux has them, is in no table.
    if (performance.now() > deadline) return "somebody else";
    await sleep(MOMENT);
  }
}
