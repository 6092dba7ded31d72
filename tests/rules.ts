/**
 * The rules of security, by their numbers, and the holes that each one closes. Each has a test that tries the attack and says
 * so in its name, as "rule 7: … (CVE-2021-30465)".
 *
 * @module
 */

/** A rule. */
export interface Rule {
  readonly about: string;
  /** What a test has to name. */
  readonly cves: readonly string[];
  /** What of it libflux has no use for yet, and why. */
  readonly open?: string;
  /** Whether that is all of it. */
  readonly untested?: true;
}

/** All of them. */
export const RULES: Readonly<Record<number, Rule>> = {
  1: { about: "nothing of the host's executable is reachable", cves: ["CVE-2019-5736"] },
  2: { about: "descriptors and the working directory", cves: ["CVE-2024-21626"] },
  3: { about: "nobody looks into the host's process", cves: ["CVE-2016-9962"] },
  4: { about: "setgroups before a gid map", cves: ["CVE-2014-8989"] },
  5: { about: "names and paths of cgroups", cves: [] },
  6: { about: "a session keyring of its own", cves: [] },
  7: { about: "pivot first, mount after, by descriptor", cves: ["CVE-2021-30465", "CVE-2024-45310"] },
  8: {
    about: "proc and sysfs only on real directories",
    cves: ["CVE-2019-16884", "CVE-2019-19921", "CVE-2023-27561", "CVE-2023-28642"],
  },
  9: { about: "writes to /proc through a procfs of its own", cves: ["CVE-2025-52881"], open: "labels of an LSM" },
  10: { about: "the source of a mask is the null device", cves: ["CVE-2025-31133"] },
  11: { about: "devices and the console", cves: ["CVE-2025-52565", "CVE-2026-41579", "CVE-2026-47766"] },
  12: { about: "the host's /dev/null is reopened inside", cves: [] },
  13: { about: "masked and read-only paths", cves: [] },
  14: { about: "no cgroup is writable", cves: ["CVE-2022-0492", "CVE-2023-25809"] },
  15: { about: "default capabilities, none inheritable", cves: ["CVE-2020-14386", "CVE-2022-29162"] },
  16: { about: "the order in which privileges are given up", cves: [] },
  17: {
    about: "users are parsed strictly, and who enters a container is restricted as all in it",
    cves: ["CVE-2019-14271", "CVE-2026-30892", "CVE-2022-27650"],
  },
  18: { about: "the caller's terminal is never shared", cves: ["CVE-2017-5226"] },
  19: { about: "the default seccomp profile", cves: ["CVE-2019-10063"] },
  20: { about: "device nodes", cves: [] },
  21: { about: "archives", cves: [], open: "images", untested: true },
  22: { about: "state files", cves: [] },
  23: { about: "wrong input gets one sentence", cves: [] },
};
