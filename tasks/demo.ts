/**
 * `deno task demo`: builds `./libflux` and runs a first container.
 *
 * @module
 */
import { BINARY, build } from "./build.ts";
import { ROOT, run } from "./process.ts";
import { setupOrExit } from "./setup.ts";

/** Written inside the container, and gone with it. */
const TRACE = "/etc/written-by-the-libflux-demo";

/** Only what every root filesystem has: a shell, cat, id, ls. */
const SCRIPT = `
echo "Hello from inside a container!"
echo "  who I am:          $(id)"
echo "  my host name:      $(cat /proc/sys/kernel/hostname)"
echo "  all the processes: $(cd /proc && echo [0-9]*)"
echo "  my network:        $(ls /sys/class/net | tr '\\n' ' ')"
echo "of no importance" >${TRACE} && echo "  a file I wrote:    $(ls ${TRACE})"
`.trim();

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

if (Deno.uid() !== 0) {
  console.error("demo: needs root; run the same command with sudo");
  Deno.exit(1);
}
await setupOrExit("demo");
if (!await build({ output: BINARY })) Deno.exit(1);

console.log("\n$ ./libflux run demo --image / -- sh -c '…'");
const code = await run(BINARY, ["run", "demo", "--rm", "--image", "/", "--", "sh", "-c", SCRIPT]);
if (code !== 0) {
  console.error(`demo: the container ended with exit code ${code}`);
  Deno.exit(code);
}
if (exists(TRACE)) {
  console.error(`demo: ${TRACE} is on the host, where the container should not have been able to write it`);
  Deno.exit(1);
}
console.log(`
The container saw this machine's files (--image /), and changed none: ${TRACE} isn't there.
Now try:  ${BINARY === `${Deno.cwd()}/libflux` ? "./libflux" : `${ROOT}/libflux`} run web --image / -- sh
`);
