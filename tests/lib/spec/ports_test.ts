import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { checkPorts, formatPort, parsePublish, type PortMapping } from "../../../lib/spec/ports.ts";

const tcp = (containerPort: number, more: Partial<PortMapping> = {}): PortMapping => ({
  containerPort,
  protocol: "tcp",
  ...more,
});

Deno.test("parsePublish() reads what docker and podman do", () => {
  const good: readonly (readonly [string, PortMapping])[] = [
    ["80", tcp(80)],
    ["080", tcp(80)],
    ["8080:80", tcp(80, { hostPort: 8080 })],
    ["65535:1", tcp(1, { hostPort: 65535 })],
    ["127.0.0.1:8080:80", tcp(80, { hostAddress: "127.0.0.1", hostPort: 8080 })],
    ["0.0.0.0:8080:80", tcp(80, { hostAddress: "0.0.0.0", hostPort: 8080 })],
    ["127.0.0.1::80", tcp(80, { hostAddress: "127.0.0.1" })],
    ["[::1]:8080:80/udp", { hostAddress: "::1", hostPort: 8080, containerPort: 80, protocol: "udp" }],
    ["[::1]::80", tcp(80, { hostAddress: "::1" })],
    ["[::]:8080:80", tcp(80, { hostAddress: "::", hostPort: 8080 })],
    ["[2001:DB8:0:0:0:0:0:1]:8080:80", tcp(80, { hostAddress: "2001:db8::1", hostPort: 8080 })],
    ["53/udp", { containerPort: 53, protocol: "udp" }],
    ["53/UDP", { containerPort: 53, protocol: "udp" }],
    ["53:53/Tcp", tcp(53, { hostPort: 53 })],
  ];
  for (const [text, mapping] of good) assertEquals(parsePublish(text), [mapping], text);
});

Deno.test("parsePublish() gives one mapping for each port of a range", () => {
  assertEquals(parsePublish("3000-3002"), [tcp(3000), tcp(3001), tcp(3002)]);
  assertEquals(parsePublish("127.0.0.1::3000-3001"), [
    tcp(3000, { hostAddress: "127.0.0.1" }),
    tcp(3001, { hostAddress: "127.0.0.1" }),
  ]);
  const ten = parsePublish("8000-8009:9000-9009/udp");
  assertEquals(ten.length, 10);
  assertEquals(ten[9], { hostPort: 8009, containerPort: 9009, protocol: "udp" });
  assertEquals(parsePublish("[::1]:80-80:90"), [tcp(90, { hostAddress: "::1", hostPort: 80 })]);
  assertEquals(parsePublish("1-65535:1-65535").length, 65535);
});

Deno.test("parsePublish() gives what checkPorts() takes", () => {
  for (const text of ["80", "[::1]:8080:80/udp", "127.0.0.1::80", "1-65535:1-65535"]) checkPorts(parsePublish(text));
});

Deno.test("parsePublish() says of each wrong text what is wrong with it, and how to write it", () => {
  const bad: readonly (readonly [string, string, string])[] = [
    ["", '"" names no port', "8080:80"],
    ["/tcp", '"/tcp" names no port', "8080:80"],
    [" 80", '" 80" in " 80" is neither a port of the container nor a range', "write 8080"],
    ["+80", "neither a port", "write 8080"],
    ["0x50", "neither a port", "write 8080"],
    ["http", '"http" in "http" is neither', "write 8080"],
    ["http:80", '"http" in "http:80" is neither a port of the host', "write 8080"],
    ["80-", '"80-" in', "8000-8009"],
    ["-80", '"-80" in', "8000-8009"],
    ["1-2-3", '"1-2-3" in', "8000-8009"],
    ["８０", "neither a port", "write 8080"],
    ["8080:", '"8080:" names no port of the container', "[IP:][HOST:]CONTAINER"],
    ["127.0.0.1:8080:", "names no port of the container", "[IP:][HOST:]CONTAINER"],
    [":80", "nothing before its first colon", "leave the colon out"],
    ["::80", "nothing before its first colon", "leave the colon out"],
    [":8080:80", "nothing before its first colon", "leave the colon out"],
    ["127.0.0.1:80", "has an address, and not both of the ports", "127.0.0.1::80"],
    ["[::1]:80", "has an address, and not both of the ports", "write [::1]:8080:80, or [::1]::80"],
    ["[::1]", "has an address, and not both of the ports", "[::1]::80"],
    ["[x]:80", '"x" in "[x]:80" is no IP address', "[::1]:8080:80"],
    ["::1:8080:80", "more colons", "[::1]:8080:80"],
    ["2001:db8::7:8080:80", "more colons", "[2001:db8::7]:8080:80"],
    ["1:2:3:4", "more colons", "in brackets: [::1]:8080:80"],
    ["[::1", "isn't an address in brackets", "[::1]:8080:80"],
    ["[::1]8080:80", "isn't an address in brackets", "[::1]:8080:80"],
    ["[::1]:1:2:3", "isn't an address in brackets", "[::1]:8080:80"],
    ["[127.0.0.1]:8080:80", "IPv4 address in brackets", "write 127.0.0.1:8080:80"],
    ["[]:8080:80", '"" in "[]:8080:80" is no IP address', "127.0.0.1:8080:80"],
    ["[fe80::1%eth0]:8080:80", "is no IP address", "[::1]:8080:80"],
    ["[::ffff:192.0.2.1]:8080:80", "is an IPv4 address written as IPv6", "write 192.0.2.1"],
    ["localhost:8080:80", '"localhost" in "localhost:8080:80" is no IP address', "127.0.0.1:8080:80"],
    ["127.1:8080:80", '"127.1" in', "127.0.0.1:8080:80"],
    ["0", "the port 0 of the container", "from 1 to 65535"],
    ["0:80", "the port 0 of the host", "leave it out for a free port"],
    ["65536", "the port 65536 of the container", "from 1 to 65535"],
    ["65536:80", "the port 65536 of the host", "from 1 to 65535"],
    ["99999999999999999999:80", "the port 99999999999999999999 of the host", "from 1 to 65535"],
    ["65530-65536", "the port 65536", "from 1 to 65535"],
    ["8009-8000:80-89", 'the range "8009-8000"', "write 8000-8009"],
    ["89-80", 'the range "89-80" in "89-80" runs backwards', "write 80-89"],
    ["8000-8009:80-88", "has 10 of the host's ports for 9 of the container's", "of the same length"],
    ["8000-8009:80", "has 10 of the host's ports for 1", "of the same length"],
    ["8000:80-81", "has 1 of the host's ports for 2", "of the same length"],
    ["80/", "names no protocol after the slash", "/tcp or /udp"],
    ["80/sctp", '"sctp" in "80/sctp" is no protocol', "/tcp or /udp"],
    ["80/tcp/udp", '"tcp/udp" in', "/tcp or /udp"],
    ["80/tcp ", '"tcp " in', "/tcp or /udp"],
  ];
  for (const [text, message, hint] of bad) {
    const error = assertThrows(() => parsePublish(text), UsageError, message, text);
    assertStringIncludes(error.message, `"${text}"`);
    assertStringIncludes(error.hint ?? "", hint, text);
    assert(!/[.\n]$/.test(error.message), error.message);
  }
});

Deno.test("parsePublish() shows control characters as escapes", () => {
  for (
    const text of [
      "80\n",
      "\x1b[2J",
      "1\x07:80",
      "\x1b:1:1",
      "[\x1b]:1",
      "1/\x1b",
      "1:2:3:\x1b",
      "::1:1:\x1b",
      "127.0.0.1:\x1b",
    ]
  ) {
    const { message, hint = "" } = assertThrows(() => parsePublish(text), UsageError);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x1f]/.test(message + hint), message);
  }
});

Deno.test("checkPorts() names the first field that can't be", () => {
  const bad: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ containerPort: 0 }, "ports[1].containerPort is a whole number from 1 to 65535, not 0"],
    [{ containerPort: 65536 }, "ports[1].containerPort"],
    [{ containerPort: 80.5 }, "ports[1].containerPort"],
    [{ containerPort: "80" }, "ports[1].containerPort"],
    [{ containerPort: undefined }, "not undefined"],
    [{ hostPort: 0, containerPort: 0 }, "ports[1].hostPort is a whole number from 1 to 65535, not 0"],
    [{ hostPort: NaN }, "ports[1].hostPort"],
    [{ protocol: "TCP" }, 'ports[1].protocol is tcp or udp, not "TCP"'],
    [{ protocol: undefined }, "ports[1].protocol"],
    [{ hostAddress: "localhost" }, 'ports[1].hostAddress is an IP address, not "localhost"'],
    [{ hostAddress: "" }, "ports[1].hostAddress"],
    [{ hostAddress: "[::1]" }, "ports[1].hostAddress"],
    [{ hostAddress: "::ffff:192.0.2.1" }, "ports[1].hostAddress"],
  ];
  for (const [fields, message] of bad) {
    const mapping = { ...tcp(80), ...fields } as PortMapping;
    assertThrows(() => checkPorts([tcp(1), mapping, tcp(0)]), UsageError, message);
  }
  checkPorts([]);
});

Deno.test("checkPorts() refuses addresses that no host has to itself", () => {
  const at = (hostAddress: string): PortMapping[] => [{ hostAddress, containerPort: 80, protocol: "tcp" }];
  for (const address of ["224.0.0.1", "255.255.255.255", "ff02::1", "fe80::1", "febf::1"]) {
    assertThrows(() => checkPorts(at(address)), UsageError, `no port can be published at ${address}`);
  }
  for (const address of ["0.0.0.0", "127.0.0.1", "169.254.1.1", "::", "fec0::1", "2001:db8::1"]) {
    checkPorts(at(address));
  }
});

Deno.test("checkPorts() refuses a port of the host that two mappings ask for", () => {
  const pair = (one: string | undefined, other: string | undefined): PortMapping[] =>
    [one, other].map((hostAddress, index) =>
      tcp(80 + index, { hostPort: 8080, ...(hostAddress === undefined ? {} : { hostAddress }) })
    );
  const clashing: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, undefined],
    [undefined, "127.0.0.1"],
    [undefined, "::1"],
    [undefined, "0.0.0.0"],
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:db8::a", "2001:DB8::A"],
  ];
  for (const [one, other] of clashing) {
    assertThrows(() => checkPorts(pair(one, other)), UsageError, "8080/tcp is asked for twice", `${one} ${other}`);
    assertThrows(() => checkPorts(pair(other, one)), UsageError, "8080/tcp is asked for twice", `${other} ${one}`);
  }
  const apart = [["127.0.0.1", "127.0.0.2"], ["0.0.0.0", "::"], ["::", "127.0.0.1"], ["::1", "::2"]] as const;
  for (const [one, other] of apart) checkPorts([...pair(one, other)]);
  assertThrows(
    () => checkPorts([...pair("127.0.0.1", "::1"), tcp(1), tcp(82, { hostPort: 8080, hostAddress: "::" })]),
    UsageError,
    "the host's port 8080/tcp is asked for twice, by [::1]:8080->81/tcp and [::]:8080->82/tcp",
  );
});

Deno.test("checkPorts() lets mappings be that ask for different ports, or for none", () => {
  checkPorts([tcp(80), tcp(80), tcp(81)]);
  checkPorts([tcp(80, { hostPort: 8080 }), tcp(80, { hostPort: 8081 }), tcp(80)]);
  checkPorts([tcp(53, { hostPort: 53 }), { hostPort: 53, containerPort: 53, protocol: "udp" }]);
});

Deno.test("formatPort() is what ps shows", () => {
  assertEquals(formatPort({ hostPort: 8080, containerPort: 80, protocol: "tcp" }), "0.0.0.0:8080->80/tcp");
  assertEquals(
    formatPort({ hostAddress: "::1", hostPort: 8080, containerPort: 80, protocol: "udp" }),
    "[::1]:8080->80/udp",
  );
  assertEquals(
    formatPort({ hostAddress: "127.0.0.1", hostPort: 1, containerPort: 2, protocol: "tcp" }),
    "127.0.0.1:1->2/tcp",
  );
});
