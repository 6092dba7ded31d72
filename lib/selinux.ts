/**
 * SELinux: whether it is active, what this host's policy says of containers, and whether it lets libflux confine them.
 *
 * @module
 */
import { AT, O } from "../ffi/abi/constants.ts";
import { Descriptor, syscall } from "../ffi/libc.ts";
import { printable, UsageError } from "./errors.ts";
import { labelsOf, type SelinuxContexts } from "./spec/labels.ts";
import type { RunOptions } from "./spec/options.ts";
import { readIfThere } from "./store/directory.ts";
import { warn } from "./warnings.ts";

/** Where the kernel shows the policy. */
const POLICY = "/sys/fs/selinux";
/** What a file's label is kept in. */
export const LABEL_ATTRIBUTE = "security.selinux";

/** Whether SELinux is active, and enforces; nothing where it isn't. */
export function selinuxMode(): "enforcing" | "permissive" | undefined {
  const enforce = readIfThere(`${POLICY}/enforce`)?.trim();
  return enforce === undefined ? undefined : enforce === "1" ? "enforcing" : "permissive";
}

/** What policies that have containers in them call these: Fedora's, Debian's. */
const USUAL: SelinuxContexts = {
  process: "system_u:system_r:container_t:s0",
  file: "system_u:object_r:container_file_t:s0",
};

/** Reads the labels for containers: lines such as `process = "system_u:…"`. */
export function parseContexts(text: string): SelinuxContexts {
  const value = (name: string): string | undefined => new RegExp(`^${name}\\s*=\\s*"([^"]+)"`, "m").exec(text)?.[1];
  return { process: value("process") ?? USUAL.process, file: value("file") ?? USUAL.file };
}

/** What this host's policy has for containers: where container-selinux puts it, or where policies do. */
function hostContexts(): SelinuxContexts | undefined {
  const type = /^SELINUXTYPE=(\S+)/m.exec(readIfThere("/etc/selinux/config") ?? "")?.[1] ?? "targeted";
  const text = readIfThere("/usr/share/containers/selinux/contexts") ??
    readIfThere(`/etc/selinux/${type}/contexts/lxc_contexts`);
  return text === undefined ? undefined : parseContexts(text);
}

/** Asks the kernel, by a file that answers what is written to it; nothing where it refuses. */
function ask(file: string, question: string): string | undefined {
  const opened = syscall("openat", AT.AT_FDCWD, `${POLICY}/${file}`, O.O_RDWR | O.O_CLOEXEC, 0);
  if (opened < 0) return undefined;
  using descriptor = new Descriptor(opened);
  const bytes = new TextEncoder().encode(question);
  if (syscall("write", descriptor.number, bytes, bytes.length) <= 0) return undefined;
  const answer = new Uint8Array(4096);
  const size = syscall("read", descriptor.number, answer, answer.length);
  return size < 0 ? undefined : new TextDecoder().decode(answer.subarray(0, size));
}

/**
 * Whether the policy allows all of these. What it doesn't know it allows or denies as a whole.
 *
 * @param source Who, by its label. @param target With what, by its label. @param kind Of which class that is: "file".
 */
export function allows(source: string, target: string, kind: string, permissions: readonly string[]): boolean {
  const isOpen = readIfThere(`${POLICY}/deny_unknown`)?.trim() === "0";
  const index = readIfThere(`${POLICY}/class/${kind}/index`)?.trim();
  if (index === undefined) return isOpen;
  // "allowed decided auditallow auditdeny seqno flags", hexadecimal
  const [allowed = "0"] = ask("access", `${source} ${target} ${index}`)?.split(" ") ?? [];
  const vector = parseInt(allowed, 16);
  return permissions.every((name) => {
    const bit = readIfThere(`${POLICY}/class/${kind}/perms/${name}`)?.trim();
    return bit === undefined ? isOpen : (vector >>> (Number(bit) - 1) & 1) === 1;
  });
}

/** The label of a file; nothing where it has none. */
export function labelOf(path: string): string | undefined {
  const value = new Uint8Array(4096);
  const size = syscall("getxattr", path, LABEL_ATTRIBUTE, value, value.length);
  return size < 0 ? undefined : new TextDecoder().decode(value.subarray(0, size)).replace(/\0$/, "");
}

/** libflux's own label. */
function ownLabel(): string {
  return (readIfThere("/proc/self/attr/current") ?? "").replace(/[\0\n]+$/, "");
}

/**
 * Why the policy wouldn't let a container work, as the rest of a sentence; nothing where it would.
 *
 * @param process The label of its processes. @param image Where its files come from.
 */
function trouble(
  process: string,
  { file }: SelinuxContexts,
  image: string,
  noNewPrivileges: boolean,
): string | undefined {
  if (ask("context", process) === undefined) return `the policy knows no ${process}`;
  if (selinuxMode() === "permissive") return undefined;
  const own = ownLabel();
  const isUsable = allows(own, process, "process", ["transition"]) &&
    (!noNewPrivileges ||
      readIfThere(`${POLICY}/policy_capabilities/nnp_nosuid_transition`)?.trim() === "1" &&
        allows(own, process, "process2", ["nnp_transition"])) &&
    // Else the kernel takes its streams away.
    allows(process, own, "fd", ["use"]) &&
    allows(process, own, "fifo_file", ["read", "write", "getattr"]);
  if (!isUsable) return `the policy lets no ${printable(own)} run a ${process}`;
  // An overlay's files have another label, but the kernel asks for that of the file below it, too, when what is mapped gets
  // other rights, as libraries do (seen with Linux 6.1).
  const label = labelOf(image);
  if (label !== undefined && !allows(process, label, "file", ["read", "execute", "map"])) {
    return `the policy lets no ${process} use files of the image, which are ${printable(label)}; ` +
      `label them: chcon -R -t ${file.split(":")[2]} ${printable(image)}`;
  }
  return undefined;
}

/** What has been told already. */
const told = new Set<string>();

/** What containers are labelled by. */
type Asked = Pick<RunOptions, "selinux" | "privileged" | "pid" | "ipc" | "writable" | "noNewPrivileges">;

/**
 * Why containers with such options have no label by default: for nobody to know, since it is their nature. Who is among the
 * host's processes, or shares memory with them, is to be able to use them; what is written to an image goes on to be its own.
 */
function isUnlabelled({ privileged, pid, ipc, writable }: Asked): boolean {
  return privileged === true || pid === "host" || ipc === "host" || writable === true;
}

/** Whether a container is to have no label, whatever the policy says. */
export function isDisabled(asked: Asked): boolean {
  return asked.selinux === "disable" || asked.selinux === undefined && isUnlabelled(asked);
}

/**
 * What the host's policy says of containers, where one is to have a label: by default where SELinux is active and the policy
 * lets it work. Where it doesn't, a warning says why.
 *
 * @param id The container's. @param image Where its files come from.
 * @throws {UsageError} A label was asked for, and the kernel has none.
 */
export function selinuxContexts(asked: Asked, id: string, image: string): SelinuxContexts | undefined {
  if (isDisabled(asked)) return undefined;
  if (selinuxMode() === undefined) {
    if (asked.selinux === undefined) return undefined;
    throw new UsageError("this kernel has no SELinux, or it isn't active: no container can have a label", {
      hint: "leave the label out, or boot with lsm=…,selinux where the kernel has CONFIG_SECURITY_SELINUX",
    });
  }
  const contexts = hostContexts();
  if (asked.selinux !== undefined) return contexts ?? USUAL;
  const why = troubleOf(contexts, id, image, asked.noNewPrivileges);
  if (why === undefined) return contexts;
  if (!told.has(why)) warn(`containers have no SELinux label: ${why}`);
  told.add(why);
  return undefined;
}

function troubleOf(
  contexts: SelinuxContexts | undefined,
  id: string,
  image: string,
  noNewPrivileges = true,
): string | undefined {
  if (contexts === undefined) {
    return "the policy says nothing of containers; Fedora's package for that is container-selinux";
  }
  return trouble(labelsOf({}, contexts, id).process, contexts, image, noNewPrivileges);
}

/** Why containers of most images have no label here, or what they have: for `libflux info`. */
export function usualLabel(): { readonly label: string } | { readonly trouble: string } {
  const contexts = hostContexts();
  const why = troubleOf(contexts, "0".repeat(64), "");
  return why === undefined ? { label: contexts?.process ?? "" } : { trouble: why };
}
