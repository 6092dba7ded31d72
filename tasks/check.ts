/**
 * `deno task check`: formatting, lint, types, the documentation of the public API, and the package.
 *
 * @module
 */
import { configArgs, ROOT, run } from "./process.ts";

/** Every TypeScript file of the checkout; names that start with a dot are none of ours. */
function sources(directory = ROOT): string[] {
  const files: string[] = [];
  for (const { name, isFile, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory && !name.startsWith(".") && name !== "node_modules") files.push(...sources(path));
    else if (isFile && name.endsWith(".ts")) files.push(path.slice(ROOT.length + 1));
  }
  return files.sort();
}

const config = configArgs();
const withCompat = config.length === 0;
const files = sources().filter((file) => withCompat || !file.startsWith("compat/"));

const steps: ReadonlyArray<readonly [string, ...string[]]> = [
  ["formatting", "fmt", ...config, "--check"],
  ["lint", "lint", ...config],
  ["types", "check", ...config, ...files],
  ["documentation", "doc", ...config, "--lint", "mod.ts"],
  ["package", "publish", ...config, "--dry-run", "--allow-dirty", "--quiet"],
];

const failed: string[] = [];
for (const [name, ...args] of steps) {
  console.log(`check: ${name}`);
  if (await run(Deno.execPath(), args) !== 0) failed.push(name);
}
console.log(failed.length === 0 ? "check: all good" : `check: failed: ${failed.join(", ")}`);
Deno.exit(failed.length === 0 ? 0 : 1);
