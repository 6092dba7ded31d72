/**
 * Every kind of namespace, made once in a child.
 *
 * @module
 */
import { CLONE, or } from "../../ffi/abi/constants.ts";
import type { Caller } from "./caller.ts";
import { type Feature, tried } from "./feature.ts";
import { attempt } from "./probe.ts";

interface Kind {
  readonly name: string;
  readonly flag: keyof typeof CLONE;
  readonly required: boolean;
  readonly effect: string;
  /** The kernel's configuration option. */
  readonly option: string;
}

const KINDS: readonly Kind[] = [
  {
    name: "mount",
    flag: "CLONE_NEWNS",
    required: true,
    effect: "no container can have a root filesystem of its own",
    option: "CONFIG_NAMESPACES",
  },
  {
    name: "pid",
    flag: "CLONE_NEWPID",
    required: true,
    effect: "containers can't have processes of their own: only --pid host works",
    option: "CONFIG_PID_NS",
  },
  {
    name: "ipc",
    flag: "CLONE_NEWIPC",
    required: true,
    effect: "containers can't have shared memory of their own: only --ipc host works",
    option: "CONFIG_IPC_NS",
  },
  {
    name: "uts",
    flag: "CLONE_NEWUTS",
    required: true,
    effect: "containers can't have a host name of their own: only --uts host works",
    option: "CONFIG_UTS_NS",
  },
  {
    name: "cgroup",
    flag: "CLONE_NEWCGROUP",
    required: true,
    effect: "containers would see the host's cgroups",
    option: "CONFIG_CGROUPS",
  },
  {
    name: "network",
    flag: "CLONE_NEWNET",
    required: true,
    effect: "containers can't have a network of their own: only --network host works",
    option: "CONFIG_NET_NS",
  },
  {
    name: "user",
    flag: "CLONE_NEWUSER",
    required: false,
    effect: "no container without root, none with users of its own, and no id-mapped mount",
    option: "CONFIG_USER_NS",
  },
  {
    name: "time",
    flag: "CLONE_NEWTIME",
    required: false,
    effect: "containers can't have clocks of their own",
    option: "CONFIG_TIME_NS, which needs Linux 5.6",
  },
];

/** What lets this caller make other namespaces: nothing, or a user namespace with them. */
export const withUser = ({ privileged }: Caller): number => privileged ? 0 : CLONE.CLONE_NEWUSER;

/** How something worked for this caller. */
export const works = ({ privileged }: Caller): string => privileged ? "works" : "works with a user namespace";

/** Tries every kind of namespace, each in a child of its own. */
export function namespaces(caller: Caller): Promise<Feature[]> {
  return Promise.all(KINDS.map(async ({ name, flag, required, effect, option }) => {
    const outcome = await attempt(
      flag === "CLONE_NEWTIME"
        // Not with clone3: a new time namespace needs a memory of its own, and the stub shares ours.
        ? {
          flags: withUser(caller),
          fill: (b) => b.syscall("unshare", [or(CLONE, flag)], { label: "unshare the time namespace" }),
        }
        : { flags: CLONE[flag] | withUser(caller) },
    );
    const wanted = {
      name: `${name} namespace`,
      required: required || (name === "user" && !caller.privileged),
      effect,
      remedy: `use a kernel with ${option}`,
    };
    return tried(wanted, outcome, name === "user" ? "works" : works(caller));
  }));
}
