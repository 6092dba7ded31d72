/**
 * Where the lists are tried, always on the same root filesystem: below libflux, below podman, and outside of containers.
 *
 * @module
 */
import { WITHOUT_HYBRID } from "../../../tasks/process.ts";
import { EVERYDAY_TREE, HAS_USERS, IS_USER, libflux, patience, uniqueName } from "../support.ts";

/** Runs a command somewhere, with one directory of the host's in sight, and answers what it prints. */
export type Place = (directory: string, command: readonly string[]) => Promise<string>;

/** More than any place takes. */
const TIMEOUT = 80_000;

async function output(program: string, args: readonly string[]): Promise<string> {
  const signal = AbortSignal.timeout(patience(TIMEOUT));
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null", signal }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (code === 0) return out ?? "";
  throw new Error(`${program} ended with ${code}: ${errors?.trim().split("\n").slice(-3).join("; ")}`);
}

/** With what a container has a sysctl for, in both runtimes: for the groups that there are. */
const SYSCTL = ["--sysctl", `net.ipv4.ping_group_range=0 ${!HAS_USERS ? 0 : IS_USER ? 65_535 : 2_147_483_647}`];

/** A container of libflux's. */
export const below = (...flags: readonly string[]): Place => async (directory, command) => {
  const args = ["--image", EVERYDAY_TREE, "--network", "none", "--bind", `${directory}:${directory}:ro`, ...SYSCTL];
  const run = ["run", uniqueName(), ...args, ...flags, "--", ...command];
  const { code, stdout, stderr } = await libflux(run, { timeout: patience(TIMEOUT) });
  if (code === 0) return stdout;
  throw new Error(`libflux ended with ${code}: ${stderr}`);
};

/** With everything that was asked for to have no defences. */
export const opened: Place = below(
  ...["--cap-add", "ALL", "--seccomp", "unconfined", "--pids-limit", "0"],
  ...["--security-opt", "unmask=ALL", "--security-opt", "no-new-privileges=false"],
);

/** Root with all that it has, in namespaces and on a root filesystem that are thrown away: what the kernel itself refuses. */
export const outside: Place = (directory, command) => {
  const script = `set -e; top=$1; tree=$2; shift 2; mount -t tmpfs none /mnt; cd /mnt; mkdir upper work root
    mount -t overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" none root; cd root
    mount -t proc proc proc; mount -t sysfs sysfs sys; mount --rbind /sys/fs/cgroup sys/fs/cgroup
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ip link set lo up
    mkdir -p ".$top"; mount --bind "$top" ".$top"; exec chroot . "$@"`;
  // Without a cgroup namespace, who mounts cgroup v2 changes the options of the host's.
  const namespaces = ["--mount", "--cgroup", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"];
  return output("unshare", [...namespaces, "sh", "-c", script, "sh", directory, EVERYDAY_TREE, ...command]);
};

/** Its containers' cgroups. */
const GROUP = `libflux-test-podman-${Deno.pid}`;

/** Removes a cgroup and those in it. @returns Whether it is gone: what watches a container ends a moment after it. */
function removeGroup(directory: string): boolean {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) removeGroup(`${directory}/${name}`);
    }
    Deno.removeSync(directory);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

async function removeGroups(): Promise<void> {
  const top = "/sys/fs/cgroup";
  const hierarchies = Array.from(Deno.readDirSync(top)).filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    name
  );
  const directories = [...hierarchies.map((name) => `${top}/${name}/${GROUP}`), `${top}/${GROUP}`];
  for (const end = performance.now() + patience(5_000); performance.now() < end;) {
    if (directories.map(removeGroup).every((gone) => gone)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`podman's cgroups ${GROUP} are still in use`);
}

/**
 * A container of podman's with its defaults. What it keeps anywhere is in a mount namespace of its own, and goes with it.
 */
export const podman: Place = async (directory, command) => {
  const script = `set -e; mount --make-rprivate /; mount -t tmpfs none /dev/shm; mount -t tmpfs none /run
    mount --rbind /var/lib /var/lib; mount -o remount,bind,ro /var/lib; mkdir /run/podman; ${WITHOUT_HYBRID}`;
  const state = ["--root=/run/podman/root", "--runroot=/run/podman/run", "--tmpdir=/run/podman/tmp"];
  const args = [
    ...[...state, "--cgroup-manager=cgroupfs", "--storage-driver=overlay", "--events-backend=none", "--runtime=crun"],
    ...["run", "--rm", "--network=none", `--cgroup-parent=/${GROUP}`, `--volume=${directory}:${directory}:ro`],
    // Not more than this process may have: podman wants a million.
    ...["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096", ...SYSCTL, "--rootfs", `${EVERYDAY_TREE}:O`],
  ];
  const isolated = ["--mount", "sh", "-c", script, "sh", "podman", ...args, ...command];
  try {
    return await output("unshare", isolated);
  } finally {
    await removeGroups();
  }
};
