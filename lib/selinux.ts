/**
 * SELinux: whether it is active, what this host's policy says of containers, and whether it lets libflux confine them.
 *
 * @module
 */
import { AT, O } from "../ffi/abi/constants.ts";
import { lookAt, openInRoot, openPath } from "../ffi/files.ts";
import { cString, Descriptor, syscall } from "../ffi/libc.ts";
import { callersVariable } from "./caller.ts";
import { printable, UsageError } from "./errors.ts";
import type { SelinuxContexts } from "./spec/labels.ts";
import type { RunOptions } from "./spec/options.ts";
import { readIfThere } from "./store/directory.ts";
import { parsePasswd } from "./users.ts";
import { warn } from "./warnings.ts";

/** Where the kernel shows the policy. */
const POLICY = "/sys/fs/selinux";
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

/** What a file's label is kept in. */
const ATTRIBUTE = "security.selinux";
/** By it a file that is open as a path only can be named, a link too. */
const pathOf = ({ number }: Descriptor): string => `/proc/self/fd/${number}`;

/** The label of an open file; nothing where it has none. */
export function labelOf(file: Descriptor): string | undefined {
  const value = new Uint8Array(4096);
  const size = syscall("getxattr", pathOf(file), ATTRIBUTE, value, value.length);
  return size < 0 ? undefined : new TextDecoder().decode(value.subarray(0, size)).replace(/\0$/, "");
}

/** Labels an open file. @returns `-errno` where that fails. */
export function setLabel(file: Descriptor, label: string): number {
  const value = cString(label);
  return syscall("setxattr", pathOf(file), ATTRIBUTE, value, value.length, 0);
}

/** What no host works without when its files are containers'. */
const ESSENTIAL: readonly string[] =
  `/ /bin /boot /boot/efi /dev /etc /etc/group /etc/passwd /etc/pki /etc/shadow /etc/ssh /home /lib /lib64 /media /mnt /opt
  /proc /root /run /sbin /srv /sys /tmp /usr /usr/bin /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/sbin /usr/share /var
  /var/lib /var/log /var/run /var/tmp`.split(/\s+/);

/**
 * Whether a file is one of the host's own, or its caller's home, by whatever path: nothing that could be a container's.
 *
 * @param file Open, perhaps as a path only.
 */
export function isOfHost(file: Descriptor): boolean {
  const user = callersVariable("SUDO_USER");
  const homes = [
    callersVariable("HOME"),
    ...user === undefined
      ? []
      : parsePasswd(readIfThere("/etc/passwd") ?? "").filter(({ name }) => name === user).map(({ home }) => home),
  ];
  const own = lookAt(file.number);
  return typeof own === "object" && [...ESSENTIAL, ...homes].some((path) => {
    using other = path === undefined ? undefined : asDescriptor(openPath(path, ["O_PATH"]));
    const facts = other && lookAt(other.number);
    return typeof facts === "object" && facts.inode === own.inode && facts.filesystem === own.filesystem;
  });
}

const asDescriptor = (opened: Descriptor | number): Descriptor | undefined =>
  typeof opened === "number" ? undefined : opened;

/** libflux's own label. */
function ownLabel(): string {
  return (readIfThere("/proc/self/attr/current") ?? "").replace(/[\0\n]+$/, "");
}

/** What is wanted of a policy: who, with what, of which class, does what. */
type Want = readonly [source: string, target: string, kind: string, permissions: readonly string[]];

/** All that a container takes. */
function wants({ process, file }: SelinuxContexts, noNewPrivileges: boolean): Want[] {
  const own = ownLabel();
  return [
    [own, own, "process", ["setexec", "setkeycreate"]],
    [own, process, "process", ["transition"]],
    [own, process, "key", ["create"]],
    [own, file, "filesystem", ["relabelto"]],
    [process, file, "file", ["entrypoint", "read", "execute", "map"]],
    [process, file, "dir", ["search"]],
    // Else the kernel takes its streams away.
    [process, own, "fd", ["use"]],
    [process, own, "fifo_file", ["read", "write", "getattr"]],
    // A root that gives nobody privileges is mounted so, too.
    ...noNewPrivileges ? [[own, process, "process2", ["nnp_transition", "nosuid_transition"]] as const] : [],
  ];
}

/** Files that most images have, one of which stands for all. */
const USUAL_FILES: readonly string[] = ["/bin/sh", "/usr/bin/env", "/bin/busybox", "/lib64/ld-linux-x86-64.so.2"];

/** The label of an image's files, where it has any. */
function labelOfImage(root: Descriptor, command: string): string | undefined {
  for (const path of [...command.startsWith("/") ? [command] : [], ...USUAL_FILES]) {
    using file = asDescriptor(openInRoot(root.number, path, ["O_PATH"]));
    if (file !== undefined) return labelOf(file);
  }
  return undefined;
}

/** Where the files of a container come from, and what it runs of them. */
interface Source {
  readonly image: string;
  readonly command: string;
}

/** Why the policy wouldn't let a container work, as the rest of a sentence; nothing where it would. */
function trouble(
  contexts: SelinuxContexts | undefined,
  noNewPrivileges: boolean,
  source?: Source,
): string | undefined {
  if (contexts === undefined) {
    return "the policy says nothing of containers; Fedora's package for that is container-selinux";
  }
  const { process, file } = contexts;
  if (ask("context", process) === undefined) return `the policy knows no ${process}`;
  if (selinuxMode() === "permissive") return undefined;
  const hasTransitions = readIfThere(`${POLICY}/policy_capabilities/nnp_nosuid_transition`)?.trim() === "1";
  if (
    noNewPrivileges && !hasTransitions || !wants(contexts, noNewPrivileges).every((want) => allows(...want))
  ) {
    return `the policy lets no ${printable(ownLabel())} run a ${process}`;
  }
  // An overlay's files have another label, but the kernel asks for that of the file below it, too, when what is mapped gets
  // other rights, as libraries do (seen with Linux 6.1).
  using root = source && asDescriptor(openPath(source.image, ["O_PATH", "O_DIRECTORY"]));
  const label = source && root && labelOfImage(root, source.command);
  if (
    source === undefined || root === undefined || label === undefined ||
    allows(process, label, "file", ["read", "execute", "map"])
  ) {
    return undefined;
  }
  const what = `the policy lets no ${process} use files of the image, such as ${printable(label)}`;
  return isOfHost(root)
    ? `${what}; use an image of its own`
    : `${what}; label them: chcon -R -t ${file.split(":")[2]} ${quote(printable(source.image))}`;
}

/** A text for a shell. */
const quote = (text: string): string => /^[\w/.,:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** What has been told already. */
const told = new Set<string>();

/** What containers are labelled by. */
type Asked = Pick<RunOptions, "selinux" | "privileged" | "pid" | "ipc" | "writable">;

/**
 * Whether a container is to have no label, whatever the policy says. By default one has none that is among the host's
 * processes, or shares memory with them, since it is to be able to use them; nor one that writes into its image, which goes on
 * to be whose it is.
 */
function isDisabled({ selinux, privileged, pid, ipc, writable }: Asked): boolean {
  if (selinux !== undefined) return selinux === "disable";
  return privileged === true || pid === "host" || ipc === "host" || writable === true;
}

/** Whether a container may get a label that is enforced. */
export function mayBeConfined(asked: Asked): boolean {
  return !isDisabled(asked) && selinuxMode() === "enforcing";
}

/**
 * What the host's policy says of containers, where one is to have a label: by default where SELinux is active and the policy
 * lets it work. Where it doesn't, a warning says why.
 *
 * @param image Where its files come from.
 * @throws {UsageError} A label was asked for, and the kernel has none.
 */
export function selinuxContexts(
  asked: Asked & Pick<RunOptions, "noNewPrivileges" | "command">,
  image: string,
): SelinuxContexts | undefined {
  if (isDisabled(asked)) return undefined;
  if (selinuxMode() === undefined) {
    if (asked.selinux === undefined) return undefined;
    throw new UsageError("this kernel has no SELinux, or it isn't active: no container can have a label", {
      hint: "leave the label out, or boot with lsm=…,selinux where the kernel has CONFIG_SECURITY_SELINUX",
    });
  }
  const contexts = hostContexts();
  if (asked.selinux !== undefined) return contexts ?? USUAL;
  const why = trouble(contexts, asked.noNewPrivileges ?? true, { image, command: asked.command[0] ?? "" });
  if (why === undefined) return contexts;
  if (!told.has(why)) warn(`containers have no SELinux label: ${why}`);
  told.add(why);
  return undefined;
}

/** The label that most containers get here, or why they get none: for `libflux info`. */
export function usualLabel(): { readonly label: string } | { readonly trouble: string } {
  const contexts = hostContexts();
  const why = trouble(contexts, true);
  return why === undefined ? { label: contexts?.process ?? "" } : { trouble: why };
}
