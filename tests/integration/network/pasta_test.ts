import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { start } from "../../../lib/container.ts";
import { LaunchError } from "../../../lib/errors.ts";
import { compileProgram, prepare, withDefaults } from "../../../lib/prepare.ts";
import { defaultRoot } from "../../../lib/store/directory.ts";
import {
  DEBIAN,
  host,
  isThere,
  LIBFLUX,
  libflux,
  patience,
  startLibflux,
  temporaryDirectory,
  uniqueName,
} from "../support.ts";
import { askFrom, command, type Container, info, refused, serve, who } from "./container.ts";
import { both, type Target } from "./echo.ts";
import { type Lab, labTest, type Neighbour } from "./lab.ts";
import { Background, execute, must } from "./place.ts";
import { assertNetwork, network } from "./state.ts";

const PASTA = ["--network", "pasta"];

/** Sends what the host has no other route for to a neighbour, as long as the variable lasts. */
async function defaultRoutes({ addresses }: Neighbour): Promise<AsyncDisposable> {
  const change = async (verb: string): Promise<void> => {
    for (const address of addresses) await must("ip", "route", verb, "default", "via", address);
  };
  await change("add");
  return { [Symbol.asyncDispose]: () => change("del") };
}

/** Registers a test in a lab whose host has default routes. */
function pastaTest(name: string, body: (lab: Lab) => Promise<void>): void {
  labTest(`pasta: ${name}`, async (lab) => {
    await using _routes = await defaultRoutes(lab.left);
    await body(lab);
  });
}

/** The processes in a container's ledger: PID 1 and pasta. */
function processes(name: string): number[] {
  return Deno.readTextFileSync(`${defaultRoot()}/containers/${name}/ledger`).split("\n").flatMap((line) => {
    const { kind, pid } = JSON.parse(line || "{}");
    return kind === "process" ? [pid] : [];
  });
}

/** The process of a container that isn't its PID 1. */
function pastaOf({ name, pid }: Container): number {
  const [found, ...more] = processes(name).filter((one) => one !== pid);
  assert(found !== undefined && more.length === 0);
  assertMatch(Deno.readTextFileSync(`/proc/${found}/cmdline`), /^pasta\0/);
  return found;
}

async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + patience(5_000);
  while (isThere(`/proc/${pid}`) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert(!isThere(`/proc/${pid}`), `the process ${pid} is still there`);
}

pastaTest("a container reaches other hosts, and the host stays as it is", async ({ left, right }) => {
  const before = await network();
  await using _left = await left.serve("left", [7000]);
  await using _right = await right.serve("right", [7000]);
  await using web = await serve(PASTA);
  const targets = [...both(left.addresses, 7000), ...both(right.addresses, 7000)];
  // They see the host.
  const seen = [left, right].flatMap(({ gateways }, index) =>
    gateways.flatMap((own) => Array<string>(2).fill(`${["left", "right"][index]} ${own}`))
  );
  assertEquals(await web.ask(targets), seen);
  assertEquals(await askFrom(PASTA, targets, patience(5_000)), seen);
  await using joined = await serve(["--network", `container:${web.name}`], [81]);
  assertEquals(await joined.ask(targets), seen);
  await assertNetwork(before);
  assertEquals((await web.file("/etc/hosts")).at(-1), ["127.0.1.1", web.name]);
  const resolvers = (await web.file("/etc/resolv.conf")).filter(([word]) => word === "nameserver");
  for (const [, address = ""] of resolvers) assert(!/^(127\.|::1$)/.test(address), address);
});

pastaTest("a published port answers everybody, and nothing else does", async ({ here, left, right }) => {
  const before = await network();
  const flags = [...PASTA, "-p", "8080:80", "-p", "8081:80/udp", "-p", "8082:8082/udp"];
  await using web = await serve(flags, [80, 81, "8082/udp"]);
  for (const other of [left, right]) {
    for (const [index, address] of other.gateways.entries()) {
      const targets: Target[] = [["tcp", address, 8080], ["udp", address, 8081]];
      assertEquals(await other.ask(targets), Array(2).fill(`${web.name} ${other.addresses[index]}`));
    }
    const wrong = other.gateways.flatMap((address): Target[] => [
      ...[["udp", address, 8080], ["tcp", address, 8081]] as const,
      ...both([address], 80),
      ...both([address], 81),
    ]);
    assertEquals(await other.askInVain(wrong), Array(wrong.length).fill("ECONNREFUSED"));
  }
  // From the host itself; UDP by its loopback and to the same port, which is what pasta of 2023 can do.
  const loopback = ["127.0.0.1", "::1"];
  const own = [...loopback, ...left.gateways, ...right.gateways].map((address): Target => ["tcp", address, 8080]);
  const targets = [...own, ...loopback.map((address): Target => ["udp", address, 8082])];
  assertEquals(who(await here.ask(targets)), Array(targets.length).fill(web.name));
  await assertNetwork(before);
});

pastaTest("ranges, one address and free ports are published and shown", async ({ here, left, right }) => {
  const flags = ["-p", "9000-9002:80-82", "-p", "203.0.113.1:8053:53/udp", "-p", "127.0.0.1:8080:80", "-p", "83"];
  await using web = await serve([...PASTA, ...flags], [80, 82, 83, "53/udp"]);
  const { ports = [], address } = await info(web.name);
  assertEquals(address, undefined);
  const free = ports.find(({ containerPort }) => containerPort === 83)?.hostPort ?? 0;
  assert(free >= 1024, String(free));
  assertEquals((await command("port", web.name)).trimEnd().split("\n").sort(), [
    ...["53/udp -> 203.0.113.1:8053", "80/tcp -> 0.0.0.0:9000", "80/tcp -> 127.0.0.1:8080", "81/tcp -> 0.0.0.0:9001"],
    ...["82/tcp -> 0.0.0.0:9002", `83/tcp -> 0.0.0.0:${free}`],
  ]);
  assertStringIncludes(await command("ps"), "0.0.0.0:9002->82/tcp");
  const [at = ""] = right.gateways;
  const open: Target[] = [["tcp", at, 9000], ["tcp", at, 9002], ["udp", at, 8053], ["tcp", at, free]];
  assertEquals(who(await right.ask(open)), Array(4).fill(web.name));
  assertEquals(who(await here.ask([["tcp", "127.0.0.1", 8080]])), [web.name]);
  const [other = ""] = left.gateways;
  const closed: Target[] = [["udp", other, 8053], ["tcp", other, 8080], ["tcp", "127.0.0.1", 8053]];
  assertEquals(await here.askInVain(closed), Array(3).fill("ECONNREFUSED"));
});

pastaTest("a port in use is told with its holder before anything starts", async ({ here }) => {
  await using _server = await here.serve("here", ["7000/tcp"]);
  await using web = await serve([...PASTA, "-p", "8080:80"]);
  const run = ["run", uniqueName(), "--image", DEBIAN, ...PASTA];
  const before = host();
  await refused([...run, "-p", "7000:80", "--", "true"], /the port 7000\/tcp is in use by perl \(pid \d+\)/);
  const taken = new RegExp(`the port 8080/tcp is in use by the container ${web.name}`);
  await refused([...run, "-p", "8080:80", "--", "true"], taken);
  await refused(["run", uniqueName(), "--image", DEBIAN, "-p", "8080:80", "--", "true"], taken);
  await refused([...run, "-p", "127.0.0.1:81:80", "-p", "[::1]:81:80", "--", "true"], /81\/tcp at two addresses/);
  assertEquals(host().state, before.state);
  await web.end();
  // Free again at once.
  await using _next = await serve([...PASTA, "-p", "8080:80"]);
});

/** Writes a line for all that it hears on 127.0.0.1 and ::1, TCP and UDP, and answers it. */
const TATTLER = String.raw`
use strict; use Socket qw(:all); $| = 1;
my @all;
for my $type (SOCK_STREAM, SOCK_DGRAM) {
  for my $where (pack_sockaddr_in(7000, inet_aton('127.0.0.1')), pack_sockaddr_in6(7000, inet_pton(AF_INET6, '::1'))) {
    socket(my $socket, sockaddr_family($where), $type, 0);
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1) if $type == SOCK_STREAM;
    bind($socket, $where) or die "bind: $!";
    listen($socket, 9) if $type == SOCK_STREAM;
    push @all, [$socket, $type];
  }
}
print "ready\n";
open(my $log, '>>', $ARGV[0]) or die; select($log); $| = 1;
while (1) {
  my $bits = ''; vec($bits, fileno($_->[0]), 1) = 1 for @all;
  select($bits, undef, undef, undef);
  for (grep { vec($bits, fileno($_->[0]), 1) } @all) {
    my ($socket, $type) = @$_;
    if ($type == SOCK_STREAM) { accept(my $client, $socket); print "tcp\n"; }
    else { my $peer = recv($socket, my $text, 99, 0); print "udp $text\n"; send($socket, "secret", 0, $peer); }
  }
}`;

/** Sends to loopback addresses by eth0, and prints what is answered. */
const SNEAK = String.raw`
use strict; use Socket qw(:all);
for my $address ('127.0.0.1', '127.1.2.3', '::1') {
  my $where = $address =~ /:/ ? pack_sockaddr_in6(7000, inet_pton(AF_INET6, $address)) : pack_sockaddr_in(7000, inet_aton($address));
  for my $type (SOCK_DGRAM, SOCK_STREAM) {
    socket(my $socket, sockaddr_family($where), $type, 0);
    setsockopt($socket, SOL_SOCKET, 25, "eth0\0") or die "SO_BINDTODEVICE: $!";
    setsockopt($socket, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 0, 300000));
    setsockopt($socket, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 0, 300000));
    if ($type == SOCK_STREAM) { connect($socket, $where) and print "connected to $address\n"; }
    else { send($socket, "by eth0", 0, $where); print "$address: $_\n" if defined recv($socket, $_, 99, 0); }
  }
}
print "done\n";`;

pastaTest("nothing of the host's loopback is reached from inside", async ({ left, right, here }) => {
  using directory = temporaryDirectory();
  const log = `${directory.path}/heard`;
  Deno.writeTextFileSync(log, "");
  await using _tattler = await new Background(["perl", "-e", TATTLER, log]).ready();
  const ask = [...left.addresses, ...left.gateways, ...right.gateways, "127.0.0.1", "::1"];
  for (const answer of await askFrom([...PASTA, "-p", "8080:80"], both(ask, 7000), patience(700))) {
    assertMatch(answer, /^(timeout|E[A-Z]+)$/);
  }
  const sneak = await command("run", uniqueName(), "--image", DEBIAN, ...PASTA, "--", "perl", "-e", SNEAK);
  assertEquals(sneak, "done\n");
  assertEquals(Deno.readTextFileSync(log), "");
  // It does hear.
  await here.ask([["udp", "127.0.0.1", 7000]]);
  assertMatch(Deno.readTextFileSync(log), /^udp \?\n/);
});

pastaTest("each instruction that keeps it so fails once, and is told", async () => {
  const options = withDefaults({ name: uniqueName(), image: DEBIAN, command: ["true"], network: "pasta" });
  const { instructions } = compileProgram(prepare(options, [0]), options);
  const first = instructions.findIndex(({ label }) => label === "open a socket to nf_tables");
  const count = instructions.slice(first).findIndex(({ label }) => label === "close the socket");
  assert(first > 0 && count > 3);
  const before = host();
  for (const failAt of Array.from({ length: count + 1 }, (_, index) => first + index)) {
    const instruction = instructions[failAt];
    // A check that holds is passed by.
    if (instruction?.op !== "syscall" || instruction.name === "fail") continue;
    const error = await assertRejects(() => start(options, { failAt }), LaunchError);
    assertEquals(error.step, instruction.label);
  }
  assertEquals(host().state, before.state);
});

pastaTest("it ends with its container, however that ends, and leaves nothing", async () => {
  const before = await network();
  const state = host();
  for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
    await using web = await serve([...PASTA, "-p", "8080:80", "-p", "8080:80/udp"]);
    const pasta = pastaOf(web);
    await web.end(signal);
    // Of a libflux that was killed, too: the kernel ends it.
    await gone(pasta);
    assertEquals(await command("ps", "--quiet"), "");
    assertEquals(host().state, state.state);
  }
  await assertNetwork(before);
});

pastaTest("one that ends before its container is told, and the container goes on", async () => {
  const name = uniqueName();
  const child = startLibflux(["run", name, "--image", DEBIAN, ...PASTA, "--", "sh", "-c", "echo ready; read line"]);
  const reader = child.stdout.getReader();
  await reader.read();
  const { pid } = await info(name);
  const [pasta = 0] = processes(name).filter((one) => one !== pid);
  Deno.kill(pasta, "SIGTERM");
  await gone(pasta);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("\n"));
  await writer.close();
  assertEquals((await child.status).code, 0);
  await reader.cancel();
  const text = await new Response(child.stderr).text();
  assertMatch(text, new RegExp(`^\\S+: [^\n]*the container ${name} has lost its network: pasta has ended with 0\n$`));
});

/** Fewer where each takes seconds. */
const ROUNDS = patience(1) > 1 ? 6 : 25;

pastaTest(`libflux killed at ${ROUNDS} moments leaves nothing after the next command`, async () => {
  const before = await network();
  const flags = ["--image", DEBIAN, ...PASTA, "-p", "8080:80", "-p", "8080:80/udp"];
  const begin = performance.now();
  await command("run", uniqueName(), ...flags, "--", "true");
  const whole = performance.now() - begin;
  let hits = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const name = uniqueName();
    const init = i % 2 === 0 ? [] : ["--no-init"];
    const child = startLibflux(["run", name, ...flags, ...init, "--", "sleep", "1000"]);
    await child.stdin.close();
    await new Promise((resolve) => setTimeout(resolve, whole * 1.2 * i / ROUNDS));
    if (host().state.includes(name)) hits++;
    const ended = await Promise.race([child.status, new Promise((resolve) => setTimeout(resolve, 1))]);
    if (ended !== undefined) throw new Error(await new Response(child.stderr).text());
    child.kill("SIGKILL");
    await child.status;
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  }
  assertEquals(await command("ps", "--quiet"), "");
  await assertNetwork(before);
  assert(hits > ROUNDS / 10, `only ${hits} of ${ROUNDS} were hit while there was a container`);
  // The port is free again.
  await command("run", uniqueName(), ...flags, "--", "true");
});

labTest("pasta: on a host without a default route it is told why there is no way", async () => {
  const before = host();
  await refused(
    ["run", uniqueName(), "--image", DEBIAN, ...PASTA, "-p", "8080:80", "--", "true"],
    /^libflux: pasta could not connect the container: /,
    /default route/,
  );
  assertEquals(host().state, before.state);
});

/** Runs libflux where something else lies over pasta. */
function without(over: string, ...args: readonly string[]): ReturnType<typeof execute> {
  const script = 'mount --bind "$0" "$(realpath /usr/bin/pasta)" && exec "$@"';
  return execute(["unshare", "--mount", "sh", "-c", script, over, LIBFLUX, ...args]);
}

pastaTest("one that isn't there, or fails, is told in one sentence", async () => {
  using directory = temporaryDirectory();
  const before = host();
  const run = ["run", uniqueName(), "--image", DEBIAN, ...PASTA, "-p", "8080:80", "--", "true"];
  const plain = `${directory.path}/plain`;
  Deno.writeTextFileSync(plain, "");
  const missing = await without(plain, ...run);
  assertEquals([missing.code, missing.stdout], [125, ""]);
  assertMatch(missing.stderr, /^libflux: there is no pasta on this host; install what Debian calls passt\n$/);
  const seen = JSON.parse((await without(plain, "info", "--format", "json")).stdout);
  assertStringIncludes(JSON.stringify(seen), "passt");

  const broken = `${directory.path}/broken`;
  Deno.writeTextFileSync(broken, "#!/bin/sh\necho 'Failed to open() /dev/net/tun: No such device' >&2\nexit 1\n");
  Deno.chmodSync(broken, 0o755);
  const failed = await without(broken, ...run);
  assertEquals([failed.code, failed.stdout], [125, ""]);
  assertEquals(
    failed.stderr,
    "libflux: pasta could not connect the container: Failed to open() /dev/net/tun: No such device\n",
  );
  assertEquals(host().state, before.state);
});

Deno.test("pasta: what it can't give a container is refused", async () => {
  const flags = [["--ip", "192.0.2.2"], ["--ip6", "2001:db8::2"], ["--network-alias", "db"], [
    "--mac-address",
    "02:00:00:12:34:56",
  ]];
  for (const wrong of flags) {
    await refused(["run", uniqueName(), "--image", DEBIAN, ...PASTA, ...wrong, "--", "true"], /the network is pasta/);
  }
  const { code, stdout } = await libflux(["explain", "run", "web", ...PASTA, "-p", "8080:80", "--", "true"]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "start pasta, which connects the container in user mode");
  assertStringIncludes(stdout, "the port 8080/tcp of the host to 80");
  assertStringIncludes(stdout, "keep packets for loopback addresses in the container");
});
