import { assertEquals } from "@std/assert";
import { DEBIAN, isThere, temporaryDirectory } from "../support.ts";
import { refused, serve, who } from "./container.ts";
import { both } from "./echo.ts";
import { labTest } from "./lab.ts";

const run = (...flags: readonly string[]): string[] => ["run", "refused", "--image", DEBIAN, ...flags, "--", "true"];

labTest("network: a port that another container has is refused, and the container named", async ({ left }) => {
  await using web = await serve(["-p", "8080:80", "-p", "8081:80/udp", "-p", "198.51.100.1:8082:80"]);
  const named = [/8080/, new RegExp(web.name)];
  await refused(run("-p", "8080:80"), ...named);
  await refused(run("-p", "8080:81"), ...named);
  await refused(run("-p", "127.0.0.1:8080:80"), ...named);
  await refused(run("-p", "8079-8080:79-80"), ...named);
  await refused(run("-p", "8081:80/udp"), /8081/, new RegExp(web.name));
  await refused(run("-p", "8082:80"), /8082/, new RegExp(web.name));
  await refused(run("-p", "198.51.100.1:8082:80"), /8082/, new RegExp(web.name));
  // What is beside is free: the other protocol, the other address.
  await using other = await serve(["-p", "8080:80/udp", "-p", "8081:80", "-p", "203.0.113.1:8082:80"]);
  const [address = ""] = left.gateways;
  assertEquals(
    who(await left.ask([...both([address], 8080), ...both([address], 8081), ["tcp", address, 8082]])),
    [web.name, other.name, other.name, web.name, web.name],
  );
});

labTest("network: a port that a process of the host has is refused, and the process named", async ({ here }) => {
  await using _server = await here.serve("here", ["80/tcp", "8080/tcp", "8081/udp"]);
  await using _bound = await here.serve("here", ["8082/tcp"], ["127.0.0.1"]);
  await using _bound6 = await here.serve("here", ["8083/tcp"], ["2001:db8:1::1"]);
  await refused(run("-p", "80:80"), /\b80\b/, /perl/);
  await refused(run("-p", "8080:80"), /8080/, /perl/);
  await refused(run("-p", "198.51.100.1:8080:80"), /8080/, /perl/);
  await refused(run("-p", "8081:80/udp"), /8081/, /perl/);
  await refused(run("-p", "8082:80"), /8082/, /perl/);
  await refused(run("--ipv6", "-p", "[2001:db8:1::1]:8083:80"), /8083/, /perl/);
  await using web = await serve(["-p", "8080:80/udp", "-p", "8081:80", "-p", "198.51.100.1:8082:80"]);
  assertEquals(who(await here.ask([["udp", "198.51.100.1", 8080], ["tcp", "198.51.100.1", 8081]])), [
    ...[web.name, web.name],
  ]);
  assertEquals(who(await here.ask([["tcp", "127.0.0.1", 8082], ["tcp", "198.51.100.1", 8082]])), ["here", web.name]);
});

labTest("network: a port is refused before anything starts", async ({ here }) => {
  using directory = temporaryDirectory();
  await using _server = await here.serve("here", ["8080/tcp"]);
  const flags = ["--image", DEBIAN, "--bind", `${directory.path}:/mnt`, "-p", "8080:80"];
  await refused(["run", "refused", ...flags, "--", "touch", "/mnt/started"], /8080/);
  assertEquals(isThere(`${directory.path}/started`), false);
});

labTest("network: a port is free again with its holder's end", async ({ here, left }) => {
  for (let i = 0; i < 3; i++) {
    await using web = await serve(["-p", "8080:80"]);
    assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), [web.name]);
  }
  await using _server = await here.serve("here", ["8080/tcp"]);
  assertEquals(who(await left.ask([["tcp", left.gateways[0] ?? "", 8080]])), ["here"]);
});

labTest("network: low ports are root's to publish", async ({ left }) => {
  await using web = await serve(["-p", "80:80", "-p", "53:80/udp"]);
  const [address = ""] = left.gateways;
  assertEquals(who(await left.ask([["tcp", address, 80], ["udp", address, 53]])), [web.name, web.name]);
});

labTest("network: a port that can't be is refused", async () => {
  for (
    const wrong of [
      ...[
        "",
        "x",
        ":",
        "80:",
        ":80:",
        "8080:0",
        "65536:80",
        "8080:65536",
        "-1:80",
        "8080:80/icmp",
        "8080:80/",
        "1.5:80",
      ],
      ...["8080-8081:80", "8080:80-81", "8081-8080:81-80", "8080-8082:80-81", "9-8", "8080:80:90", "1.2.3:8080:80"],
      ...[
        "256.0.0.1:8080:80",
        "[::1:8080:80",
        "[x]:8080:80",
        "::1:8080:80",
        "localhost:8080:80",
        " 8080:80",
        "+8080:80",
      ],
    ]
  ) {
    await refused(run(`--publish=${wrong}`));
  }
  // Twice the same.
  await refused(run("-p", "8080:80", "-p", "8080:81"), /8080/);
  await refused(run("-p", "8080:80", "-p", "127.0.0.1:8080:81"), /8080/);
  // An address that the host hasn't got would answer nobody.
  await refused(run("-p", "192.0.2.77:8080:80"), /192\.0\.2\.77/);
});
