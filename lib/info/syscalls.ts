/**
 * Which system calls are there: called so that they can do nothing, except fail in a way that tells.
 *
 * @module
 */
import { AT, CLOSE_RANGE, E, MFD, or, WAIT } from "../../ffi/abi/constants.ts";
import { syscall } from "../../ffi/libc.ts";
import { errnoText } from "../errors.ts";
import { type Feature, found, missing, tried, type Wanted } from "./feature.ts";
import { attempt } from "./probe.ts";
import { readText } from "./read.ts";

const SANDBOX = "; in a container, have its seccomp profile allow it";

function clone3(): Feature {
  const wanted = {
    name: "clone3",
    required: true,
    effect: "no container can be started",
    remedy: `use Linux 5.3 or later${SANDBOX}`,
  };
  // No arguments at all: the size is checked before anything is made.
  const result = syscall("clone3", 0, 0);
  return result === -E.EINVAL ? found(wanted, "there") : missing(wanted, errnoText(-result));
}

function pidfd(): Feature {
  const wanted = {
    name: "pidfd",
    required: true,
    effect: "processes can't be signalled and waited for without mistaking one for another",
    remedy: `use Linux 5.4 or later${SANDBOX}`,
  };
  const own = syscall("pidfd_open", Deno.pid, 0);
  if (own < 0) return missing(wanted, `pidfd_open: ${errnoText(-own)}`);
  // This process is no child of its own: ECHILD from a kernel that knows P_PIDFD, EINVAL from one that doesn't.
  const waited = syscall("waitid", WAIT.P_PIDFD, own, new Uint8Array(128), WAIT.WEXITED | WAIT.WNOHANG, 0);
  const signalled = syscall("pidfd_send_signal", own, 0, 0, 0);
  syscall("close", own);
  if (waited !== -E.ECHILD) return missing(wanted, `waitid with P_PIDFD: ${errnoText(-waited)}`);
  if (signalled < 0) return missing(wanted, `pidfd_send_signal: ${errnoText(-signalled)}`);
  return found(wanted, "opened, signalled and waited for");
}

function openat2(): Feature {
  const wanted = {
    name: "openat2",
    required: true,
    effect: "files of an image can't be read without following its symlinks out of it",
    remedy: `use Linux 5.6 or later${SANDBOX}`,
  };
  const result = syscall("openat2", AT.AT_FDCWD, "/", new Uint8Array(24), 0);
  return result === -E.EINVAL ? found(wanted, "there") : missing(wanted, errnoText(-result));
}

function memfd(): Feature {
  const setting = readText("/proc/sys/vm/memfd_noexec")?.trim();
  const wanted = {
    name: "executable memfd",
    required: false,
    effect: "launch programs become files without a name on /run, /var/lib, / or /tmp: one must not be mounted noexec",
    remedy: "sysctl -w vm.memfd_noexec=1",
  };
  let result = syscall("memfd_create", "libflux", MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING | MFD.MFD_EXEC);
  const old = result === -E.EINVAL;
  if (old) result = syscall("memfd_create", "libflux", MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING);
  if (result < 0) {
    return missing(wanted, errnoText(-result) + (setting === undefined ? "" : `, vm.memfd_noexec=${setting}`));
  }
  syscall("close", result);
  return found(wanted, setting === undefined ? "always allowed by this kernel" : `vm.memfd_noexec=${setting}`);
}

async function closeRange(): Promise<Feature> {
  const wanted: Wanted = {
    name: "close_range",
    required: true,
    effect: "containers could inherit files of the host (CVE-2024-21626), so none is started",
    remedy: `use Linux 5.11 or later${SANDBOX}`,
  };
  // In a child: Linux 5.11 has a fault in marking ranges above all open descriptors, so a real range it is.
  const outcome = await attempt({
    flags: 0,
    fill: (b) =>
      b.syscall("close_range", [4, 0xffffffff, or(CLOSE_RANGE, "CLOSE_RANGE_CLOEXEC")], {
        label: "mark descriptors close-on-exec",
      }),
  });
  return tried(wanted, outcome, "works, close-on-exec too");
}

function seccomp(): Feature {
  const wanted = {
    name: "seccomp",
    required: false,
    effect: "commands can't be kept from dangerous system calls",
    remedy: "use a kernel with CONFIG_SECCOMP_FILTER",
  };
  const SECCOMP_GET_ACTION_AVAIL = 2;
  const actions = { allow: 0x7fff0000, errno: 0x00050000, kill_process: 0x80000000, user_notif: 0x7fc00000 };
  const available = Object.entries(actions).filter(([, action]) => {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, action, true);
    return syscall("seccomp", SECCOMP_GET_ACTION_AVAIL, 0, word) === 0;
  }).map(([name]) => name);
  return available.includes("allow") && available.includes("errno")
    ? found(wanted, `filters: ${available.join(", ")}`)
    : missing(wanted, "no filters");
}

/** Probes each system call that not every supported kernel or sandbox has. */
export async function syscalls(): Promise<Feature[]> {
  return [clone3(), pidfd(), openat2(), memfd(), await closeRange(), seccomp()];
}
