/**
 * What a packed libflux begins with: the commands whose start counts, and for all others the way to a bundle that has
 * everything. V8 reads all that it has compiled of a bundle, used or not, and that is milliseconds.
 *
 * @module
 */
import { isFast, main as fast } from "../../lib/commands/fast.ts";
import { settleCache } from "./cache.ts";

const code = await (isFast(Deno.args) ? fast : (await import("../../cli.ts")).main)(Deno.args);
await settleCache(Deno.env.get("DENO_DIR") ?? "");
Deno.exit(code);
