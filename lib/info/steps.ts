/**
 * What `run` does with its privileges, step by step, done here in the same way: which of them the caller lacks shows in
 * the step that fails, whether capabilities were dropped or belong to a user namespace that doesn't own this host.
 *
 * @module
 */
import { CLONE } from "../../ffi/abi/constants.ts";
import { ARCHITECTURE, SyscallError } from "../../ffi/libc.ts";
import { networkNamespace } from "../../ffi/network_namespace.ts";
import type { ProgramBuilder } from "../../ffi/program.ts";
import { Context, type Launch, named } from "../compile/context.ts";
import { CAPABILITIES } from "../spec/capabilities.ts";
import { credentials } from "../compile/credentials.ts";
import { populateDevices } from "../compile/devices.ts";
import { clearUmask } from "../compile/isolate.ts";
import { refusalOf } from "../refusal.ts";
import { buildSpec } from "../spec/build.ts";
import type { Caller } from "./caller.ts";
import { type Feature, found, tried, type Wanted } from "./feature.ts";
import { attempt } from "./probe.ts";

const LAUNCH: Launch = {
  architecture: ARCHITECTURE,
  writable: false,
  init: false,
  files: [],
  nullStreams: [],
  ignoredSignals: [],
  rlimits: [],
  lastCapability: CAPABILITIES.length - 1,
  legacyGroups: [],
  kinds: new Map(),
};

function contextOf(builder: ProgramBuilder): Context {
  const nobody = { passwd: "", group: "", hostname: "probe", cgroupsPath: "/probe", architecture: ARCHITECTURE };
  return new Context(
    buildSpec({ command: ["true"] }, { name: "probe", id: "", image: "/", ...nobody }),
    LAUNCH,
    builder,
  );
}

const OUTSIDE = "run libflux as root of this host itself, outside of other containers and of user namespaces";

async function devices(): Promise<Feature> {
  const wanted: Wanted = {
    name: "device nodes",
    required: true,
    effect: "no container can have a /dev",
    remedy: `give libflux CAP_MKNOD; where it has that already, ${OUTSIDE}`,
  };
  const outcome = await attempt({
    flags: CLONE.CLONE_NEWNS,
    fill: (builder) => {
      const context = contextOf(builder);
      clearUmask(context);
      const dev = context.filesystem("tmpfs", [["source", "tmpfs"]], named(0, "0"), {
        label: "mount a tmpfs for /dev",
      });
      populateDevices(context, dev, "mounts");
    },
  });
  return tried(wanted, outcome, "works", wanted.remedy);
}

async function drop(): Promise<Feature> {
  const wanted: Wanted = {
    name: "credentials",
    required: true,
    effect: "a command can't be given a user and the capabilities that containers have",
    remedy: "give libflux CAP_SETPCAP, CAP_SETUID, CAP_SETGID and all capabilities that containers have by default",
  };
  const outcome = await attempt({ flags: 0, fill: (builder) => credentials(contextOf(builder)) });
  return tried(wanted, outcome, "works", wanted.remedy);
}

async function network(): Promise<Feature> {
  const wanted: Wanted = {
    name: "network with lo up",
    required: true,
    effect: "containers can't have a network of their own: only --network host works",
    remedy: "use a kernel with CONFIG_NET_NS",
  };
  try {
    (await networkNamespace()).close();
    return found(wanted, "works");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const { step = error.syscall, hint } = refusalOf(error.syscall) ?? {};
    return tried(wanted, { errno: error.errno, step }, "", hint);
  }
}

/** Tries the steps; nobody without CAP_SYS_ADMIN gets as far as the first. */
export async function steps({ privileged }: Caller): Promise<Feature[]> {
  return privileged ? [await devices(), await drop(), await network()] : [];
}
