/**
 * What libflux uses besides the kernel: security modules, `ip`, `iptables`, `pasta`.
 *
 * @module
 */
import { variable } from "../caller.ts";
import { type Feature, found, missing, type Wanted } from "./feature.ts";
import { readText } from "./read.ts";

/** The active security modules: `/sys/kernel/security/lsm`, or what the modules themselves show where that is hidden. */
export function securityModules(): Feature {
  const wanted: Wanted = {
    name: "security modules",
    required: false,
    effect: "no AppArmor profile or SELinux label confines containers on top of everything else",
    remedy: "boot with lsm=…,apparmor or lsm=…,selinux, and mount securityfs on /sys/kernel/security",
  };
  const list = readText("/sys/kernel/security/lsm")?.trim();
  if (list === undefined || list === "") {
    const apparmor = readText("/sys/module/apparmor/parameters/enabled")?.trim() === "Y" ? ["apparmor"] : [];
    const selinux = readText("/sys/fs/selinux/enforce") === undefined ? [] : ["selinux"];
    const names = [...apparmor, ...selinux];
    return names.length > 0
      ? found(wanted, names.join(", "))
      : missing(wanted, "unknown: securityfs isn't mounted", "mount -t securityfs none /sys/kernel/security, to see");
  }
  const names = list.split(",");
  const confines = names.some((name) => ["apparmor", "selinux", "smack", "landlock"].includes(name));
  return confines ? found(wanted, names.join(", ")) : missing(wanted, names.join(", "));
}

/** The first line that a program writes, or nothing where it can't be run. */
async function ask(program: string, argument: string): Promise<string | undefined> {
  // Not every user's PATH has the administrator's directories.
  const PATH = `${variable("PATH") ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`;
  try {
    const command = new Deno.Command(program, {
      args: [argument],
      env: { PATH, LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(5_000),
    });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0] : undefined;
  } catch {
    return undefined;
  }
}

/** "ip utility, iproute2-6.1.0, libbpf 1.1.0" → "iproute2-6.1.0" */
export function ipVersion(line: string): string {
  return /iproute2-[^\s,]+/.exec(line)?.[0] ?? line;
}

/** "iptables v1.8.9 (nf_tables)" → its version and backend; before 1.8 there was only `legacy`, and none was named. */
export function iptablesVersion(line: string): string {
  const [, version, backend = "legacy"] = /v(\S+)(?: \((\w+)\))?/.exec(line) ?? [];
  return version === undefined ? line : `${version}, backend ${backend}`;
}

/** "pasta 0.0~git20230309.7c7625d-1" → its version. */
export function pastaVersion(line: string): string {
  return line.replace(/^pasta\s+/, "");
}

/** The programs that networks are made with. */
export async function tools(): Promise<Feature[]> {
  const questions = [ask("ip", "-Version"), ask("iptables", "--version"), ask("pasta", "--version")];
  const [ip, iptables, pasta] = await Promise.all(questions);
  const wanted = (
    name: string,
    debian: string,
    effect = "containers can have no network beyond lo and the host's",
  ): Wanted => ({
    name,
    required: false,
    effect,
    remedy: `apt-get install ${debian}, or what this system calls it`,
  });
  return [
    ip === undefined ? missing(wanted("ip", "iproute2"), "not found") : found(wanted("ip", "iproute2"), ipVersion(ip)),
    iptables === undefined
      ? missing(wanted("iptables", "iptables"), "not found")
      : found(wanted("iptables", "iptables"), iptablesVersion(iptables)),
    pasta === undefined || pasta === ""
      ? missing(
        wanted("pasta", "passt", "no container can be connected in user mode, with --network pasta"),
        "not found",
      )
      : found(wanted("pasta", "passt"), pastaVersion(pasta)),
  ];
}
