/**
 * What every step of the compiler works on.
 *
 * @module
 */
import { AT, E, FSCONFIG, FSMOUNT, FSOPEN, type Named, type O, openFlags, or } from "../../ffi/abi/constants.ts";
import type { Architecture } from "../../ffi/abi/syscalls.ts";
import { type Meaning, type Operand, ProgramBuilder, type Reference, type Slot } from "../../ffi/program.ts";
import type { Adopted, Part } from "../rootfs/parts.ts";
import type { Mount, Rlimit, Spec } from "../spec/types.ts";

/** The descriptors that a launch program finds open, besides its three streams. */
export const CHILD = {
  /** Where the interpreter reports a failed instruction; its end-of-file means "started". */
  report: 3,
  /** Where a reaping init writes the command's raw wait status. */
  status: 4,
  /** Its end-of-file means that the monitor is gone: a reaping init ends too. */
  lifeline: 5,
  /** One byte that the host writes when its own part is done; end-of-file where it died before. */
  sync: 6,
  /** A Unix socket that takes the master of the container's terminal. */
  console: 7,
  /** The network namespace that libflux has made beside. */
  network: 8,
  /** A Unix socket from which the image comes, as a mount with the container's users, or the root that is served. */
  image: 9,
} as const;

/** What the host knows and a pure compiler must be told. */
export interface Launch {
  readonly architecture: Architecture;
  /** Write into the image instead of into an overlay. */
  readonly writable: boolean;
  /** Let the device nodes of the image's, and those that the container makes, open their devices; they don't if left out. */
  readonly openDevices?: boolean;
  /** Without a reaping PID 1, end the command with its parent, which is a monitor. */
  readonly endsWithParent?: boolean;
  /** Run the command below a reaping PID 1. */
  readonly init: boolean;
  /** Files to put over the image's own: `/etc/hosts` and its like. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** The size of the terminal, where the command gets one. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Streams (0, 1, 2) to point at the container's own `/dev/null`. */
  readonly nullStreams: readonly number[];
  /** Numbers of the signals that libflux ignores for itself, as Deno does SIGPIPE, and exec would pass on. */
  readonly ignoredSignals: readonly number[];
  /** The highest number that the kernel has a capability of: it may know more of them than libflux. */
  readonly lastCapability: number;
  /** The limits that libflux itself has, and PID 1 with it, of those that the spec changes. */
  readonly rlimits: readonly Rlimit[];
  /** Cgroups of v1 to join; in one of v2 it is born. */
  readonly legacyGroups: readonly LegacyGroup[];
  /** Whether the container was made to be in some, whichever it has got: what guards them holds for all of its commands. */
  readonly guardsLegacyGroups?: boolean;
  /** Let no packet for a loopback address out of the network namespace. */
  readonly guardLoopback?: boolean;
  /** In a user namespace: whether who is born in it is its root, and needn't become that. */
  readonly isRootInside?: boolean;
  /** In a user namespace: whether libflux hands the image over, as a mount with the container's users. */
  readonly hasMappedImage?: boolean;
  /** In a user namespace: where on the host the devices are that the spec names, by their paths inside. */
  readonly bound?: ReadonlyMap<string, string>;
  /** The places that the root is put together of, where one overlay can't be had. */
  readonly parts?: readonly Part[];
  /** Directories of the image that are to be root's inside. */
  readonly adopted?: readonly Adopted[];
  /** In a user namespace whose kernel mounts no overlay: libflux hands the root over, which fuse-overlayfs serves. */
  readonly fuse?: Fuse;
  /** Leave the groups as they are that libflux itself is in. */
  readonly keepGroups?: boolean;
  /** Where AppArmor's files of a process are in `/proc`; "self/attr/apparmor" if left out, and before Linux 5.8 "self/attr". */
  readonly appArmorAttributes?: string;
  /**
   * Landlock, where a second wall is to be: the version of its interface, and the streams (0, 1, 2) that may be files of the
   * host's, which can be opened again by `/dev/stdout` and its like.
   */
  readonly landlock?: {
    readonly version: number;
    readonly streams: readonly number[];
    /** Whether the command enters a container that runs. */
    readonly isInside?: boolean;
  };
  /** What bind sources are. */
  readonly kinds: ReadonlyMap<string, "directory" | "file">;
}

/** An overlay that fuse-overlayfs serves. */
export interface Fuse {
  /** Where that is. */
  readonly program: string;
  /** Directories in the layer of changes, from the top down. */
  readonly upper: readonly Adopted[];
}

/** A cgroup of v1 that the container's first process joins. */
export interface LegacyGroup {
  /** What v1 calls its controllers: "cpu,cpuacct". */
  readonly name: string;
  /** Its directory on the host. */
  readonly directory: string;
  /** Whether it must be there. */
  readonly required: boolean;
}

/** A mount that was prepared before the pivot and waits to be attached. */
export interface PreparedMount {
  readonly descriptor: Slot;
  readonly destination: string;
  readonly kind: "directory" | "file";
  readonly field: string;
  readonly what: string;
  /** The filesystem's type, or "bind". */
  readonly type: string;
}

/** A name for an argument's value. */
export const named = (value: number, text: string): Named => ({ kind: "named", value, text });

/** `AT_FDCWD` */
export const CWD = named(AT.AT_FDCWD, "AT_FDCWD");

/** True where a spec asks for a new namespace of this kind. */
export function isNew(spec: Spec, kind: string): boolean {
  return spec.linux?.namespaces?.some(({ type, path }) => type === kind && path === undefined) ?? false;
}

/** Filesystems whose files all get `linux.mountLabel`; those of proc, sysfs and cgroups have labels of the policy's own. */
const LABELLED: ReadonlySet<string> = new Set(["overlay", "tmpfs", "devpts"]);

/** The state of one compilation. */
export class Context {
  /** Prepared mounts, in the order of the spec's; then libflux's own. */
  readonly prepared: (PreparedMount | undefined)[] = [];
  /** The private procfs, for writes that nobody may redirect (CVE-2025-52881). */
  procfs: Slot | undefined;
  /** The container's devpts, to open its terminal on. */
  devpts: Slot | undefined;
  /** The directory of the scratch filesystem that {@link Launch.files} are written to. */
  scratch: Slot | undefined;
  /** The image's directory. */
  image: Slot | undefined;
  /** In a user namespace: the standard devices of the host, which are to be bound. */
  readonly devices: PreparedMount[] = [];
  /** The root that `pivot_root` takes. */
  rootfs: Slot | undefined;
  /** The container's own null device, opened for reading and writing when it was verified. */
  nullDevice: Slot | undefined;
  /** An empty directory that nobody can reach by a path. */
  emptyDirectory: Slot | undefined;

  /** @param builder What the steps are added to. */
  constructor(
    readonly spec: Spec,
    readonly launch: Launch,
    readonly builder: ProgramBuilder = new ProgramBuilder(launch.architecture),
  ) {}

  /** `open` flags of the target architecture. */
  open(...names: (keyof typeof O)[]): Named {
    return openFlags(this.launch.architecture, ...names);
  }

  /** A C string of the program. */
  text(text: string): Reference {
    return this.builder.string(text);
  }

  /** `mkdir -p`; the path is absolute and looked up in the current root. */
  makeDirectories(path: string, field: string): void {
    const parts = path.split("/").filter((part) => part !== "");
    parts.forEach((_, index) => {
      const directory = "/" + parts.slice(0, index + 1).join("/");
      if (this.#made.has(directory)) return;
      this.#made.add(directory);
      this.builder.syscall("mkdirat", [CWD, this.text(directory), named(0o755, "0755")], {
        label: `make the directory ${directory}`,
        path: directory,
        field,
        tolerate: E.EEXIST,
        hint:
          "the image must let libflux make mount points: is a file in the way, or the image read-only with --writable?",
      });
    });
  }
  readonly #made = new Set<string>();

  /** Opens a place in the container to mount on, following no final symlink (CVE-2021-30465). */
  openTarget(path: string, kind: "directory" | "file", meaning: Meaning, tolerate?: number): Slot {
    const flags = kind === "directory"
      ? this.open("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC")
      : this.open("O_PATH", "O_NOFOLLOW", "O_CLOEXEC");
    return this.builder.call("openat", [CWD, this.text(path), flags, 0], "target", {
      ...meaning,
      ...(tolerate === undefined ? {} : { tolerate }),
    });
  }

  /** A detached filesystem: `fsopen`, `fsconfig` for each parameter, `fsmount`. */
  filesystem(
    type: string,
    parameters: readonly (readonly [string, string | Reference | undefined])[],
    attributes: Named,
    meaning: Meaning,
  ): Slot {
    const b = this.builder;
    const configuration = b.call(
      "fsopen",
      [this.text(type), or(FSOPEN, "FSOPEN_CLOEXEC")],
      `${type}_config`,
      {
        ...meaning,
        label: `open a new ${type} filesystem`,
        hint: `does this kernel have ${type}? 'libflux info' tells`,
      },
    );
    const context = LABELLED.has(type) ? this.spec.linux?.mountLabel : undefined;
    for (const [key, value] of context === undefined ? parameters : [...parameters, ["context", context] as const]) {
      const command = or(FSCONFIG, value === undefined ? "FSCONFIG_SET_FLAG" : "FSCONFIG_SET_STRING");
      const operand: Operand = value === undefined ? 0 : typeof value === "string" ? this.text(value) : value;
      b.syscall("fsconfig", [configuration, command, this.text(key), operand, 0], {
        ...meaning,
        label: `set ${key}${typeof value === "string" ? `=${value}` : ""} of the ${type} filesystem`,
      });
    }
    b.syscall("fsconfig", [configuration, or(FSCONFIG, "FSCONFIG_CMD_CREATE"), 0, 0, 0], {
      ...meaning,
      label: `create the ${type} filesystem`,
    });
    const mount = b.call("fsmount", [configuration, or(FSMOUNT, "FSMOUNT_CLOEXEC"), attributes], type, meaning);
    const label = this.spec.linux?.mountLabel;
    if (type === "mqueue" && label !== undefined) this.#labelRoot(mount, label, meaning);
    return mount;
  }

  /** mqueue takes no label when it is made: its directory gets it. What queues have the host's policy says alone. */
  #labelRoot(mount: Slot, label: string, meaning: Meaning): void {
    const { builder: b } = this;
    const directory = b.call(
      "openat",
      [mount, this.text("."), this.open("O_RDONLY", "O_DIRECTORY", "O_CLOEXEC"), 0],
      "directory",
      { ...meaning, label: "open the directory of the queues" },
    );
    b.syscall("fsetxattr", [directory, this.text("security.selinux"), this.text(label), label.length + 1, 0], {
      ...meaning,
      label: `have SELinux label the directory of the queues ${label}`,
      // A policy may leave such filesystems without labels; and in a user namespace it is the host's root that has made it.
      optional: true,
    });
    b.syscall("close", [directory], { ...meaning, label: "close the directory of the queues" });
  }

  /** True where the spec asks for a new namespace of this kind. */
  has(type: string): boolean {
    return isNew(this.spec, type);
  }

  /** True where a mount of the spec covers or lies at this path. */
  isCovered(path: string): boolean {
    return (this.spec.mounts ?? []).some(({ destination }: Mount) =>
      path === destination || path.startsWith(destination + "/")
    );
  }
}
