import { assert, assertEquals } from "@std/assert";
import { hostTest, runContainer } from "../support.ts";
import { linkInstead, trap } from "./tree.ts";

/** Swaps two names for as long as it runs: what is a directory is a link in the next moment. Without a pause nobody else gets on. */
function swapper(one: string, other: string): AsyncDisposable {
  // renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)
  const number = Deno.build.arch === "x86_64" ? 316 : 276;
  const perl =
    `my ($one, $other) = @ARGV; while (1) { syscall(${number}, -100, $one, -100, $other, 2) == 0 or die $!; select(undef, undef, undef, 0.0003) }`;
  const child = new Deno.Command("perl", { args: ["-e", perl, one, other] }).spawn();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      const { code } = await child.status;
      // It hasn't ended by itself, because it could swap nothing.
      assertEquals(code, 128 + 9);
    },
  };
}

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
