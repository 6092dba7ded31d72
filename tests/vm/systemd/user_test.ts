import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { USER } from "../systemd.ts";
import { hostTest, patience } from "../../integration/support.ts";

const SCRIPT = fromFileUrl(new URL("user.ts", import.meta.url));

async function must(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stderr: "piped" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A systemd of the user's own, which was handed these controllers. */
async function userManager(delegate: string): Promise<AsyncDisposable> {
  const directory = "/run/systemd/system/user@.service.d";
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(`${directory}/test.conf`, `[Service]\nDelegate=\nDelegate=${delegate}\n`);
  await must("systemctl", "daemon-reload");
  await must("loginctl", "enable-linger", USER.name);
  await must("systemctl", "restart", `user@${USER.id}.service`);
  const deadline = performance.now() + patience(10_000);
  while (performance.now() < deadline) {
    try {
      Deno.statSync(`/run/user/${USER.id}/bus`);
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await must("loginctl", "disable-linger", USER.name);
      await must("systemctl", "stop", `user@${USER.id}.service`, `user-runtime-dir@${USER.id}.service`);
      Deno.removeSync(`${directory}/test.conf`);
      await must("systemctl", "daemon-reload");
    },
  };
}

interface Outcome {
  readonly group?: string;
  readonly code?: number;
  readonly milliseconds?: number;
  readonly usage?: { readonly outOfMemoryKills?: number; readonly cpuTime?: number };
  readonly error?: string;
  readonly hint?: string;
}

/** Runs `user.ts` as the user. */
async function asUser(memory: string, cpus: string, command: string): Promise<Outcome> {
  const { stdout, stderr } = await new Deno.Command("setpriv", {
    args: [
      ...[`--reuid=${USER.id}`, `--regid=${USER.id}`, "--init-groups", Deno.execPath()],
      ...["run", "-A", "--no-check", "--cached-only", SCRIPT, memory, cpus, command],
    ],
    env: {
      HOME: `/home/${USER.name}`,
      XDG_RUNTIME_DIR: `/run/user/${USER.id}`,
      DBUS_SESSION_BUS_ADDRESS: `unix:path=/run/user/${USER.id}/bus`,
      DENO_NO_UPDATE_CHECK: "1",
    },
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (text === "") throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

/** The directories of the scopes that the user's systemd has now. */
function scopes(): string[] {
  const slice = `/sys/fs/cgroup/user.slice/user-${USER.id}.slice/user@${USER.id}.service/user.slice`;
  try {
    return Array.from(Deno.readDirSync(slice), ({ name }) => name).filter((name) => name.startsWith("libflux-"));
  } catch {
    return [];
  }
}

hostTest("systemd: an ordinary user's limits hold, where user@.service was handed the controllers", async () => {
  await using _manager = await userManager("cpu cpuset io memory pids");
  const eat = await asUser(String(2 ** 25), "-", "x=a; while :; do x=$x$x; done");
  assertEquals([eat.error, eat.code, eat.usage?.outOfMemoryKills], [undefined, 137, 1]);
  assertStringIncludes(eat.group ?? "", `/user@${USER.id}.service/user.slice/libflux-`);
  assert(eat.group?.endsWith(".scope/container"), eat.group);
  const busy = await asUser("-", "0.5", "end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ]; do :; done");
  const share = (busy.usage?.cpuTime ?? 0) / (busy.milliseconds ?? 1);
  assert(Math.abs(share - 0.5) < 0.05, `${share} of a CPU, and 0.5 were asked for`);
  assertEquals(scopes(), []);
});

hostTest(
  "systemd: an ordinary user is told which controller user@.service was not handed, and how it would be",
  async () => {
    await using _manager = await userManager("memory pids");
    const outcome = await asUser("-", "0.5", "true");
    assertEquals(outcome.error, `--cpus can't be enforced: this host has no cgroup controller "cpu"`);
    assertStringIncludes(outcome.hint ?? "", "systemctl edit user@.service");
    assertStringIncludes(outcome.hint ?? "", "Delegate=cpu cpuset io memory pids");
    assertEquals((await asUser(String(2 ** 26), "-", "true")).code, 0);
    assertEquals(scopes(), []);
  },
);
