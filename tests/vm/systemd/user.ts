/**
 * A container of an ordinary user's with limits: `user.ts MEMORY CPUS COMMAND`, where `-` is no limit. Says as JSON what came of it.
 *
 * @module
 */
import { FluxError, run } from "../../../mod.ts";

const [memory = "-", cpus = "-", command = "true"] = Deno.args;

try {
  await using container = await run({
    command: ["sh", "-c", command],
    network: "none",
    measure: true,
    limits: { ...(memory === "-" ? {} : { memory: Number(memory) }), ...(cpus === "-" ? {} : { cpus: Number(cpus) }) },
  });
  // How long it takes to start one isn't asked.
  const begin = performance.now();
  const group = /^0::(.*)$/m.exec(Deno.readTextFileSync(`/proc/${container.pid}/cgroup`))?.[1];
  const { code, usage } = await container.status;
  console.log(JSON.stringify({ group, code, usage, milliseconds: performance.now() - begin }));
} catch (error) {
  if (!(error instanceof FluxError)) throw error;
  console.log(JSON.stringify({ error: error.message, hint: error.hint }));
}
