import { assertEquals, assertStringIncludes } from "@std/assert";
import { DEBIAN, LIBFLUX, libflux, patience, uniqueName } from "../support.ts";
import { command, inspect, type Port } from "./container.ts";
import { serverCommand, type Target } from "./echo.ts";
import { labTest } from "./lab.ts";
import { Background, Place } from "./place.ts";

/** Fewer where each takes seconds. */
const COUNT = patience(1) > 1 ? 20 : 100;

const FIRST_PORT = 20_000;

labTest(`network: ${COUNT} containers that start at once are all reached, and end without a trace`, async (lab) => {
  const { here, left } = lab;
  await using stack = new AsyncDisposableStack();
  const names = Array.from({ length: COUNT }, () => uniqueName());
  const all = names.map((name, index) => {
    const port = FIRST_PORT + index;
    const flags = ["--network", "bridge", "--no-init", "-p", `${port}:80`, "-p", `${port}:80/udp`, "-p", "81"];
    const server = serverCommand(name, [80, "81/tcp"]);
    return stack.use(new Background([LIBFLUX, "run", name, "--image", DEBIAN, "--no-tty", ...flags, "--", ...server]));
  });
  await Promise.all(all.map((one) => one.ready()));
  const [{ containers, subnet }] = await inspect("bridge");
  assertEquals(containers.map(({ name }) => name).sort(), names.toSorted());
  for (const key of ["address", "macAddress"] as const) {
    assertEquals(new Set(containers.map((container) => container[key])).size, COUNT, `${key} in ${subnet}`);
  }
  const [address = ""] = left.gateways;
  const targets = names.flatMap((_, index): Target[] => [
    ["tcp", address, FIRST_PORT + index],
    ["udp", address, FIRST_PORT + index],
  ]);
  const expected = names.flatMap((name) => Array(2).fill(`${name} ${left.addresses[0]}`));
  assertEquals(await left.ask(targets), expected);
  // The ports that were given out are each container's own.
  const freeOf = (ports: readonly Port[]): number => ports.find((port) => port.containerPort === 81)?.hostPort ?? 0;
  const free = containers.map(({ ports }): Target => ["tcp", address, freeOf(ports)]);
  assertEquals(await left.ask(free), containers.map(({ name }) => `${name} ${left.addresses[0]}`));
  // The host has them too, and the first of them knows every other by its name.
  assertEquals(
    (await here.ask(targets.map(([protocol, , port]): Target => [protocol, "127.0.0.1", port]))).map((line) =>
      line.split(" ")[0]
    ),
    names.flatMap((name) => [name, name]),
  );
  const listed: readonly { readonly name: string; readonly pid: number }[] = JSON.parse(
    await command("ps", "--format", "json"),
  );
  const pid = listed.find(({ name }) => name === names[0])?.pid;
  const first = new Place(["nsenter", "--target", String(pid), "--net", "--mount"]);
  const byName = await first.ask(names.map((name): Target => ["tcp", name, 80]));
  assertEquals(byName.map((line) => line.split(" ")[0]), names);
  await Promise.all(all.map((one) => one.end()));
  assertEquals(await command("ps", "--quiet"), "");
});

labTest("network: of those who want the same port at once one gets it, and the others are told who", async () => {
  const names = Array.from({ length: 6 }, () => uniqueName());
  const started = await Promise.allSettled(names.map(async (name) => {
    const flags = ["--network", "bridge", "-p", "8080:80"];
    const command = [LIBFLUX, "run", name, "--image", DEBIAN, "--no-tty", ...flags, "--"];
    return await new Background([...command, ...serverCommand(name, [80])]).ready();
  }));
  const running = started.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  try {
    assertEquals(running.length, 1);
    const holder = names[started.findIndex(({ status }) => status === "fulfilled")] ?? "";
    for (const one of started) {
      if (one.status === "rejected") assertStringIncludes(String(one.reason), holder);
    }
  } finally {
    await Promise.all(running.map((one) => one.end()));
  }
});

labTest("network: containers that come and go at once don't take the network from each other", async ({ here }) => {
  const rounds = COUNT / 20;
  const worker = async (index: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      const flags = ["--network", "bridge", "-p", `${FIRST_PORT + index}:80`];
      const script = "cut -f1,2 /proc/net/route | grep -c ^eth0.00000000";
      const result = await libflux(["run", uniqueName(), "--image", DEBIAN, ...flags, "--", "sh", "-c", script]);
      assertEquals([result.code, result.stdout, result.stderr], [0, "1\n", ""], `worker ${index}, round ${i}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, (_, index) => worker(index)));
  assertEquals((await here.must("ip", "-o", "link")).includes("libflux"), false);
});
