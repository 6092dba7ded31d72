import { assertEquals, assertMatch } from "@std/assert";
import { uniqueName, usersTest } from "../support.ts";
import { Terminal } from "../terminal.ts";
import { linkInstead, trap } from "./tree.ts";

usersTest("rule 11: no file is taken for the container's terminal, or given away as one (CVE-2025-52565)", async () => {
  using bait = trap();
  // /dev is libflux's own, and its parts can't be named: but a link of the image's can lead there.
  linkInstead(`${bait.image}/link`, "/dev");
  const names = ["0", "ptmx", "console"];
  for (const name of names) Deno.writeTextFileSync(`${bait.outside}/${name}`, "the host's");
  const binds = [
    `${bait.outside}:/link/pts`,
    `${bait.outside}/console:/link/console`,
    `${bait.outside}/ptmx:/link/own`,
  ];
  for (const bind of binds) {
    const command = ["sh", "-c", "echo typed >/dev/console; stat -c %t:%T /dev/console; test -t 0 && echo terminal"];
    const flags = ["--image", bait.image, "--network", "none", "--user", "1000", "--bind", bind];
    await using terminal = new Terminal(["run", uniqueName(), ...flags, "--", ...command]);
    assertEquals(await terminal.ended(), 0, terminal.text);
    assertMatch(terminal.text, /^typed\r\n88:\d+\r\nterminal\r\n$/, bind);
    for (const name of names) {
      assertEquals(Deno.readTextFileSync(`${bait.outside}/${name}`), "the host's", bind);
      assertEquals(Deno.statSync(`${bait.outside}/${name}`).uid, Deno.uid(), bind);
    }
  }
});
