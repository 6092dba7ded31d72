import { assertEquals, assertThrows } from "@std/assert";
import { NetworkError } from "../../../lib/errors.ts";
import { pastaArguments, portArguments, reasonOf } from "../../../lib/network/pasta.ts";
import { parsePublish, type PublishedPort } from "../../../lib/spec/ports.ts";

/** Ports as they are when each has its port of the host. */
const published = (...texts: readonly string[]): PublishedPort[] =>
  texts.flatMap(parsePublish).map((port) => ({ hostPort: 40_000, ...port }));

Deno.test("portArguments() names all ports, and forwards no others", () => {
  assertEquals(portArguments([]), ["-t", "none", "-u", "none"]);
  assertEquals(portArguments(published("8080:80")), ["-t", "8080:80", "-u", "none"]);
  assertEquals(portArguments(published("127.0.0.1:53:5353/udp")), ["-t", "none", "-u", "127.0.0.1/53:5353"]);
  assertEquals(portArguments(published("[::1]:8080:80", "53:53/udp", "80")), [
    ...["-t", "::1/8080:80", "-t", "40000:80", "-u", "53:53"],
  ]);
});

Deno.test("portArguments() puts ports that follow each other into one range", () => {
  assertEquals(portArguments(published("8000-8009:80-89", "8010:90", "8011:92")), [
    ...["-t", "8000-8010:80-90", "-t", "8011:92", "-u", "none"],
  ]);
  assertEquals(portArguments(published("127.0.0.1:8000:80", "8001:81")), [
    ...["-t", "127.0.0.1/8000:80", "-t", "8001:81", "-u", "none"],
  ]);
});

Deno.test("portArguments() refuses one port at two addresses, but not for two protocols", () => {
  const error = assertThrows(() => portArguments(published("127.0.0.1:8080:80", "[::1]:8080:80")), NetworkError);
  assertEquals(error.message, "pasta can't publish the port 8080/tcp at two addresses");
  assertEquals(portArguments(published("127.0.0.1:8080:80", "[::1]:8080:80/udp")).length, 4);
});

Deno.test("pastaArguments() leaves no way to the host's loopback", () => {
  const text = pastaArguments(published("8080:80")).join(" ");
  for (const part of ["--no-map-gw", "-T none", "-U none", "-t 8080:80", "-u none"]) {
    assertEquals(text.includes(part), true, part);
  }
});

Deno.test("reasonOf() tells what pasta says, and nothing beside it", () => {
  const reason = (...lines: readonly string[]): readonly [string, string | undefined] => {
    const { message, hint } = reasonOf(lines.join("\n") + "\n");
    return [message.replace("pasta could not connect the container: ", ""), hint?.replace(/: .*$/, "")];
  };
  assertEquals(
    reason(
      "Failed to send 46 bytes to syslog",
      "1795630670.8302: No external routable interface for IPv4",
      "No external routable interface for IPv6",
      "External interface not usable",
    ),
    ["External interface not usable", "it connects containers by the host's default route, and there is none"],
  );
  assertEquals(
    reason("No external routable interface for IPv6", "Failed to bind any port for '-u 127.0.0.1/53:5353', exiting"),
    [
      "Failed to bind any port for '-u 127.0.0.1/53:5353'",
      "somebody has just taken the port",
    ],
  );
  assertEquals(reason("No external routable interface for IPv6"), [
    "No external routable interface for IPv6",
    undefined,
  ]);
  assertEquals(reason(""), ["it said nothing", undefined]);
  assertEquals(reason("\x1b[31mboo"), ["\\x1b[31mboo", undefined]);
});
