import { assertEquals } from "@std/assert";
import { serve } from "./container.ts";
import { labTest } from "./lab.ts";
import type { Place } from "./place.ts";

/** Sends from the same port every time, as resolvers and telephones do, until there is an answer; prints who has answered. */
const PROGRAM = String.raw`
use strict;
use Socket qw(:all);
my ($to, $port, $tries) = @ARGV;
my $v6 = $to =~ /:/;
my $family = $v6 ? AF_INET6 : AF_INET;
sub at { $v6 ? pack_sockaddr_in6($_[1], inet_pton($family, $_[0])) : pack_sockaddr_in($_[1], inet_pton($family, $_[0])) }
socket(my $socket, $family, SOCK_DGRAM, 0) or die "socket: $!";
bind($socket, at($v6 ? '::' : '0.0.0.0', 5555)) or die "bind: $!";
for (1 .. $tries) {
  send($socket, "?\n", 0, at($to, $port));
  my $ready = '';
  vec($ready, fileno($socket), 1) = 1;
  next unless select($ready, undef, undef, 0.1) && defined recv($socket, my $text, 4096, 0);
  print +(split / /, $text)[0];
  last;
}
`;

const ask = (place: Place, address: string, tries: number): Promise<string> =>
  place.must("perl", "-e", PROGRAM, address, "8080", String(tries));

labTest(
  "network: a client that goes on asking over UDP reaches whoever has the port by now",
  async ({ here, left }) => {
    const PUBLISH = ["--ipv6", "-p", "8080:80/udp"];
    for (const gateway of left.gateways) {
      // That nobody has answered there is what the kernel remembers.
      assertEquals(await ask(left, gateway, 3), "");
      await using first = await serve(PUBLISH);
      assertEquals(await ask(left, gateway, 50), first.name);
      // Has the network stay, and the next container another address.
      await using _other = await serve(["--ipv6"]);
      await first.end();
      await using second = await serve([...PUBLISH, "--ip", first.address().replace(/\d+$/, "77")]);
      assertEquals(await ask(left, gateway, 50), second.name);
      await second.end();
      {
        await using _host = await here.serve("host", ["8080/udp"]);
        assertEquals(await ask(left, gateway, 50), "host");
      }
      // With its network.
      await _other.end();
      await using third = await serve(PUBLISH);
      assertEquals(await ask(left, gateway, 50), third.name);
      await third.end();
      await using _host = await here.serve("host", ["8080/udp"]);
      assertEquals(await ask(left, gateway, 50), "host");
    }
  },
);
