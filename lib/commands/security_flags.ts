/**
 * The flags of what a container may do, as docker and podman name them.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { parseLabel } from "../spec/labels.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Flag, Parsed } from "./flags.ts";

/** All of them. */
export const SECURITY_FLAGS: readonly Flag[] = [
  { name: "privileged", help: "take all walls away but the namespaces: root inside can be root of the host at will" },
  { name: "cap-add", value: "CAP,…", repeated: true, help: "give it a capability: NET_RAW; ALL: all there are" },
  { name: "cap-drop", value: "CAP,…", repeated: true, help: "take one away; ALL: leave only what is added" },
  {
    name: "security-opt",
    value: "OPTION",
    repeated: true,
    help: "no-new-privileges=false, mask=PATH:…, unmask=PATH:…|ALL, seccomp=…, apparmor=PROFILE|unconfined, " +
      "label=disable|type:T|level:L|…, proc-opts=hidepid=2, writable-cgroups (cgroup v2)",
  },
  {
    name: "seccomp",
    value: "FILE|unconfined",
    help: "let the syscalls of this profile through, a JSON file in docker's format; unconfined: all",
  },
  { name: "sysctl", value: "NAME=VALUE", repeated: true, help: "set one of its own: net.core.somaxconn=1024" },
];

type SecurityOptions = Pick<
  RunOptions,
  | "apparmor"
  | "capAdd"
  | "capDrop"
  | "mask"
  | "noNewPrivileges"
  | "privileged"
  | "procOptions"
  | "seccomp"
  | "selinux"
  | "sysctls"
  | "unmask"
  | "writableCgroups"
>;

function listed(flags: Parsed, name: string): string[] | undefined {
  const given = flags.values(name);
  return given.length === 0 ? undefined : given.flatMap((text) => text.split(","));
}

/** `true` for a bare name, as docker has it. */
function truth(option: string, value: string | undefined): boolean {
  if (value === undefined || value === "true") return true;
  if (value === "false") return false;
  throw new UsageError(`the security option ${option} is true or false, not "${printable(value)}"`);
}

function paths(option: string, value: string | undefined): string[] {
  if (value !== undefined && value !== "") return value.split(":");
  throw new UsageError(`the security option ${option} takes paths`, {
    hint: `write --security-opt ${option}=/proc/acpi`,
  });
}

/** The one seccomp profile of those that were given. */
function profile(given: readonly (string | undefined)[]): string | undefined {
  const [first, second] = given.filter((one) => one !== undefined);
  if (second !== undefined) throw new UsageError("there are two seccomp profiles", { hint: "leave one out" });
  if (first === "") {
    throw new UsageError("the seccomp profile has no name", { hint: "write --seccomp FILE or --seccomp unconfined" });
  }
  return first;
}

function readSecurityOptions(flags: Parsed): SecurityOptions {
  let found: SecurityOptions = {};
  for (const text of flags.values("security-opt")) {
    const [, option = "", value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(text) ?? [];
    switch (option) {
      case "writable-cgroups":
        found = { ...found, writableCgroups: truth(option, value) };
        break;
      case "no-new-privileges":
        found = { ...found, noNewPrivileges: truth(option, value) };
        break;
      case "seccomp":
        found = { ...found, seccomp: profile([found.seccomp, value ?? ""]) ?? "" };
        break;
      case "apparmor":
        if (found.apparmor !== undefined) {
          throw new UsageError("there are two AppArmor profiles", { hint: "leave one out" });
        }
        found = { ...found, apparmor: value ?? "" };
        break;
      case "label":
        found = { ...found, selinux: parseLabel(value ?? "", found.selinux) };
        break;
      case "proc-opts":
        found = { ...found, procOptions: [...found.procOptions ?? [], ...(value ?? "").split(",")] };
        break;
      case "mask":
      case "unmask":
        found = { ...found, [option]: [...found[option] ?? [], ...paths(option, value)] };
        break;
      default:
        throw new UsageError(`libflux has no security option "${printable(text)}"`, {
          hint: "it has apparmor, label, mask, no-new-privileges, proc-opts, seccomp, unmask and writable-cgroups",
        });
    }
  }
  return found;
}

function readSysctls(flags: Parsed): Record<string, string> | undefined {
  const given = flags.values("sysctl");
  if (given.length === 0) return undefined;
  return Object.fromEntries(given.map((text) => {
    const at = text.indexOf("=");
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
    throw new UsageError(`"${printable(text)}" sets no sysctl`, { hint: "write --sysctl net.core.somaxconn=1024" });
  }));
}

/** Reads them; what wasn't given is undefined. Throws a `UsageError`. */
export function readSecurity(flags: Parsed): Readonly<Record<keyof SecurityOptions, unknown>> {
  const { apparmor, mask, noNewPrivileges, procOptions, seccomp, selinux, unmask, writableCgroups } =
    readSecurityOptions(flags);
  return {
    privileged: flags.on("privileged"),
    capAdd: listed(flags, "cap-add"),
    capDrop: listed(flags, "cap-drop"),
    sysctls: readSysctls(flags),
    seccomp: profile([flags.value("seccomp"), seccomp]),
    ...{ apparmor, mask, noNewPrivileges, procOptions, selinux, unmask, writableCgroups },
  };
}
