import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DEBIAN, LIBFLUX, patience, temporaryDirectory } from "../support.ts";
import { labTest } from "./lab.ts";
import { execute } from "./place.ts";

/** The lines of the README's usage part, as a person would type them: a line that ends in "\" goes on. */
function usage(): string[] {
  const readme = Deno.readTextFileSync("README.md");
  const [, part = ""] = /^## Try it$([\s\S]*?)^## /m.exec(readme) ?? [];
  const blocks = Array.from(part.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, block = ""]) => block);
  return blocks.join("").replaceAll(/\\\n\s*/g, "").split("\n").filter((line) => /^(sudo )?\.\/libflux /.test(line));
}

/** What a line must show. */
const SHOWS: readonly (readonly [part: string, shown: string])[] = [
  ["run hello", "hello from inside"],
  ["--time", "tear down: back to a clean host"],
  ["ps --format json", "["],
  ["benchmark", "≥ "],
  ["explain run", "pivot_root"],
  ["logs web", "Z "],
  ["exec web", "fast"],
  ["inspect web", "running"],
  ["stats", "MEMORY / LIMIT"],
];

labTest("every line of the README's usage part works as a user would type it", async () => {
  const lines = usage();
  assert(lines.length >= 15, lines.join("\n"));
  using home = temporaryDirectory();
  // In the mount namespace of the tests, so that nothing of it is the host's.
  const script = `set -e
mkdir -p /srv/debian; mount --bind ${DEBIAN} /srv/debian
cd ${home.path}; ln -s ${LIBFLUX} libflux; mkdir data bin; printf '#!/bin/sh\\nexec "$@"\\n' >bin/sudo; chmod +x bin/sudo
PATH=${home.path}/bin:$PATH
`;
  const shell = ["unshare", "--mount", "sh", "-c"];
  const all = lines.map((line) => `echo '>>> ${line.replaceAll("'", "'\\''")}'\n${line}\necho "=== $?"`).join("\n");
  const { code, stdout, stderr } = await execute([...shell, `${script}set +e\n${all}`], patience(60_000));
  assertEquals(code, 0, stderr);
  const parts = stdout.split(">>> ").slice(1);
  assertEquals(parts.length, lines.length);
  parts.forEach((part) => assert(part.trimEnd().endsWith("=== 0"), `${part}\n${stderr}`));
  for (const [part, shown] of SHOWS) {
    const found = parts.find((one) => (one.split("\n")[0] ?? "").includes(part)) ?? "";
    assertStringIncludes(found + (part === "--time" ? stderr : ""), shown, part);
  }
  assertEquals(Deno.readTextFileSync(`${home.path}/data/mode`), "fast\n");
});
