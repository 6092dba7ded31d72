import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { RULES } from "./rules.ts";

const TESTS = fromFileUrl(new URL(".", import.meta.url));

function testFiles(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory)).flatMap(({ name, isDirectory }) =>
    isDirectory ? testFiles(`${directory}/${name}`) : name.endsWith("_test.ts") ? [`${directory}/${name}`] : []
  );
}

/** The names of tests that tell which rules they are about, with the numbers of those. */
const NAMES = testFiles(TESTS).flatMap((file) =>
  [...Deno.readTextFileSync(file).matchAll(/(?:\w+Test|Deno\.test)\(\s*(["`])(.*?)\1/g)].map(([, , name = ""]) => name)
).map((name) => {
  const numbers = /\brules? (\d+(?:(?:, | and )\d+)*)/.exec(name)?.[1]?.match(/\d+/g) ?? [];
  return { name, rules: numbers.map(Number), cves: Array.from(name.matchAll(/CVE-\d+-\d+/g), ([cve]) => cve) };
}).filter(({ rules }) => rules.length > 0);

Deno.test("every rule of security has a test that tries the attack, named after it and its CVEs", () => {
  assertEquals(Object.keys(RULES).map(Number), Array.from({ length: 23 }, (_, index) => index + 1));
  for (const [number, { about, cves, untested }] of Object.entries(RULES)) {
    const found = NAMES.filter(({ rules }) => rules.includes(Number(number)));
    assertEquals(found.length > 0, untested !== true, `rule ${number}: ${about}`);
    for (const cve of cves) assert(found.some((one) => one.cves.includes(cve)), `rule ${number}: ${cve}`);
  }
});

Deno.test("no test names a rule or a CVE that isn't that rule's", () => {
  for (const { name, rules, cves } of NAMES) {
    assertEquals(rules.filter((number) => RULES[number] === undefined), [], name);
    const known = rules.flatMap((number) => RULES[number]?.cves ?? []);
    assertEquals(cves.filter((cve) => !known.includes(cve)), [], name);
  }
});
