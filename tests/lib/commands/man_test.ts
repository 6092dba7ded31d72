import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../cli.ts";
import { allHelp } from "../../../lib/commands/command.ts";
import { allPages } from "../../../lib/commands/man.ts";
import { escapeRoff, manPage } from "../../../lib/commands/man_page.ts";

const pages = await allPages(COMMANDS, "1.2.3");

/** Runs a program on a directory that has all pages; answers what it says of them. */
async function said(program: string, args: (files: readonly string[]) => readonly string[]): Promise<string> {
  const directory = Deno.makeTempDirSync({ prefix: "libflux-man-" });
  try {
    const files = pages.map(([file, text]) => {
      Deno.writeTextFileSync(`${directory}/${file}`, text);
      return `${directory}/${file}`;
    });
    const { stdout, stderr } = await new Deno.Command(program, {
      args: [...args(files)],
      env: { LC_ALL: "C.UTF-8", MANWIDTH: "80", MANPAGER: "cat" },
    }).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return text(stderr) + text(stdout);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("there is a page of every command and every action, and one of libflux", async () => {
  const names = (await allHelp(COMMANDS)).flatMap((one) => [one, ...one.subcommands ?? []]).map(({ name }) => name);
  const expected = ["libflux.1", ...names.map((name) => `libflux-${name.replace(" ", "-")}.1`)];
  assertEquals(pages.map(([file]) => file), expected);
  assert(expected.includes("libflux-run.1") && expected.includes("libflux-network-ls.1"));
});

Deno.test("groff has nothing to say about a page", async () => {
  assertEquals(await said("groff", (files) => ["-man", "-ww", "-Tutf8", "-z", ...files]), "");
});

Deno.test("mandoc has nothing to say about a page, but that it has no date", async () => {
  const lines = (await said("mandoc", (files) => ["-T", "lint", "-W", "warning", ...files])).trim().split("\n");
  assertEquals(lines.filter((line) => !line.includes("missing date")), []);
  assertEquals(lines.length, pages.length);
});

Deno.test("man shows every flag of every command, and its examples as they are typed", async () => {
  for (const help of (await allHelp(COMMANDS)).flatMap((one) => [one, ...one.subcommands ?? []])) {
    const file = Deno.makeTempFileSync({ suffix: ".1" });
    try {
      Deno.writeTextFileSync(file, manPage(help, "1.2.3"));
      const { success, stdout, stderr } = await new Deno.Command("man", {
        args: ["--warnings", "-l", file],
        env: { LC_ALL: "C.UTF-8", MANWIDTH: "500", MANPAGER: "cat" },
      }).output();
      assertEquals([success, new TextDecoder().decode(stderr)], [true, ""], help.name);
      const text = new TextDecoder().decode(stdout);
      for (const { name, help: about } of help.flags) {
        assertStringIncludes(text, `--${name}`);
        assertStringIncludes(text.replaceAll(/\s+/g, " "), about.replaceAll(/\s+/g, " "));
      }
      for (const { line } of help.examples ?? []) assertStringIncludes(text, line);
      assertMatch(text, new RegExp(`libflux-${help.name.replace(" ", "-")} - \\S`));
    } finally {
      Deno.removeSync(file);
    }
  }
});

Deno.test("escapeRoff() leaves nothing that roff takes for its own", () => {
  assertEquals(escapeRoff(".a\n'b\n-x \\n…"), "\\&.a\n\\&\\(aqb\n\\-x \\en\\[u2026]");
  assertEquals(escapeRoff("a.b `~^"), "a.b \\(ga\\(ti\\(ha");
});
