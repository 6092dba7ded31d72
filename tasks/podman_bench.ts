/**
 * podman, with an image and a storage of its own, which needs a mount namespace that nobody else is in.
 *
 * @module
 */
import { capture, which } from "./process.ts";

/** Seconds that one command may take. */
const PATIENCE = "30";
/** Its containers' cgroups. */
const GROUP = "libflux-bench";

/** A podman that has an image. */
export interface Podman extends AsyncDisposable {
  /** The command line for a container with a published port. */
  readonly command: readonly string[];
  /** Its version, and what makes its networks. */
  readonly what: string;
}

/** Removes a cgroup and what is in it; nothing where it isn't there, or something runs in it. */
function removeGroup(directory: string): void {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) removeGroup(`${directory}/${name}`);
    }
    Deno.removeSync(directory);
  } catch {
    // not there, or in use
  }
}

/** Removes what podman leaves of cgroups, in each hierarchy. */
function removeGroups(): void {
  const top = "/sys/fs/cgroup";
  for (const { name, isDirectory } of Deno.readDirSync(top)) if (isDirectory) removeGroup(`${top}/${name}/${GROUP}`);
  removeGroup(`${top}/${GROUP}`);
}

async function must(program: string, ...args: readonly string[]): Promise<string> {
  const { code, output } = await capture(program, args);
  if (code === 0) return output;
  throw new Error(`${program} ${args[0]} failed: ${output.trim().split("\n").at(-1)}`);
}

/**
 * Makes podman ready, with a tree as its image.
 *
 * @param directory For its storage; what is in there is not removed.
 * @returns The reason where there is none that works.
 */
export async function preparePodman(tree: string, directory: string): Promise<Podman | string> {
  if (which("podman") === undefined) return "it isn't there";
  const config = `${directory}/containers.conf`;
  Deno.writeTextFileSync(config, '[network]\nnetwork_backend = "netavark"\n');
  const podman = [
    ...["timeout", "--kill-after=5", PATIENCE, "env", `CONTAINERS_CONF=${config}`, "podman"],
    ...[`--root=${directory}/root`, `--runroot=${directory}/runroot`, `--tmpdir=${directory}/tmp`],
    ...[`--network-config-dir=${directory}/networks`, "--cgroup-manager=cgroupfs", "--runtime=crun"],
    ...["--storage-driver=overlay", "--events-backend=none"],
  ] as const;
  const [program, ...args] = podman;
  await using stack = new AsyncDisposableStack();
  try {
    // It would keep a cache in there, whatever its options say; and does without where it can't.
    await must("mount", "--rbind", "/var/lib", "/var/lib");
    stack.defer(async () => void await must("umount", "--recursive", "--lazy", "/var/lib"));
    await must("mount", "-o", "remount,bind,ro", "/var/lib");
    stack.defer(removeGroups);
    stack.defer(async () => void await capture(program, [...args, "rm", "--all", "--force", "--time=0"]));
    await must("tar", "-C", tree, "-cf", `${directory}/image.tar`, ".");
    await must(program, ...args, "import", `${directory}/image.tar`, "bench");
    const command = [
      ...[...podman, "run", "--rm", "--network=bridge", "--publish=18080:80", `--cgroup-parent=/${GROUP}`],
      // Not more than this process may have: podman wants a million.
      ...["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "bench", "/bin/true"],
    ];
    await must(program, ...command.slice(1));
    const format = "podman {{.Version.Version}} with {{.Host.NetworkBackend}}";
    const what = (await must(program, ...args, "info", `--format=${format}`)).trim();
    const kept = stack.move();
    return { command, what, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
