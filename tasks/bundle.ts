/**
 * One JavaScript file out of a program's modules.
 *
 * @module
 */
import { capture } from "./process.ts";

/** The modules of Node that a bundle loads before its first statement. */
export function staticBuiltins(code: string): string[] {
  const found = code.matchAll(/\bimport\s*[\w*{}\s,$]*?(?:from\s*)?"(node:[\w/]+)"/g);
  return [...new Set(Array.from(found, ([, name]) => name ?? ""))].sort();
}

/** How to bundle. */
export interface BundleOptions {
  /** `--config=FILE`, or nothing. */
  readonly config?: readonly string[];
  /** Modules that stay outside: their imports stay in the bundle. A `*` stands for any text. */
  readonly external?: readonly string[];
  /** The bundle is itself loaded late, and may import what it wants of Node. */
  readonly lazy?: boolean;
}

/**
 * Bundles a program. Modules that it imports dynamically are in the file too, and still run only when they are asked for.
 *
 * @param entry The program's first module, relative to the checkout.
 */
export async function bundle(
  entry: string,
  { config = [], external = [], lazy = false }: BundleOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const file = Deno.makeTempFileSync({ prefix: "libflux-", suffix: ".js" });
  try {
    const outside = external.map((name) => `--external=${name}`);
    const args = ["bundle", "--quiet", "--minify", "--platform=deno", ...config, ...outside];
    const { code, output } = await capture(Deno.execPath(), [...args, `--output=${file}`, entry]);
    if (code !== 0) throw new Error(`deno bundle ${entry} failed:\n${output.trim()}`);
    const bytes = Deno.readFileSync(file);
    const builtins = lazy ? [] : staticBuiltins(new TextDecoder().decode(bytes));
    if (builtins.length > 0) {
      // the bundler hoists them even out of modules that are loaded lazily, and each costs 5 to 20 ms at every start
      console.error(`bundle: ${entry} loads at start-up: ${builtins.join(", ")}`);
    }
    return bytes;
  } finally {
    Deno.removeSync(file);
  }
}
