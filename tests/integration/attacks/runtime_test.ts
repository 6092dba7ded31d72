import { assert, assertEquals, assertThrows } from "@std/assert";
import { run } from "../../../mod.ts";
import { BUSYBOX, hostTest } from "../support.ts";
import { attack } from "./tree.ts";

hostTest("rule 1: nobody inside can reach what PID 1 runs, nor what it holds (CVE-2019-5736)", async () => {
  const script = `for f in exe cwd root fd/3 fd/4 fd/5; do readlink /proc/1/$f; done; cat /proc/1/maps /proc/1/environ
    (echo x >/proc/1/exe) && echo overwritten; (cat /bin/true >>/proc/1/exe) && echo appended; head -c 4 /proc/1/exe; echo end`;
  assertEquals((await attack(BUSYBOX, `(${script}) 2>/dev/null`)).stdout, "end\n");
});

hostTest("rule 1: what PID 1 runs is a sealed memfd, and no file of libflux's (CVE-2019-5736)", async () => {
  await using container = await run({ image: BUSYBOX, command: ["sleep", "1000"] });
  assertEquals(Deno.readLinkSync(`/proc/${container.pid}/exe`), "/memfd:libflux (deleted)");
  assert(Deno.statSync(`/proc/${container.pid}/exe`).size < 65536);
  for (const write of [true, false]) {
    const open = () => Deno.openSync(`/proc/${container.pid}/exe`, write ? { write: true } : { append: true });
    assertThrows(open, Error);
  }
});

hostTest("rule 1: what PID 1 has run can't be written to when nobody runs it any more (CVE-2019-5736)", async () => {
  // As the attack did: a descriptor that is kept until the file isn't busy.
  const perl = `open(my $held, "<", $ARGV[0]) or die; $| = 1; print "held\\n"; <STDIN>;
    for my $mode ("+<", ">", ">>") { print "opened\\n" if open(my $f, $mode, "/proc/self/fd/" . fileno($held)) and syswrite($f, "x") }
    print -s $held > 1000 ? "whole\\n" : "cut\\n"`;
  const container = await run({ image: BUSYBOX, command: ["sleep", "1000"] });
  const args = ["-e", perl, `/proc/${container.pid}/exe`];
  const holder = new Deno.Command("perl", { args, stdin: "piped", stdout: "piped" }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  await container[Symbol.asyncDispose]();
  await holder.stdin.close();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "whole\n");
  await Promise.all([reader.cancel(), holder.status]);
});

hostTest("rule 1: nothing of libflux is mapped into a process of the container", async () => {
  const { stdout } = await attack(BUSYBOX, "cat /proc/self/maps");
  assert(!/deno|libflux\b(?! \(deleted\))/.test(stdout.replaceAll("/memfd:libflux (deleted)", "")), stdout);
});
