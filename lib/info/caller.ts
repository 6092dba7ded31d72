/**
 * Who asks, and what that user may do with user namespaces.
 *
 * @module
 */
import { CAPABILITIES } from "../spec/capabilities.ts";
import { DEFAULT_CAPABILITIES } from "../spec/defaults.ts";
import { ENOUGH, parseIdRanges, rangesRemedy } from "../spec/id_ranges.ts";
import { parsePasswd } from "../users.ts";
import { type Feature, found, missing, type Wanted } from "./feature.ts";
import { readText } from "./read.ts";

/** The user who asks. */
export interface Caller {
  /** The effective user id. */
  readonly uid: number;
  /** Whether CAP_SYS_ADMIN is in effect. */
  readonly privileged: boolean;
  /** What `run` takes and isn't in effect. */
  readonly lacking: readonly string[];
}

/** Besides those that a container has by default, which only who has them can give. */
const NEEDED = [...DEFAULT_CAPABILITIES, "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"];

/** Reads who this process is, from `/proc/self/status`. */
export function caller(): Caller {
  return parseStatus(readText("/proc/self/status") ?? "");
}

/** Reads the `Uid:` and `CapEff:` lines of a `status` file (`man 5 proc_pid_status`). */
export function parseStatus(status: string): Caller {
  const uid = /^Uid:\t\d+\t(\d+)/m.exec(status)?.[1] ?? "65534";
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const bits = BigInt(`0x${effective}`);
  const lacking = NEEDED.filter((name) => (bits >> BigInt(CAPABILITIES.findIndex((one) => one === name)) & 1n) === 0n);
  return { uid: Number(uid), privileged: !lacking.includes("CAP_SYS_ADMIN"), lacking };
}

/** Whether the caller is root with all it takes. */
export function privileges({ uid, lacking }: Caller): Feature {
  const wanted: Wanted = {
    name: "privileges",
    // An ordinary user gets them in a user namespace.
    required: uid === 0,
    effect: uid === 0
      ? "making a container takes them"
      : "containers get a user namespace, are connected by pasta and not by a bridge, and have limits only where cgroups are delegated",
    remedy: uid === 0 ? `have this container or sandbox grant ${lacking.join(", ")}` : "run libflux with sudo",
  };
  if (uid !== 0) return missing(wanted, `uid ${uid}`);
  return lacking.length === 0 ? found(wanted, "uid 0, with all capabilities that it takes") : missing(
    wanted,
    `uid 0, without ${lacking.join(", ")}`,
  );
}

/**
 * Whether the caller has ids for more users than one.
 *
 * @param uids The content of `/etc/subuid`. @param gids Of `/etc/subgid`. @param passwd Of `/etc/passwd`.
 */
export function subordinateIds({ uid }: Caller, uids: string, gids: string, passwd: string): Feature {
  const user = parsePasswd(passwd).find((entry) => entry.uid === uid)?.name ?? String(uid);
  const [subuids, subgids] = [parseIdRanges(uids), parseIdRanges(gids)];
  const own = [subuids, subgids].map((ranges) => ranges.filter(({ owner }) => owner === user || owner === String(uid)));
  const wanted: Wanted = {
    name: "subuid and subgid",
    required: false,
    effect: "a container of this user has one user inside, root: images whose files have other owners can't be used",
    remedy: rangesRemedy({ name: user, subuids, subgids }),
  };
  const [shownUids = "none", shownGids = "none"] = own.map((ranges) =>
    ranges.map(({ start, count }) => `${start}-${start + count - 1}`).join(",") || "none"
  );
  const value = `uids ${shownUids}, gids ${shownGids}`;
  if (uid === 0) {
    return found(wanted, shownUids === "none" && shownGids === "none" ? "none, and root needs none" : value);
  }
  const enough = own.every((ranges) => ranges.reduce((sum, { count }) => sum + count, 0) >= ENOUGH);
  return enough ? found(wanted, value) : missing(wanted, value);
}

/** The settings that keep ordinary users from user namespaces; those that this kernel doesn't have are left out. */
export function restrictions({ privileged }: Pick<Caller, "privileged">): Feature[] {
  const effect = "ordinary users can't make user namespaces";
  const settings = [
    {
      key: "user.max_user_namespaces",
      allowed: (value: number) => value > 0,
      remedy: "sysctl -w user.max_user_namespaces=65536",
    },
    {
      // Debian's and Arch's own.
      key: "kernel.unprivileged_userns_clone",
      allowed: (value: number) => value !== 0,
      remedy: "sysctl -w kernel.unprivileged_userns_clone=1",
    },
    {
      // Ubuntu's, since 23.10.
      key: "kernel.apparmor_restrict_unprivileged_userns",
      allowed: (value: number) => value === 0,
      remedy: `put "abi <abi/4.0>, profile libflux ${Deno.execPath()} flags=(unconfined) { userns, }" into ` +
        "/etc/apparmor.d/libflux and load it with: apparmor_parser -r /etc/apparmor.d/libflux",
    },
  ];
  return settings.flatMap(({ key, allowed, remedy }) => {
    const text = readText(`/proc/sys/${key.replaceAll(".", "/")}`)?.trim();
    if (text === undefined) return [];
    const wanted: Wanted = { name: key, required: !privileged, effect, remedy };
    return [allowed(Number(text)) ? found(wanted, text) : missing(wanted, text)];
  });
}
