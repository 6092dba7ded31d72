/**
 * What an ordinary user's libflux does about limits, without the container: a scope of the user's systemd, cgroups in it, a
 * process put there, and what became of it, as JSON. Containers of ordinary users need user namespaces, which libflux has not
 * got yet.
 *
 * `deno run -A user.ts MEMORY CPUS COMMAND`: either limit may be "-".
 *
 * @module
 */
import { createCgroups } from "../../../lib/cgroups/cgroup.ts";
import { startScope } from "../../../lib/cgroups/scope.ts";
import { FluxError } from "../../../lib/errors.ts";
import { prepare } from "../../../lib/prepare.ts";

const [memory = "-", cpus = "-", command = "true"] = Deno.args;
try {
  const { cgroups } = prepare({
    command: ["true"],
    limits: {
      ...(memory === "-" ? {} : { memory: Number(memory), memorySwap: Number(memory) }),
      ...(cpus === "-" ? {} : { cpus: Number(cpus) }),
    },
  });
  if (cgroups.scope === undefined) throw new Error("no scope was planned");
  const scope = await startScope(cgroups.scope, "user");
  try {
    const made = createCgroups(cgroups, { top: scope.directory, remember: () => {}, scope });
    // It waits for a line until it is where it belongs.
    const child = new Deno.Command("sh", { args: ["-c", `read go; ${command}`], stdin: "piped", stdout: "piped" })
      .spawn();
    await scope.attach?.(child.pid);
    const group = Deno.readTextFileSync(`/proc/${child.pid}/cgroup`).trim();
    const writer = child.stdin.getWriter();
    const begin = performance.now();
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
    const { code } = await child.output();
    console.log(JSON.stringify({ group, code, milliseconds: performance.now() - begin, usage: made.usage() }));
  } finally {
    await scope.release();
  }
} catch (error) {
  if (!(error instanceof FluxError)) throw error;
  console.log(JSON.stringify({ error: error.message, hint: error.hint }));
}
