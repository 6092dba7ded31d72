/**
 * What a container may see and change of the kernel's own files: masks, read-only paths, sysctls. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { capabilityName } from "./capabilities.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./defaults.ts";
import type { RunOptions } from "./options.ts";

/** Every path that is masked or read-only by default. */
const ALL = "ALL";

/** Those that are masked, and those that are read-only. */
export function protectedPaths(
  { mask = [], privileged, unmask = [] }: Pick<RunOptions, "mask" | "privileged" | "unmask">,
): { readonly masked: readonly string[]; readonly readonly: readonly string[] } {
  const patterns = unmask.map((text) =>
    new RegExp(`^${text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*")}$`)
  );
  const none = privileged === true || unmask.includes(ALL);
  const isKept = (path: string): boolean => !none && !patterns.some((pattern) => pattern.test(path));
  return {
    masked: [...new Set([...MASKED_PATHS.filter(isKept), ...mask])],
    readonly: READONLY_PATHS.filter(isKept),
  };
}

/** Namespaces that sysctls belong to, and what each is called there. */
const NAMESPACED: readonly (readonly ["network" | "ipc" | "uts", RegExp])[] = [
  ["network", /^net\./],
  ["ipc", /^kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$/],
  ["ipc", /^fs\.mqueue\./],
  ["uts", /^kernel\.(domainname|hostname)$/],
];

/** Throws a {@link UsageError} that names the first of these options that can't be. */
export function checkSecurity(options: RunOptions): void {
  for (const path of [...options.mask ?? [], ...options.unmask ?? []]) {
    if (path !== ALL && !/^(\/[^/\0]+)+$/.test(path) || path === ALL && options.mask?.includes(ALL) === true) {
      throw new UsageError(`"${printable(path)}" is no absolute path below /`, {
        hint: "write --security-opt mask=/proc/x:/sys/y, or unmask=ALL",
      });
    }
    if (path.split("/").some((part) => part === "." || part === "..")) {
      throw new UsageError(`the path "${printable(path)}" has '.' or '..' in it`, { hint: "leave them out" });
    }
  }
  const added = (options.capAdd ?? []).map(capabilityName);
  const strong = options.privileged === true
    ? ALL
    : added.find((name) => [ALL, "CAP_NET_ADMIN", "CAP_NET_RAW"].includes(name));
  if (options.network === "pasta" && strong !== undefined) {
    throw new UsageError(
      `a container that pasta connects can't have ${strong === ALL ? "all capabilities" : strong}`,
      {
        hint: "by it the host's own loopback would be within reach: use --network bridge, none or host",
      },
    );
  }
  // Its pasta is in the same user namespace, and has the host's network.
  if (options.network === "pasta" && options.pid === "host" && added.includes("CAP_SYS_PTRACE")) {
    throw new UsageError("a container that pasta connects can't have CAP_SYS_PTRACE with --pid host", {
      hint: "it could take pasta over, and with it the host's own loopback: use --network none or host",
    });
  }
  for (const [name, value] of Object.entries(options.sysctls ?? {})) checkSysctl(name, value, options);
}

function checkSysctl(name: string, value: string, { network, ipc, uts, hostname }: RunOptions): void {
  const shown = printable(name);
  // "net.ipv4.conf.eth0/100.forwarding": a slash stands for a dot of a link's name.
  if (!/^[a-z0-9_-]+(\.[A-Za-z0-9_:@-]+(\/[A-Za-z0-9_:@-]+)*)+$/.test(name) || value.includes("\0")) {
    throw new UsageError(`"${shown}" is no name of a sysctl`, { hint: "write --sysctl net.core.somaxconn=1024" });
  }
  const [namespace] = NAMESPACED.find(([, pattern]) => pattern.test(name)) ?? [];
  if (namespace === undefined) {
    throw new UsageError(`the sysctl ${shown} is the whole host's`, {
      hint:
        "a container can have kernel.msg*, kernel.sem, kernel.shm*, kernel.domainname, fs.mqueue.* and net.* of its own",
    });
  }
  if (name === "kernel.hostname") {
    throw new UsageError("the host name is no sysctl here", { hint: `write --hostname ${hostname ?? "NAME"}` });
  }
  const own = namespace === "network"
    ? network === "host" || /^(container|ns):/.test(network ?? "")
    : (namespace === "ipc" ? ipc : uts) === "host";
  if (own) {
    throw new UsageError(`the sysctl ${shown} takes a namespace of the container's own`, {
      hint: `leave it out, or --${namespace}`,
    });
  }
}
