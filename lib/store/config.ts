/**
 * `config.json` of a container: the specification that it was made of, for whoever looks at it or enters it later.
 *
 * It is there from the moment on that the container's command runs, and not before: who enters a container that is still
 * being made would find it without its walls.
 *
 * @module
 */
import { ARCHITECTURE } from "../../ffi/libc.ts";
import { isCapability } from "../spec/capabilities.ts";
import { defaultSeccomp, isDefault } from "../seccomp/filters.ts";
import { ACTIONS, ARCHITECTURES, FLAGS, OPERATORS, type Seccomp, type SeccompArgument } from "../seccomp/types.ts";
import { isWhole, RLIMITS } from "../spec/limits.ts";
import type { NamespaceType, Spec } from "../spec/types.ts";
import { completeFile, readState, writePartial } from "./directory.ts";
import type { Store } from "./state.ts";

/** What of the launch isn't in the specification. */
export interface LaunchFacts {
  /** Whether libflux's own PID 1 is above the command. */
  readonly init: boolean;
  /** Whether changes go into the image. */
  readonly writable: boolean;
  /** Whether the command is in the groups that libflux itself was in. */
  readonly keepGroups?: boolean;
  /** Whether the command was kept from lifting limits of v1. */
  readonly guardsLegacyGroups?: boolean;
  /** Where AppArmor's files of a process are in `/proc`. */
  readonly appArmorAttributes?: string;
}

/** What `config.json` holds. */
export interface ContainerConfig {
  /** The container's: its name may be another's by the time that this is read. */
  readonly id: string;
  readonly spec: Spec;
  readonly launch: LaunchFacts;
}

const NAME = "config.json";

/**
 * Writes the configuration beside its place, while the container is being made.
 *
 * @param directory The container's.
 * @returns Puts it there: to be called when the command runs.
 */
export function writeConfig(directory: string, config: ContainerConfig): () => void {
  const path = `${directory}/${NAME}`;
  writePartial(path, serialize(config));
  return () => completeFile(path);
}

/** A configuration as text. libflux's own profile of syscalls, which is longer than all else, is only named. */
export function serialize({ id, spec, launch }: ContainerConfig): string {
  const { seccomp } = spec.linux ?? {};
  if (seccomp === undefined) return JSON.stringify({ id, spec, seccomp: "none", launch });
  if (!isDefault(seccomp)) {
    // Numbers of 64 bits: JSON has none.
    const digits = (_: string, value: unknown): unknown => typeof value === "bigint" ? String(value) : value;
    return JSON.stringify({ id, spec, seccomp: "own", launch }, digits);
  }
  const others = { ...spec, linux: { ...spec.linux, seccomp: undefined } };
  return JSON.stringify({ id, spec: others, seccomp: "default", launch });
}

/** What a container was made of; nothing where its command doesn't run yet, or its file is no configuration. */
export function readConfig(store: Store, name: string): ContainerConfig | undefined {
  return parseConfig(readState(`${store.directory(name)}/${NAME}`));
}

/** Reads a configuration as what it is: a file that somebody else may have written. */
export function parseConfig(text: string | undefined): ContainerConfig | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { id, spec, launch, seccomp } = value;
  if (typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id) || !isSpec(spec) || !isFacts(launch)) return undefined;
  const { linux, process } = spec;
  switch (seccomp) {
    case "none":
      return linux?.seccomp === undefined ? { id, spec, launch } : undefined;
    case "own": {
      const own = filterOf(linux?.seccomp);
      return own === undefined ? undefined : { id, spec: { ...spec, linux: { ...linux, seccomp: own } }, launch };
    }
    case "default": {
      const usual = defaultSeccomp(ARCHITECTURE, process.capabilities?.bounding ?? []);
      return { id, spec: { ...spec, linux: { ...linux, seccomp: usual } }, launch };
    }
    default:
      return undefined;
  }
}

type Json = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** No text goes to the kernel that ends before it ends. */
const isText: Check = (value) => typeof value === "string" && !value.includes("\0");
const isPath: Check = (value) => isText(value) && String(value).startsWith("/");
const isSwitch: Check = (value) => typeof value === "boolean";
const isNumber = (least: number, most: number): Check => (value) =>
  typeof value === "number" && isWhole(value, least, most);
const oneOf = (all: readonly string[]): Check => (value) => typeof value === "string" && all.includes(value);
const listOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const orNothing = (check: Check): Check => (value) => value === undefined || check(value);
/** An object whose fields are as they must be; others may be anything. */
const shaped = (fields: Readonly<Record<string, Check>>): Check => (value) =>
  isObject(value) && Object.entries(fields).every(([key, check]) => check(value[key]));

/** 2³² − 1 means "no change" to the kernel. */
const isId = isNumber(0, 2 ** 32 - 2);
const capabilities = orNothing(listOf((value) => typeof value === "string" && isCapability(value)));
/** Up to infinity, which is no safe number of JavaScript's. */
const isLimit: Check = (value) => typeof value === "number" && value >= 0;
const KINDS: readonly NamespaceType[] = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];
const mappings = orNothing(listOf(shaped({ containerID: isId, hostID: isId, size: isId })));

const SPEC = shaped({
  ociVersion: isText,
  root: shaped({ path: isPath, readonly: orNothing(isSwitch) }),
  mounts: orNothing(listOf(shaped({
    destination: isPath,
    type: orNothing(isText),
    source: orNothing(isText),
    options: orNothing(listOf(isText)),
  }))),
  process: shaped({
    cwd: isPath,
    args: (value) => listOf(isText)(value) && (value as unknown[]).length > 0,
    env: orNothing(listOf(isText)),
    terminal: orNothing(isSwitch),
    user: shaped({
      uid: isId,
      gid: isId,
      additionalGids: orNothing(listOf(isId)),
      umask: orNothing(isNumber(0, 0o777)),
    }),
    capabilities: orNothing(shaped({
      ...{ bounding: capabilities, effective: capabilities, permitted: capabilities },
      ...{ inheritable: capabilities, ambient: capabilities },
    })),
    rlimits: orNothing(listOf(shaped({ type: oneOf(RLIMITS), soft: isLimit, hard: isLimit }))),
    noNewPrivileges: orNothing(isSwitch),
    oomScoreAdj: orNothing(isNumber(-1000, 1000)),
    apparmorProfile: orNothing(isText),
    selinuxLabel: orNothing(isText),
  }),
  hostname: orNothing(isText),
  annotations: orNothing((value) => isObject(value) && Object.values(value).every(isText)),
  linux: orNothing(shaped({
    namespaces: orNothing(listOf(shaped({ type: oneOf(KINDS), path: orNothing(isPath) }))),
    uidMappings: mappings,
    gidMappings: mappings,
    maskedPaths: orNothing(listOf(isPath)),
    readonlyPaths: orNothing(listOf(isPath)),
  })),
});

const FACTS = shaped({
  init: isSwitch,
  writable: isSwitch,
  keepGroups: orNothing(isSwitch),
  guardsLegacyGroups: orNothing(isSwitch),
  // What the launch program writes to: nothing else in there.
  appArmorAttributes: orNothing(oneOf(["self/attr/apparmor", "self/attr"])),
});

const isSpec = (value: unknown): value is Spec => SPEC(value);
const isFacts = (value: unknown): value is LaunchFacts => FACTS(value);

const isAction = oneOf(Object.keys(ACTIONS));
const isErrno = orNothing(isNumber(0, 0xffff));
/** A number of 64 bits: as digits where it is none of JavaScript's. */
const isWide: Check = (value) => isNumber(0, Number.MAX_SAFE_INTEGER)(value) || /^\d{1,20}$/.test(String(value));
const isFilter = shaped({
  defaultAction: isAction,
  defaultErrnoRet: isErrno,
  architectures: orNothing(listOf(oneOf(ARCHITECTURES))),
  flags: orNothing(listOf(oneOf(Object.keys(FLAGS)))),
  syscalls: orNothing(listOf(shaped({
    names: listOf(isText),
    action: isAction,
    errnoRet: isErrno,
    args: orNothing(listOf(shaped({
      index: isNumber(0, 5),
      value: isWide,
      valueTwo: orNothing(isWide),
      op: oneOf(OPERATORS),
    }))),
  }))),
});

/** A profile of the caller's own, with its wide numbers as such. */
function filterOf(value: unknown): Seccomp | undefined {
  if (!isFilter(value)) return undefined;
  const wide = (one: unknown): number | bigint => typeof one === "string" ? BigInt(one) : Number(one);
  const argument = (arg: SeccompArgument): SeccompArgument => ({
    ...arg,
    value: wide(arg.value),
    ...(arg.valueTwo === undefined ? {} : { valueTwo: wide(arg.valueTwo) }),
  });
  const seccomp = value as Seccomp;
  return {
    ...seccomp,
    ...(seccomp.syscalls === undefined ? {} : {
      syscalls: seccomp.syscalls.map((call) =>
        call.args === undefined ? call : { ...call, args: call.args.map(argument) }
      ),
    }),
  };
}
