/**
 * What `run` would do.
 *
 * @module
 */
import { listing } from "../ffi/listing.ts";
import { cloneFlags, hasNetworkBeside, joinedNetwork } from "./compile/mod.ts";
import { CLONE } from "../ffi/abi/constants.ts";
import { describeDevices } from "./cgroups/device_rules.ts";
import { networkOf } from "./connect.ts";
import { compileProgram, prepare, withDefaults } from "./prepare.ts";
import { describeSeccomp } from "./seccomp/describe.ts";
import type { IdMaps } from "./spec/id_maps.ts";
import type { RunOptions } from "./spec/options.ts";
import { mayBeConfined } from "./selinux.ts";
import { layOut } from "./streams.ts";
import type { Spec } from "./spec/types.ts";

/**
 * What {@linkcode explain} tells.
 *
 * @example How long is the program?
 * ```ts
 * import { explain, type Explanation } from "@libflux/cli/mod";
 *
 * const { instructions, spec }: Explanation = explain({ command: ["true"] });
 * console.log(instructions, spec.process.args);
 * ```
 */
export interface Explanation {
  /** The OCI runtime-spec object that the options stand for. */
  readonly spec: Spec;
  /** The launch program: each step in words, below it its syscalls. */
  readonly listing: string;
  /** The number of its instructions. */
  readonly instructions: number;
}

/**
 * Compiles a container and runs nothing: needs no root and changes nothing.
 *
 * @param options As for {@linkcode run}.
 * @throws {UsageError} Wrong options.
 * @throws {ImageError} No image, or not one.
 *
 * @example Where does libflux mount what?
 * ```ts
 * import { explain } from "@libflux/cli/mod";
 *
 * const { listing } = explain({ image: "/", command: ["true"] });
 * console.log(listing.split("\n").filter((line) => line.startsWith("mount")).join("\n"));
 * ```
 */
export function explain(options: RunOptions): Explanation {
  const nulls = layOut(options, mayBeConfined(options)).flatMap((how, index) => how === "null" ? [index] : []);
  const named = withDefaults(options);
  const prepared = prepare(named, nulls);
  const { spec, cgroups } = prepared;
  const program = compileProgram(prepared, named);
  const flags = cloneFlags(spec);
  const names = Object.entries(CLONE).filter(([name, value]) =>
    name.startsWith("CLONE_NEW") && value < 2 ** 32 && (flags & value) !== 0
  ).map(([name]) => name);
  // Nothing can be born in a scope of a user's own systemd: it is put there.
  if (cgroups.unified !== undefined && cgroups.scope?.user !== true) names.push("CLONE_INTO_CGROUP");
  const joined = joinedNetwork(spec);
  const beside = joined !== undefined
    ? `libflux, on the host: open the network namespace to join\n     openat(AT_FDCWD, "${joined}", O_RDONLY)\n`
    : hasNetworkBeside(spec)
    ? "libflux, on the host, beside all else: make a network namespace, bring up its lo\n" +
      "     unshare(CLONE_NEWNET)\n"
    : "";
  const network = networkOf(named);
  const ports = (named.ports ?? []).map(({ hostAddress = "", hostPort = "a free one", containerPort, protocol }) =>
    `     the port ${
      hostAddress === "" ? "" : `${hostAddress} `
    }${hostPort}/${protocol} of the host to ${containerPort}\n`
  );
  const place = named.network === "pasta"
    ? `libflux, on the host, while the program mounts: start pasta, which connects the container in user mode
     pasta --config-net --ns-ifname eth0 --no-map-gw … --netns /proc/self/fd/0
${ports.join("")}`
    : network === undefined
    ? ""
    : `libflux, on the host, while the program mounts: a place on the network ${network}
     eth0: a link into its bridge, with an address, and a route by it
${ports.join("")}`;
  const groups = [
    ...cgroups.directories.map((directory) => `     mkdir("${directory}")\n`),
    ...cgroups.writes.map(({ directory, file, value }) => `     write("${directory}/${file}", "${value}")\n`),
  ];
  const { scope } = cgroups;
  const asked = scope === undefined ? "" : `libflux, on the host: ask systemd for a scope of the container's own
     busctl ${scope.user ? "--user" : "--system"} call … StartTransientUnit("${scope.unit}" in ${scope.slice})\n`;
  const limits = groups.length === 0 ? "" : `libflux, on the host: make the container's cgroups\n${groups.join("")}`;
  const devices = cgroups.devices === undefined ? "" : describeDevices(cgroups.devices);
  const { ids } = prepared;
  const users = ids === undefined ? "" : describeUsers(ids, prepared.launch.hasMappedImage === true, spec.root.path);
  const before =
    `${beside}${asked}${limits}${devices}libflux, on the host: clone a process into new namespaces, let it execute the program below
     clone3({flags: ${["CLONE_VM", "CLONE_PIDFD", ...names].join("|")}})
${users}     execveat(memfd, "", AT_EMPTY_PATH)\n${place}`;
  const seccomp = spec.linux?.seccomp;
  const filter = seccomp === undefined ? "" : describeSeccomp(seccomp);
  return { spec, listing: before + listing(program) + filter, instructions: program.instructions.length };
}

/** What the host does for a user namespace, before the program is executed. */
function describeUsers({ uids, gids, writer }: IdMaps, isMapped: boolean, image: string): string {
  const maps = [["uid", uids], ["gid", gids]] as const;
  const lines = maps.map(([what, lines]) => {
    const all = lines.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`);
    return writer === "tools"
      ? `     new${what}map PID ${all.join(" ")}\n`
      : `     write("/proc/PID/${what}_map", "${all.join("\\n")}\\n")\n`;
  });
  const denied = writer === "self" ? '     write("/proc/PID/setgroups", "deny")\n' : "";
  const sent = isMapped ? `     mount_setattr(open_tree("${image}"), MOUNT_ATTR_IDMAP), and send it\n` : "";
  return denied + lines.join("") + sent;
}
