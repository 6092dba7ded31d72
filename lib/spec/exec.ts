/**
 * What a caller may say about a command in a container that runs, and what it stands for: the container's specification
 * with another process. Pure.
 *
 * @module
 */
import { parsePasswd, resolveUser } from "../users.ts";
import { accountOf } from "./build.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { RunOptions } from "./options.ts";
import type { Capabilities, Process, Spec } from "./types.ts";

/**
 * What {@linkcode exec} makes a command of.
 *
 * @example A command with a variable of its own
 * ```ts
 * import { exec, type ExecOptions, run } from "@libflux/cli/mod";
 *
 * await using container = await run({ command: ["sleep", "60"] });
 * const options: ExecOptions = { command: ["sh", "-c", "echo $GREETING"], env: { GREETING: "hello" } };
 * await using session = await exec(container.name, options);
 * console.log(await new Response(session.stdout).text()); // "hello"
 * ```
 */
export interface ExecOptions extends
  Pick<
    RunOptions,
    "command" | "user" | "workdir" | "env" | "root" | "stdin" | "stdout" | "stderr" | "terminal" | "signal"
  > {
  /**
   * Give it all capabilities that libflux has, no seccomp filter and no profile of an LSM's, and let set-id programs give
   * it more; false if left out. Whoever is root in it can be root of the host at will, but for user namespaces.
   */
  readonly privileged?: boolean;
}

/** What the container and the host say. */
export interface ExecFacts {
  /** The container's own `/etc/passwd` and `/etc/group`; asked where a user is named. */
  readonly text: (path: string) => string;
  /** The capabilities that libflux itself has, or root of the container's user namespace; asked for `privileged`. */
  readonly capabilities: () => readonly string[];
}

/** The container's specification, with the process that is to enter it. Throws a `UsageError` where that can't be. */
export function execSpec(spec: Spec, options: ExecOptions, facts: ExecFacts): Spec {
  const { seccomp, ...linux } = spec.linux ?? {};
  const { apparmorProfile, selinuxLabel, capabilities = {}, terminal: _, ...process } = spec.process;
  const { user, home } = whoOf(spec, options, facts);
  const labels = {
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
    ...(selinuxLabel === undefined ? {} : { selinuxLabel }),
  };
  const isPrivileged = options.privileged === true;
  return {
    ...spec,
    process: {
      ...process,
      ...(options.terminal === undefined ? {} : { terminal: true }),
      args: options.command,
      cwd: options.workdir ?? process.cwd,
      env: environment(process.env, { ...home, ...terminalType(process.env, options), ...options.env }),
      user,
      capabilities: isPrivileged
        ? capabilitiesOf(user.uid, { privileged: true }, facts.capabilities)
        : capabilitiesFor(user.uid, spec.process.user.uid, capabilities),
      ...(isPrivileged ? { noNewPrivileges: false } : labels),
    },
    linux: { ...linux, ...(isPrivileged || seccomp === undefined ? {} : { seccomp }) },
  };
}

/** Who runs it, and the home of who isn't the container's own user. */
function whoOf(
  { process, linux = {} }: Spec,
  { user }: ExecOptions,
  { text }: ExecFacts,
): { readonly user: Process["user"]; readonly home: Readonly<Record<string, string>> } {
  const own = process.user;
  if (user === undefined) return { user: own, home: {} };
  const { uidMappings: uids, gidMappings: gids } = linux;
  const passwd = text("/etc/passwd");
  const ids = uids === undefined || gids === undefined ? undefined : { uids, gids };
  const { uid, gid, groups, home } = accountOf({ user }, { passwd, group: text("/etc/group"), ids });
  // A home that the caller of the container has chosen stays.
  const usual = resolveUser(String(own.uid), parsePasswd(passwd), []).home;
  const isUsual = process.env?.every((entry) => !entry.startsWith("HOME=") || entry === `HOME=${usual}`) !== false;
  return {
    user: {
      uid,
      gid,
      ...(groups.length === 0 ? {} : { additionalGids: groups }),
      ...(own.umask === undefined ? {} : { umask: own.umask }),
    },
    home: isUsual ? { HOME: home } : {},
  };
}

const hasVariable = (env: readonly string[] = [], name: string): boolean =>
  env.some((entry) => entry.startsWith(`${name}=`));

function terminalType(env: readonly string[] | undefined, { terminal }: ExecOptions): Readonly<Record<string, string>> {
  return terminal === undefined || hasVariable(env, "TERM") ? {} : { TERM: "xterm" };
}

/** The container's environment, with variables put into it. */
function environment(env: readonly string[] = [], added: Readonly<Record<string, string>>): string[] {
  const kept = env.filter((entry) => !Object.hasOwn(added, entry.slice(0, entry.indexOf("="))));
  return [...kept, ...Object.entries(added).map(([key, value]) => `${key}=${value}`)];
}

/**
 * The container's own user has what the container's command has, root all that there is in the container, and any other
 * nothing.
 */
function capabilitiesFor(uid: number, own: number, capabilities: Capabilities): Capabilities {
  if (uid === own) return capabilities;
  const { bounding = [] } = capabilities;
  return uid === 0
    ? { bounding, effective: bounding, permitted: bounding }
    : { bounding, effective: [], permitted: [] };
}
