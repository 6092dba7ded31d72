/**
 * Who has a port of the host.
 *
 * @module
 */
import { printable } from "../errors.ts";
import { readIfThere } from "../store/directory.ts";
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

/** Who has a port, for a sentence: "the container web", "nginx (pid 812)". */
export function holderOf(store: Store, port: number, protocol: "tcp" | "udp"): string {
  for (const name of store.names()) {
    const ports = store.state(name)?.ports ?? [];
    if (ports.some((one) => one.hostPort === port && one.protocol === protocol)) return `the container ${name}`;
  }
  // One that is only bound, as libflux holds them, is in no table.
  const found = processWith(inodesAt(port, protocol));
  return found === undefined ? "somebody else" : `${found.name} (pid ${found.pid})`;
}
