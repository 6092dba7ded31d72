/**
 * A server that tells its client who it is and whom it sees, and a client that asks many servers at once, over TCP and
 * UDP, IPv4 and IPv6. In Perl, because Debian's smallest system has it: the same text runs in a host and in a container.
 *
 * @module
 */

const PROGRAM = String.raw`
use strict;
use Socket qw(:all);
use Errno qw(EINPROGRESS);
use POSIX ();

$| = 1;
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };
alarm 900;

sub now { (POSIX::times())[0] / POSIX::sysconf(POSIX::_SC_CLK_TCK()) }

sub address {
  my ($error, $host) = getnameinfo($_[0], NI_NUMERICHOST, NIx_NOSERV);
  return $error ? "?" : $host;
}

# Waits for descriptors, at most so many seconds; answers those that can be read and those that can be written.
sub wait_for {
  my ($read, $write, $seconds) = @_;
  my ($r, $w) = ('', '');
  vec($r, fileno($_), 1) = 1 for @$read;
  vec($w, fileno($_), 1) = 1 for @$write;
  select($r, $w, undef, $seconds);
  return ([grep { vec($r, fileno($_), 1) } @$read], [grep { vec($w, fileno($_), 1) } @$write]);
}

sub server {
  my ($name, $addresses, @ports) = @_;
  my (@tcp, @udp);
  for my $address ($addresses eq '*' ? ('0.0.0.0', '::') : split(/,/, $addresses)) {
    my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
    for (@ports) {
      my ($port, $only) = split m{/};
      for my $type (SOCK_STREAM, SOCK_DGRAM) {
        next if defined $only && $only ne ($type == SOCK_STREAM ? 'tcp' : 'udp');
        my $socket;
        # a kernel without IPv6
        next if !socket($socket, $family, $type | SOCK_NONBLOCK, 0) && $address eq '::';
        setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1) if $type == SOCK_STREAM;
        setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, 1) if $family == AF_INET6;
        my $where = $family == AF_INET6 ? pack_sockaddr_in6($port, inet_pton($family, $address))
                                        : pack_sockaddr_in($port, inet_pton($family, $address));
        bind($socket, $where) or die "can't bind to $address, port $port: $!\n";
        listen($socket, 128) if $type == SOCK_STREAM;
        push @{$type == SOCK_STREAM ? \@tcp : \@udp}, $socket;
      }
    }
  }
  print "ready\n";
  while (1) {
    my ($ready) = wait_for([@tcp, @udp], [], undef);
    for my $socket (@$ready) {
      if (grep { $_ == $socket } @tcp) {
        my $peer = accept(my $client, $socket) or next;
        # what isn't read would be answered by a reset
        wait_for([$client], [], 0.5);
        sysread($client, my $text, 4096);
        syswrite($client, "$name " . address($peer) . "\n");
        close $client;
      } else {
        my $peer = recv($socket, my $text, 4096, MSG_DONTWAIT);
        send($socket, "$name " . address($peer) . "\n", 0, $peer) if defined $peer;
      }
    }
  }
}

sub begin {
  my ($protocol, $address, $port) = @_;
  my $probe = { protocol => $protocol, text => '' };
  my ($error, $found) = getaddrinfo($address, $port, {
    socktype => $protocol =~ /tcp/ ? SOCK_STREAM : SOCK_DGRAM,
    family => $protocol =~ /6$/ ? AF_INET6 : $address =~ /:/ ? AF_UNSPEC : AF_INET,
    flags => AI_NUMERICSERV,
  });
  if ($error || !$found) {
    $probe->{result} = 'unresolved';
    return $probe;
  }
  socket($probe->{socket}, $found->{family}, $found->{socktype} | SOCK_NONBLOCK, 0) or die "socket: $!\n";
  $probe->{connecting} = 1;
  if (!connect($probe->{socket}, $found->{addr}) && $! != EINPROGRESS) {
    $probe->{result} = told($!);
  } elsif ($protocol =~ /udp/) {
    $probe->{connecting} = 0;
    $probe->{next} = now();
  }
  return $probe;
}

sub told {
  my ($error) = @_;
  for my $name (qw(ECONNREFUSED ENETUNREACH EHOSTUNREACH EACCES EPERM ECONNRESET ETIMEDOUT)) {
    no strict 'refs';
    return $name if $error == &{"Errno::$name"}();
  }
  return "$error";
}

sub client {
  my ($milliseconds, @all) = @_;
  my $deadline = now() + $milliseconds / 1000;
  my @probes;
  push @probes, begin(splice(@all, 0, 3)) while @all;
  while (1) {
    my @open = grep { !defined $_->{result} } @probes;
    my $now = now();
    last if !@open || $now >= $deadline;
    for my $probe (grep { defined $_->{next} && $_->{next} <= $now } @open) {
      # an answer may get lost
      $probe->{next} = $now + 0.2;
      send($probe->{socket}, "?\n", 0) or $probe->{result} = told($!);
    }
    @open = grep { !defined $_->{result} } @open;
    my ($readable, $writable) = wait_for([map { $_->{socket} } grep { !$_->{connecting} } @open],
                                         [map { $_->{socket} } grep { $_->{connecting} } @open], 0.05);
    for my $socket (@$writable, @$readable) {
      my ($probe) = grep { $_->{socket} == $socket } @open;
      if ($probe->{connecting}) {
        my $error = unpack('i', getsockopt($socket, SOL_SOCKET, SO_ERROR));
        $probe->{connecting} = 0;
        $probe->{result} = told($! = $error) if $error;
        # pasta before 2024 tells a server of its client only when that says something
        syswrite($socket, "?\n") unless $error;
        next;
      }
      my $got = sysread($socket, my $text, 4096);
      if (!defined $got) {
        $probe->{result} = told($!) unless $!{EAGAIN};
      } else {
        $probe->{text} .= $text;
        $probe->{result} = $probe->{text} if $got == 0 || $probe->{protocol} =~ /udp/;
      }
    }
  }
  for my $probe (@probes) {
    my $line = defined $probe->{result} ? $probe->{result} : 'timeout';
    $line =~ s/\s+$//;
    print "$line\n";
  }
}

my $role = shift @ARGV;
$role eq 'server' ? server(@ARGV) : client(@ARGV);
`;

/** A transport, and for a name as address which of its addresses is meant: `tcp6` and `udp6` are the IPv6 one. */
export type Protocol = "tcp" | "udp" | "tcp6" | "udp6";

/** Whom a client asks. */
export type Target = readonly [protocol: Protocol, address: string, port: number];

/**
 * The command of a server that answers with its name and its client's address.
 *
 * @param ports `80` is TCP and UDP, `80/tcp` TCP alone.
 * @param addresses Where it listens; everywhere if left out.
 */
export function serverCommand(
  name: string,
  ports: readonly (number | string)[],
  addresses: readonly string[] = ["*"],
): string[] {
  return ["perl", "-e", PROGRAM, "server", name, addresses.join(","), ...ports.map(String)];
}

/** The command of a client: it prints for each target a line, the answer or `timeout`, `unresolved` or an errno's name. */
export function clientCommand(targets: readonly Target[], milliseconds: number): string[] {
  return ["perl", "-e", PROGRAM, "client", String(milliseconds), ...targets.flat().map(String)];
}

/** What a client has printed: one answer for each target. */
export function answers(stdout: string): string[] {
  return stdout.split("\n").slice(0, -1);
}

/** Both transports to each address. */
export function both(addresses: readonly string[], port: number): Target[] {
  return addresses.flatMap((address): Target[] => [["tcp", address, port], ["udp", address, port]]);
}
