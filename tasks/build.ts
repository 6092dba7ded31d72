/**
 * `deno task build`: makes `./libflux`, one file that needs nothing else.
 *
 * `deno compile` does it where its base binary, `denort`, can be had; elsewhere the `deno` that runs this is packed
 * together with libflux. Either way the result starts equally fast and unpacks nothing.
 *
 * @module
 */
import { dirname } from "@std/path";
import { bundle } from "./bundle.ts";
import { pack } from "./packer.ts";
import { asksFor, type LazyModule } from "./packer/lazy.ts";
import { V8_FLAGS } from "./packer/stub/content.ts";
import { capture, configArgs, ROOT } from "./process.ts";

/** Where the executable goes. */
export const BINARY: string = `${ROOT}/libflux`;

/** A server that doesn't answer within this time counts as out of reach. */
const PROBE_TIMEOUT = 5_000;
const COMPILE_TIMEOUT = 180_000;

/** How to build. */
export interface BuildOptions {
  readonly output: string;
  /** Use the packed form even where `deno compile` would work, or the other way round. */
  readonly form?: "compiled" | "packed";
  /** Say nothing when all goes well. */
  readonly quiet?: boolean;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Whether `deno compile` would find its base binary: in the places where it looks, in their order. */
async function denortIsAvailable(): Promise<boolean> {
  const given = Deno.env.get("DENORT_BIN");
  if (given !== undefined) return isFile(given);
  if (isFile(`${dirname(Deno.execPath())}/denort`)) return true;
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`;
  const cache = Deno.env.get("DENO_DIR") ?? `${home}/deno`;
  const release = `release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  if (isFile(`${cache}/dl/${release}`)) return true;
  try {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT);
    const response = await fetch(`https://dl.deno.land/${release}`, { method: "HEAD", signal });
    return response.ok;
  } catch {
    return false;
  }
}

async function compile(output: string): Promise<boolean> {
  // The code cache of a compiled executable would be a file among the temporary ones, where anybody may have been first.
  // Without one, functions that aren't called need not be compiled.
  const flags = ["-A", "--no-check", "--no-code-cache", V8_FLAGS.replace("--no-lazy,", "")];
  const args = ["compile", ...flags, ...configArgs(), "--output", output, "cli.ts"];
  const { code, output: said } = await capture(Deno.execPath(), args, { timeout: COMPILE_TIMEOUT });
  if (code !== 0) console.error(`build: deno compile failed:\n${said.trim()}`);
  return code === 0;
}

/** A program, and what it imports late. */
export interface Bundles {
  readonly bundle: Uint8Array<ArrayBuffer>;
  readonly modules: readonly LazyModule[];
}

const DAX = "@david/dax";

/** The bundles of a program: its own, and dax's, which only few of libflux's commands need, if it asks for that. */
export async function bundles(entry: string): Promise<Bundles> {
  const config = configArgs();
  const code = await bundle(entry, { config, external: [DAX] });
  if (!asksFor(code, DAX)) return { bundle: code, modules: [] };
  const dax = { name: DAX, code: await bundle("tasks/packer/dax.ts", { config, lazy: true }) };
  return { bundle: code, modules: [dax] };
}

/** The bundles of libflux: dax's, that of the commands whose start counts, that of all, and what chooses between these. */
async function all(): Promise<Bundles> {
  const { modules, bundle: code } = await bundles("cli.ts");
  const start = await bundle("tasks/packer/start.ts", { config: configArgs(), external: ["*/cli.ts", DAX] });
  return { bundle: start, modules: [...modules, { name: "../../cli.ts", code }] };
}

/** Builds the executable; answers whether that worked. */
export async function build({ output, form, quiet = false }: BuildOptions): Promise<boolean> {
  const say = (sentence: string) => quiet || console.log(`build: ${sentence}`);
  const partial = `${output}.${Deno.pid}.tmp`;
  try {
    if (form !== "packed" && (form === "compiled" || await denortIsAvailable())) {
      if (await compile(partial)) {
        Deno.renameSync(partial, output);
        say(`compiled ${output} with deno compile`);
        return true;
      }
      if (form === "compiled") return false;
    }
    pack({ runtime: Deno.execPath(), ...await all(), output: partial });
    // by rename: the file may be running, and then it can't be written
    Deno.renameSync(partial, output);
    say(
      `packed ${output} from deno ${Deno.version.deno} and libflux (denort, which deno compile needs, is out of reach)`,
    );
    return true;
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    return false;
  } finally {
    try {
      Deno.removeSync(partial);
    } catch {
      // renamed, or never written
    }
  }
}

if (import.meta.main) {
  const value = (name: string) => Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const form = value("form");
  if (form !== undefined && form !== "compiled" && form !== "packed") {
    console.error(`build: --form is "compiled" or "packed", not "${form}"`);
    Deno.exit(2);
  }
  const done = await build({ output: value("output") ?? BINARY, ...(form === undefined ? {} : { form }) });
  Deno.exit(done ? 0 : 1);
}
