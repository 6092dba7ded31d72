import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { networkNamespace } from "../../ffi/network_namespace.ts";
import { BUSYBOX, hostTest, LIBFLUX, openDescriptors, runContainer, uniqueName } from "./support.ts";

const namespaceOf = (path: string): string => Deno.readLinkSync(path);
const ownThreads = (): Set<string> =>
  new Set(Array.from(Deno.readDirSync("/proc/self/task"), ({ name }) => namespaceOf(`/proc/self/task/${name}/ns/net`)));

hostTest("network: namespaces that are made beside are new, and no thread of libflux stays in one", async () => {
  const own = namespaceOf("/proc/self/ns/net");
  (await networkNamespace()).close();
  const before = openDescriptors();
  const made = await Promise.all(Array.from({ length: 20 }, () => networkNamespace()));
  const found = new Set(made.map(({ number }) => namespaceOf(`/proc/self/fd/${number}`)));
  assertEquals(found.size, 20);
  assertEquals(found.has(own), false);
  assertEquals(ownThreads(), new Set([own]));
  for (const descriptor of made) descriptor.close();
  assertEquals(openDescriptors(), before);
});

hostTest("network: a container has a namespace of its own, with nothing but lo, which is up", async () => {
  const { code, stdout } = await runContainer(
    ["--image", BUSYBOX],
    ["sh", "-c", "ls /sys/class/net; cat /sys/class/net/lo/flags; ls -l /proc/self/fd; readlink /proc/self/ns/net"],
  );
  const [links, flags, ...rest] = stdout.trim().split("\n");
  assertEquals([code, links, flags], [0, "lo", "0x9"]);
  assertNotEquals(rest.at(-1), namespaceOf("/proc/self/ns/net"));
  // Nor may the descriptor it was joined by be there still.
  assertEquals(rest.filter((line) => line.includes("net:[") && line.includes("->")), []);
});

hostTest("network: a host that allows no more namespaces is told so in one sentence", async () => {
  // The limit is that of a user namespace: of one made for this test.
  const script = `echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"`;
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--user", "--map-root-user", "--mount", "--net", "sh", "-c", script, "sh"],
      ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--", "true"],
    ],
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: could not make namespaces: this host has as many as it allows \(ENOSPC\); .*max_\*_namespaces\n$/,
  );
});

hostTest("network: where no thread could come home to the host's network, none leaves it", async () => {
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--user", "--map-root-user", "--mount"],
      ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--", "true"],
    ],
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^libflux: the kernel doesn't let libflux come back .*CAP_SYS_ADMIN.*\n$/,
  );
});

hostTest(
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
        ...[LIBFLUX, "run", uniqueName(), "--image", BUSYBOX, "--", "true"],
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
