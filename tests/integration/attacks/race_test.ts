import { assert, assertEquals } from "@std/assert";
import { hostTest, runContainer } from "../support.ts";
import { swapper } from "./swapper.ts";
import { linkInstead, trap } from "./tree.ts";

/** What makes a directory by its path is led out soon: the attack works, where nobody keeps it from that. */
async function naive(path: string, outside: string): Promise<void> {
  const script = 'for i in $(seq 2000); do mkdir "$1"; rmdir "$1"; test -e "$2" && break; done 2>/dev/null; rmdir "$2"';
  const { success } = await new Deno.Command("bash", { args: ["-c", script, "bash", path, outside] }).output();
  assert(success, "nobody was led out");
}

hostTest(
  "rule 7: who swaps a directory for a link while a container starts wins nothing (CVE-2021-30465, CVE-2024-45310)",
  async () => {
    using bait = trap();
    const share = `${bait.outside}/share`;
    const target = `${bait.outside}/target`;
    for (const path of [share, target]) Deno.mkdirSync(path);
    // Whichever way the link is looked up, it leads to the host's directory if it leads out at all.
    for (const link of [target, `../../../../../../../../../..${target}`]) {
      Deno.mkdirSync(`${share}/a`);
      linkInstead(`${share}/b`, link);
      let started = 0;
      {
        await using _swapping = swapper(`${share}/a`, `${share}/b`);
        await naive(`${share}/a/made`, `${target}/made`);
        for (let i = 0; i < 15; i++) {
          const binds = ["--bind", `${share}:/share`, "--bind", `/usr/share:/share/a/made:ro`, "--tmpfs", "/share/a"];
          const { code, stderr } = await runContainer(
            ["--image", bait.image, "--network", "none", ...binds.slice(0, i % 2 === 0 ? 4 : 6)],
            ["true"],
          );
          assert(code === 0 || code === 125, stderr);
          if (code === 0) started++;
        }
      }
      assertEquals(Array.from(Deno.readDirSync(target)), [], `${started} containers started`);
      // Whichever of them is the directory now.
      for (const name of ["a", "b"]) Deno.removeSync(`${share}/${name}`, { recursive: true });
    }
  },
);
