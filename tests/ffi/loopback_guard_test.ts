import { assertEquals } from "@std/assert";
import { NFNL, NFT, NLM_F } from "../../ffi/abi/netlink.ts";
import { loopbackGuard } from "../../ffi/loopback_guard.ts";
import { splitMessages } from "../../ffi/netlink.ts";

Deno.test("loopbackGuard() is one batch, and only its last rule is answered", () => {
  const bytes = loopbackGuard();
  const messages = [...splitMessages(bytes)];
  assertEquals(messages.map(({ type }) => type), [
    ...[NFNL.BEGIN, NFT.NFT_MSG_NEWTABLE, NFT.NFT_MSG_NEWCHAIN, NFT.NFT_MSG_NEWRULE, NFT.NFT_MSG_NEWRULE, NFNL.END],
  ]);
  const isAnswered = messages.map(({ body }) => (bytes[body.byteOffset - 10] ?? 0) & NLM_F.NLM_F_ACK);
  assertEquals(isAnswered, [0, 0, 0, 0, NLM_F.NLM_F_ACK, 0]);
});
