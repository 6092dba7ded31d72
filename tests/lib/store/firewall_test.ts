import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../../lib/errors.ts";
import { removalFrom, removalOf } from "../../../lib/store/chains.ts";
import { hasPorts, removeChains, removePorts, renew, restore, runToolsBy } from "../../../lib/store/firewall.ts";
import { ofNetwork, saved } from "./saved.ts";

interface Call {
  readonly name: string;
  readonly args: readonly string[];
  readonly input: string;
}

/** Runs something with tools that answer so; tells how they were called. */
async function withTools(
  answer: (call: Call) => { readonly code: number; readonly output?: string },
  body: () => Promise<unknown>,
): Promise<Call[]> {
  const calls: Call[] = [];
  const tool = (name: string, args: readonly string[], input: string) => {
    calls.push({ name, args, input });
    return Promise.resolve({ output: "", ...answer({ name, args, input }) });
  };
  await runToolsBy(tool, body);
  return calls;
}

Deno.test("removeChains() and removePorts() take the short way, where it works", async () => {
  const rules = ["-p tcp -j DNAT", "-p udp -j DNAT"];
  assertEquals(
    await withTools(() => ({ code: 0 }), async () => {
      await removeChains(6, 1);
      await removePorts(4, 1, rules, "libflux-aaaaaaaaaaaa");
    }),
    [
      { name: "ip6tables-restore", args: ["--noflush", "--wait=30"], input: removalOf(1, 6) },
      {
        name: "iptables-restore",
        args: ["--noflush", "--wait=30"],
        input: "*nat\n-D LIBFLUX-PORTS-1 -p tcp -j DNAT\n-D LIBFLUX-PORTS-1 -p udp -j DNAT\nCOMMIT\n",
      },
    ],
  );
});

Deno.test("removeChains() looks at what is left, where the short way fails", async () => {
  const short = removalOf(1, 4);
  const calls = await withTools(
    ({ name, input }) =>
      name === "iptables-save" ? { code: 0, output: saved(4, "nft") } : { code: input === short ? 1 : 0 },
    () => removeChains(4, 1),
  );
  assertEquals(calls.map(({ name }) => name), ["iptables-restore", "iptables-save", "iptables-restore"]);
  assertEquals(calls[2]?.input, removalFrom(saved(4, "nft"), ofNetwork(1)));
  const gone = await withTools(({ name }) => ({ code: name === "iptables-save" ? 0 : 1 }), () => removeChains(4, 1));
  assertEquals(gone.length, 2);
});

Deno.test("removeChains() is done where nothing can be seen, and fails where libflux may not look", async () => {
  await withTools(() => ({ code: 1, output: "Table does not exist" }), () => removeChains(4, 1));
  const denied = {
    code: 4,
    output: "Could not fetch rule set generation id: Permission denied (you must be root)\nmore",
  };
  await assertRejects(
    () => withTools(() => denied, () => removeChains(4, 1)),
    NetworkError,
    "could not take rules away: iptables-restore ended with 4: Could not fetch rule set generation id: Permission denied",
  );
});

Deno.test("restore() tells the first line of a refusal, without control characters", async () => {
  const error = await assertRejects(
    () => withTools(() => ({ code: 2, output: "\n\x1b[2Jbad\nmore\n" }), () => restore(4, "x", "do it")),
    NetworkError,
    "could not do it: iptables-restore ended with 2: \\x1b[2Jbad",
  );
  assertEquals([error.step, error.message.includes("more")], ["do it", false]);
  await assertRejects(
    () => withTools(() => ({ code: 2 }), () => restore(6, "x", "do it")),
    NetworkError,
    "ended with 2",
  );
});

Deno.test("renew() looks again where somebody else has changed rules meanwhile, but not for ever", async () => {
  let failures = 1;
  const answer = ({ name }: Call) => ({ code: name === "iptables-restore" && failures-- > 0 ? 1 : 0 });
  const calls = await withTools(answer, () => renew(4, 1, { nat: ["-F A"] }, ["-p tcp"], "do it"));
  assertEquals(calls.map(({ name }) => name), [
    ...["iptables-save", "iptables-restore", "iptables-save", "iptables-restore"],
  ]);
  assertEquals(calls[3]?.input, "*nat\n-F A\n-A LIBFLUX-PORTS-1 -p tcp\nCOMMIT\n");
  failures = 10;
  await assertRejects(() => withTools(answer, () => renew(4, 1, {}, [], "do it")), NetworkError, "could not do it");
  assertEquals(failures, 7);
});

Deno.test("hasPorts() finds a network's own chain", async () => {
  for (
    const [index, text, expected] of [[1, saved(4, "nft"), true], [2, saved(4, "nft"), false], [1, "", false]] as const
  ) {
    await withTools(() => ({ code: 0, output: text }), async () => assertEquals(await hasPorts(4, index), expected));
  }
  await withTools(() => ({ code: 1, output: saved(4, "nft") }), async () => assertEquals(await hasPorts(4, 1), false));
  const only10 = saved(4, "nft").replaceAll(/^.*LIBFLUX-[A-Z]+-1\b.*\n/gm, "");
  await withTools(() => ({ code: 0, output: only10 }), async () => assertEquals(await hasPorts(4, 1), false));
});
