import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { networkNamespace } from "../../ffi/network_namespace.ts";
import { type Container, run } from "../../mod.ts";
import { BUSYBOX, hostTest, LIBFLUX, libflux, openDescriptors, rootTest, runContainer, uniqueName } from "./support.ts";

const namespaceOf = (path: string): string => Deno.readLinkSync(path);
const ownThreads = (): Set<string> =>
  new Set(Array.from(Deno.readDirSync("/proc/self/task"), ({ name }) => namespaceOf(`/proc/self/task/${name}/ns/net`)));

rootTest("network: namespaces that are made beside are new, and no thread of libflux stays in one", async () => {
  const own = namespaceOf("/proc/self/ns/net");
  (await networkNamespace()).close();
  const before = openDescriptors();
  const made = await Promise.all(Array.from({ length: 20 }, () => networkNamespace()));
  const found = new Set(made.map(({ namespace }) => namespaceOf(`/proc/self/fd/${namespace.number}`)));
  assertEquals(found.size, 20);
  assertEquals(found.has(own), false);
  assertEquals(ownThreads(), new Set([own]));
  for (const descriptor of made) descriptor.close();
  assertEquals(openDescriptors(), before);
});

hostTest("network: with none there is a namespace of its own, with nothing but lo, which is up", async () => {
  const { code, stdout } = await runContainer(
    ["--image", BUSYBOX, "--network", "none"],
    ["sh", "-c", "ls /sys/class/net; cat /sys/class/net/lo/flags; ls -l /proc/self/fd; readlink /proc/self/ns/net"],
  );
  const [links, flags, ...rest] = stdout.trim().split("\n");
  assertEquals([code, links, flags], [0, "lo", "0x9"]);
  assertNotEquals(rest.at(-1), namespaceOf("/proc/self/ns/net"));
  // Nor may the descriptor it was joined by be there still.
  assertEquals(rest.filter((line) => line.includes("net:[") && line.includes("->")), []);
});

rootTest("network: a host that allows no more namespaces is told so in one sentence", async () => {
  // The limit is that of a user namespace: of one made for this test.
  const script = `echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"`;
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--user", "--map-root-user", "--mount", "--net", "sh", "-c", script, "sh"],
      ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--network", "none", "--", "true"],
    ],
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: could not make namespaces: this host has as many as it allows \(ENOSPC\); .*max_\*_namespaces\n$/,
  );
});

rootTest("network: where no thread could come home to the host's network, none leaves it", async () => {
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--user", "--map-root-user", "--mount"],
      ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--network", "none", "--", "true"],
    ],
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: the kernel doesn't let libflux come back .*CAP_SYS_ADMIN.*\n$/,
  );
});

rootTest(
  "network: without the capability the kernel's refusal is told, and the host's own network untouched",
  async () => {
    const show = async (): Promise<string> => {
      const { stdout } = await new Deno.Command("ip", { args: ["-o", "link"] }).output();
      return new TextDecoder().decode(stdout);
    };
    const before = await show();
    const { code, stderr } = await new Deno.Command("setpriv", {
      args: [
        ...["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
        ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--network", "none", "--", "true"],
      ],
    }).output();
    assertEquals(code, 125);
    assertMatch(
      new TextDecoder().decode(stderr),
      /^libflux: the kernel doesn't let libflux come back .*CAP_SYS_ADMIN.*\n$/,
    );
    assertEquals(await show(), before);
  },
);

const NETWORK = ["readlink", "/proc/self/ns/net"];
const text = async (container: Container): Promise<string> => (await new Response(container.stdout).text()).trim();

rootTest("network: container:NAME is the network of another container, where its servers answer", async () => {
  const listen = ["sh", "-c", "echo up; exec busybox nc -l -p 8080 -e echo hello"];
  await using server = await run({ image: BUSYBOX, command: listen });
  await server.stdout.getReader().read();
  const network = `container:${server.name}` as const;
  await using shown = await run({ image: BUSYBOX, command: NETWORK, network });
  assertEquals(await text(shown), Deno.readLinkSync(`/proc/${server.pid}/ns/net`));
  const listing = await libflux(["explain", "run", "x", "--network", network, "--", "true"]);
  assertStringIncludes(listing.stdout, `openat(AT_FDCWD, "/proc/${server.pid}/ns/net", O_RDONLY)`);
  const { stdout } = await runContainer(["--image", BUSYBOX, "--network", network], [
    "busybox",
    "nc",
    "127.0.0.1",
    "8080",
  ]);
  assertEquals(stdout, "hello\n");
});

rootTest("network: ns:PATH is a namespace that somebody else has made", async () => {
  const ip = async (...args: readonly string[]) =>
    assertEquals((await new Deno.Command("ip", { args: [...args] }).output()).code, 0, args.join(" "));
  const name = uniqueName();
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
  await ip("netns", "add", name);
  try {
    await ip("-n", name, "link", "add", "seen", "type", "bridge");
    await using shown = await run({
      image: BUSYBOX,
      command: ["ls", "/sys/class/net"],
      network: `ns:/run/netns/${name}`,
    });
    assertEquals(await text(shown), "lo\nseen");
    assertEquals((await shown.status).code, 0);
  } finally {
    await ip("netns", "del", name);
    // `ip` makes a mount of its directory and keeps it.
    if (Deno.readTextFileSync("/proc/self/mountinfo") !== mounts) {
      assertEquals((await new Deno.Command("umount", { args: ["/run/netns"] }).output()).code, 0);
    }
  }
});

rootTest("network: one that can't be joined is told in one sentence, and nothing is made", async () => {
  for (
    const [network, says] of [
      ["container:nobody", "there is no container nobody; 'libflux ps' lists those that run"],
      ["container:../x", "can't be a container's name"],
      ["ns:/run/netns/nowhere", "the network namespace /run/netns/nowhere can't be opened: no such file"],
      ["ns:/etc/passwd", "/etc/passwd is no network namespace"],
      ["ns:/proc/self/ns/mnt", "/proc/self/ns/mnt is no network namespace"],
      ["ns:relative", "the network is bridge, the name of a network, none, host, pasta, container:NAME or ns:/PATH"],
      ["nobody", "there is no network nobody; make it with 'libflux network create nobody'"],
    ] as const
  ) {
    const { code, stderr } = await runContainer(["--image", BUSYBOX, "--network", network], ["true"]);
    assertEquals(code, 125, network);
    assertMatch(stderr, /^libflux: [^\n]+\n$/);
    assertStringIncludes(stderr, says);
  }
});

hostTest("network: --add-host, --dns and --dns-search are in the container's files", async () => {
  const flags = [
    "--add-host",
    "db:192.0.2.7",
    "--add-host=six:[2001:db8::1]",
    "--dns",
    "192.0.2.3",
    "--dns-search",
    "x.example",
  ];
  const { stdout } = await runContainer(
    ["--image", BUSYBOX, ...flags],
    ["sh", "-c", "head -n 2 /etc/hosts; cat /etc/resolv.conf"],
  );
  assertEquals(stdout, "192.0.2.7\tdb\n2001:db8::1\tsix\nnameserver 192.0.2.3\nsearch x.example\n");
  for (const [flag, says] of [["--add-host=db", "is no line of /etc/hosts"], ["--dns=x", '"x" is no IP address']]) {
    const { code, stderr } = await runContainer(["--image", BUSYBOX, flag ?? ""], ["true"]);
    assertEquals(code, 125);
    assertStringIncludes(stderr, says ?? "");
  }
});
