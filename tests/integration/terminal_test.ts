import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BUSYBOX, DEBIAN, HAS_USERS, hostTest, uniqueName } from "./support.ts";
import { Terminal } from "./terminal.ts";

const COOKED = { canonical: true, echo: true, signals: true };
const RAW = { canonical: false, echo: false, signals: false };

function sh(
  script: string,
  flags: readonly string[] = [],
  size?: { columns: number; rows: number },
  redirect?: string,
): Terminal {
  return new Terminal(["run", uniqueName(), "--image", BUSYBOX, ...flags, "--", "sh", "-c", script], size, redirect);
}

hostTest("terminal: a command run from one gets one, of the right size from the first moment", async () => {
  await using terminal = sh("stty size; tty; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all", [], {
    columns: 132,
    rows: 43,
  });
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.text, "43 132\r\n/dev/pts/0\r\nxterm\r\nall\r\n");
});

hostTest("terminal: one without a size is 80 by 24", async () => {
  await using terminal = sh("stty size", [], { columns: 0, rows: 0 });
  await terminal.ended();
  assertEquals(terminal.text, "24 80\r\n");
});

hostTest("terminal: a new size reaches the command, with SIGWINCH", async () => {
  await using terminal = sh("trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.01; done");
  await terminal.shows("ready");
  terminal.resize({ columns: 101, rows: 51 });
  assertEquals(await terminal.ended(), 7);
  assertStringIncludes(terminal.text, "51 101\r\n");
});

hostTest("terminal: raw while the command runs, as before afterwards", async () => {
  await using terminal = sh("echo ready; read x; exit 3");
  await terminal.shows("ready");
  assertEquals(terminal.modes, RAW);
  terminal.type("go\r");
  assertEquals(await terminal.ended(), 3);
  assertEquals(terminal.modes, COOKED);
});

hostTest("terminal: as before after a failed launch, a killed command, and a terminated libflux", async () => {
  {
    await using terminal = new Terminal(["run", uniqueName(), "--image", BUSYBOX, "--", "nowhere"]);
    assertEquals(await terminal.ended(), 127);
    assertEquals(terminal.modes, COOKED);
    assertMatch(terminal.text, /^libflux: there is no command "nowhere" [^\n]*\r\n$/);
  }
  {
    await using terminal = sh("kill -9 $$");
    assertEquals(await terminal.ended(), 137);
    assertEquals(terminal.modes, COOKED);
  }
  {
    await using terminal = sh("echo ready; read x");
    await terminal.shows("ready");
    Deno.kill(terminal.pid(), "SIGTERM");
    assertEquals(await terminal.ended(), 143);
    assertEquals(terminal.modes, COOKED);
  }
});

hostTest(
  "terminal: Ctrl-C interrupts the command, not libflux; Ctrl-D ends its input, Ctrl-\\ the command",
  async () => {
    await using terminal = sh(
      "trap 'echo interrupted' INT; echo ready; read line; read line && echo \"got $line\"; read line || echo end",
    );
    await terminal.shows("ready");
    terminal.type("\x03");
    await terminal.shows("interrupted");
    terminal.type("one\r");
    await terminal.shows("got one");
    terminal.type("\x04");
    await terminal.shows("end");
    assertEquals(await terminal.ended(), 0);
    await using other = new Terminal(["run", uniqueName(), "--image", BUSYBOX, "--", "cat"]);
    other.type("up\r");
    await other.shows("up\r\nup\r\n");
    other.type("\x1c");
    assertEquals(await other.ended(), 131);
  },
);

hostTest("terminal: typing is echoed and edited inside", async () => {
  await using terminal = sh('echo ready; read line; echo "<$line>"');
  await terminal.shows("ready");
  terminal.type("hellp\x7fo\r");
  await terminal.ended();
  assertStringIncludes(terminal.text, "hellp\b \bo\r\n<hello>\r\n");
});

hostTest("terminal: nothing of the last output is lost", async () => {
  await using terminal = sh("seq 1 20000");
  assertEquals(await terminal.ended(), 0);
  const lines = terminal.text.trim().split("\r\n");
  assertEquals([lines.length, lines.at(-1)], [20000, "20000"]);
});

hostTest("terminal: a shell in Debian is interactive, with job control", async () => {
  await using terminal = new Terminal(["run", uniqueName(), "--image", DEBIAN, "--", "bash", "--norc", "-i"]);
  await terminal.shows("# ");
  terminal.type("sleep 1000 &\r");
  await terminal.shows("[1] ");
  terminal.type("jobs; echo $((6*7)); exit 9\r");
  assertEquals(await terminal.ended(), 9);
  assertStringIncludes(terminal.text, "Running");
  assertStringIncludes(terminal.text, "42");
  assert(!terminal.text.includes("job control"), terminal.text);
});

hostTest("terminal: /dev/console and /dev/tty are the container's own", async () => {
  await using terminal = sh(
    "echo to the console >/dev/console; echo to the tty >/dev/tty; stat -c %t:%T /dev/tty; ls -1 /dev/pts; ls -ln /dev/console",
  );
  assertEquals(await terminal.ended(), 0);
  assertMatch(
    terminal.text,
    // The group of terminals, where there is one.
    HAS_USERS
      ? /^to the console\r\nto the tty\r\n5:0\r\n0\r\nptmx\r\ncrw--w---- +1 0 +5 +136, +0 /
      : /^to the console\r\nto the tty\r\n5:0\r\n0\r\nptmx\r\ncrw--w---- +1 0 +0 +136, +0 /,
  );
});

hostTest("terminal: --no-tty relays, and the container never holds the terminal (rule 18)", async () => {
  const script =
    `for f in 0 1 2; do test -t $f && echo "$f is a terminal"; done; for f in 0 1 2; do readlink /proc/$$/fd/$f | tr -d 0-9; done; (echo x >/dev/tty) 2>/dev/null && echo has a tty; read line; echo "got $line"`;
  await using terminal = sh(script, ["--no-tty"]);
  await terminal.shows("pipe:[]\r\npipe:[]\r\npipe:[]\r\n");
  terminal.type("something\n");
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.text, "pipe:[]\r\npipe:[]\r\npipe:[]\r\nsomething\r\ngot something\r\n");
});

hostTest("rule 18: a container can't type into the caller's terminal (CVE-2017-5226)", async () => {
  // ioctl(fd, TIOCSTI, "x")
  const number = Deno.build.arch === "x86_64" ? 16 : 29;
  const perl =
    `for my $f (0, 1, 2) { my $c = "x"; print "$f: ", syscall(${number}, $f, 0x5412, $c) == 0 ? "typed" : "refused", "\\n" }
    open(my $t, "+<", "/dev/tty") or print "no tty\\n"; print "done\\n"`;
  for (const flags of [["--no-tty"], ["--tty"]]) {
    await using terminal = new Terminal(["run", uniqueName(), "--image", DEBIAN, ...flags, "--", "perl", "-e", perl]);
    assertEquals(await terminal.ended(), 0);
    if (flags[0] === "--no-tty") {
      assertEquals(terminal.text.replaceAll("\r", ""), "0: refused\n1: refused\n2: refused\nno tty\ndone\n");
    }
    // What the container types into its own terminal comes back as echo, at most: never to whoever reads ours.
    await using after = new Terminal(["-c", 'read -t 0.2 line; echo "read <$line>"'], undefined, "", "bash");
    await after.shows("read <>");
    await after.ended();
  }
});

hostTest("terminal: only output redirected, or only input, means no terminal", async () => {
  await using terminal = sh("test -t 0 || echo no terminal >&2", [], undefined, ">/dev/null");
  await terminal.ended();
  assertEquals(terminal.text, "no terminal\r\n");
  await using other = sh("test -t 1 || echo no terminal", [], undefined, "</dev/null");
  await other.ended();
  assertEquals(other.text, "no terminal\r\n");
});

hostTest("terminal: --tty without one on standard input still gives one", async () => {
  await using terminal = sh("test -t 1 && stty size", ["--tty"], { columns: 90, rows: 30 }, "</dev/null");
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.text, "30 90\r\n");
});

hostTest("terminal: 'benchmark' shows its progress there, and 'ps' nothing but its table", async () => {
  await using terminal = new Terminal(["benchmark", "--image", BUSYBOX, "--count", "30"]);
  await terminal.shows("total of 30 containers");
  assertEquals(await terminal.ended(), 0);
  // deno-lint-ignore no-control-regex
  assertMatch(terminal.text, /\r[█▏▎▍▌▋▊▉ ]+ \d+\/30[^]*\r\x1b\[K +MIN/);
});
