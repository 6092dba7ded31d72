import { assert, assertRejects } from "@std/assert";
import { networkCommand, portCommand } from "../../../lib/commands/network.ts";
import { NoContainerError, UsageError } from "../../../lib/errors.ts";

/** Asserts that arguments are refused, before anything is looked at. */
async function refused(
  command: (args: readonly string[]) => Promise<number>,
  args: readonly string[],
  message: string,
  hint?: string,
): Promise<void> {
  const error = await assertRejects(() => command(args), UsageError, message, args.join(" "));
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f]/.test(error.message + error.hint), error.message);
  if (hint !== undefined) assert(error.hint?.includes(hint), `${args.join(" ")}: ${error.hint}`);
}
const refusesNetwork = (args: readonly string[], message: string, hint?: string): Promise<void> =>
  refused(networkCommand, args, message, hint);

Deno.test("libflux network refuses actions that it hasn't", async () => {
  await refusesNetwork([], "'libflux network' needs an action", "create|ls|inspect|rm|prune|reload");
  await refusesNetwork(["creat"], 'has no action "creat"', "did you mean 'libflux network create'?");
  await refusesNetwork(["connect"], 'has no action "connect"');
  await refusesNetwork(["zzzzzzzzzz"], "has no action", "it has create, ls");
  for (const action of ["", "toString", "__proto__", "\x1b[2J"]) await refusesNetwork([action], "has no action");
});

Deno.test("libflux network create refuses arguments that can't be", async () => {
  await refusesNetwork(["create"], "needs a name", "write libflux network create NAME");
  await refusesNetwork(["create", "a", "b", "c"], "a network has one name, not a and b c");
  await refusesNetwork(["create", "\x1b[2J", "b"], "a network has one name, not \\x1b[2J and b");
  await refusesNetwork(["create", "none"], "\"none\" can't be a network's name", "a word of --network");
  await refusesNetwork(["create", "a/b"], "can't be a network's name");
  for (const mtu of ["x", "1e3", "-1", "15.5", "1234567", "0x500"]) {
    await refusesNetwork(["create", "a", `--mtu=${mtu}`], `--mtu is a number of bytes, not "${mtu}"`);
  }
  for (const mtu of ["0", "1279", "65536", "999999"]) {
    await refusesNetwork(["create", "a", "--mtu", mtu], "the MTU is a whole number from 1280 to 65535");
  }
  await refusesNetwork(["create", "a", "--subnet", "10.0.0.1/24"], "is an address in a subnet", "10.0.0.0/24");
  await refusesNetwork(["create", "a", "--subnet", "x"], "is no subnet");
  await refusesNetwork(["create", "a", "--gateway", "x"], '"x" is no IP address', "write 10.99.7.1");
  await refusesNetwork(["create", "a", "--driver", "bridge"], "'libflux network create' has no flag --driver");
  await refusesNetwork(["create", "a", "--subnet="], "--subnet needs a value");
});

Deno.test("libflux network ls, inspect, rm, prune and reload refuse arguments that can't be", async () => {
  await refusesNetwork(["ls", "x"], "takes no argument");
  await refusesNetwork(["list", "--format", "yaml"], '--format is table or json, not "yaml"');
  await refusesNetwork(["inspect"], "'libflux network inspect' needs a name");
  await refusesNetwork(["rm"], "'libflux network rm' needs a name");
  await refusesNetwork(["remove"], "'libflux network rm' needs a name");
  for (const action of ["prune", "reload"]) {
    await refusesNetwork([action, "x"], `'libflux network ${action}' takes no argument, and got "x"`);
    await refusesNetwork([action, "--", "x"], "takes no argument");
    await refusesNetwork([action, "--force"], "has no flag --force");
  }
});

Deno.test("libflux port refuses arguments that can't be, and containers that aren't there", async () => {
  const root = Deno.makeTempDirSync({ prefix: "libflux-port-" });
  try {
    await refused(portCommand, [], "takes a name, and a port at most", "write libflux port NAME [PORT]");
    await refused(portCommand, ["web", "80", "81"], "takes a name, and a port at most");
    await refused(portCommand, ["web", "--all"], "has no flag --all");
    await assertRejects(() => portCommand(["web", "--root", root]), NoContainerError, "there is no container web");
    await assertRejects(() => portCommand(["\x1b", "--root", root]), NoContainerError, "no container \\x1b");
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
