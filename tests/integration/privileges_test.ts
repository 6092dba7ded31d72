import { assertEquals, assertStringIncludes } from "@std/assert";
import { BUSYBOX, LIBFLUX, rootTest, uniqueName } from "./support.ts";

interface Case {
  /** What starts libflux. */
  readonly by: readonly string[];
  /** What `info` calls missing, and what to do. */
  readonly info: readonly string[];
  /** What `run` says. */
  readonly run: readonly string[];
}

const without = (capability: string): string[] => ["setpriv", `--bounding-set=-${capability}`];

const CASES: readonly Case[] = [
  {
    by: without("sys_admin"),
    info: ["uid 0, without CAP_SYS_ADMIN", "grant CAP_SYS_ADMIN"],
    run: ["CAP_SYS_ADMIN"],
  },
  {
    by: without("mknod"),
    info: ["uid 0, without CAP_MKNOD", "make the device /dev/null: operation not permitted", "CAP_MKNOD"],
    run: ["could not make the device /dev/null", "CAP_MKNOD"],
  },
  {
    by: without("net_admin"),
    info: ["uid 0, without CAP_NET_ADMIN", "bring up lo in a new network namespace: operation not permitted"],
    run: ["doesn't let libflux bring up lo", "this takes CAP_NET_ADMIN"],
  },
  {
    by: without("setpcap"),
    info: ["uid 0, without CAP_SETPCAP", "drop capabilities from the bounding set: operation not permitted"],
    run: ["could not drop capabilities from the bounding set", "this takes CAP_SETPCAP"],
  },
  {
    by: without("setuid"),
    info: ["uid 0, without CAP_SETUID", "set the capabilities: operation not permitted"],
    run: ["could not set the capabilities", "libflux can only give what it has itself"],
  },
  {
    by: ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"],
    info: ["make the device /dev/null: operation not permitted", "outside of other containers and of user namespaces"],
    run: ["doesn't let libflux come back to its own network", "in a container or a user namespace?"],
  },
];

async function said(by: readonly string[], args: readonly string[]): Promise<readonly [number, string]> {
  const [program = "", ...rest] = [...by, LIBFLUX, ...args];
  const { code, stdout, stderr } = await new Deno.Command(program, { args: rest, stdout: "piped", stderr: "piped" })
    .output();
  return [code, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)];
}

for (const { by, info, run } of CASES) {
  rootTest(`info and run agree that nothing works below ${by.join(" ")}`, async () => {
    const [canRun, table] = await said(by, ["info"]);
    assertEquals(canRun, 1, table);
    for (const part of info) assertStringIncludes(table, part);
    const root = Deno.makeTempDirSync({ prefix: "libflux-test-" });
    const [code, error] = await said(by, ["run", uniqueName(), "--root", root, "--image", BUSYBOX, "--", "true"]);
    Deno.removeSync(root, { recursive: true });
    assertEquals(code, 125, error);
    for (const part of run) assertStringIncludes(error, part);
  });
}
