/**
 * What the kernel itself tells of nftables, whichever tools there are.
 *
 * @module
 */
import { AF, NETLINK, NF, NFT } from "../../ffi/abi/netlink.ts";
import { decodeAttributes, dump, openNetlink } from "../../ffi/netlink.ts";

/** A chain of nftables': also those of `iptables-nft`. */
export interface NftablesChain {
  /** `NFPROTO_*`: 1 is IPv4 and IPv6, 2 IPv4, 10 IPv6. */
  readonly family: number;
  readonly table: string;
  readonly name: string;
  /** Whether the kernel shows it all forwarded packets. */
  readonly isForward: boolean;
  readonly drops: boolean;
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
const bigEndian = (bytes: Uint8Array<ArrayBuffer> | undefined): number =>
  bytes?.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) : -1;

/** All chains of this network namespace; none where nftables isn't there. */
export function nftablesChains(): NftablesChain[] {
  try {
    using socket = openNetlink(NETLINK.NETLINK_NETFILTER);
    return dump(socket, {
      step: "list the chains of nftables",
      type: NFT.NFT_MSG_GETCHAIN,
      flags: 0,
      header: new Uint8Array([AF.AF_UNSPEC, 0, 0, 0]),
      attributes: [],
    }).map((body) => {
      const attributes = decodeAttributes(body.subarray(4));
      const hook = attributes.get(NFT.NFTA_CHAIN_HOOK);
      return {
        family: body[0] ?? 0,
        table: text(attributes.get(NFT.NFTA_CHAIN_TABLE)),
        name: text(attributes.get(NFT.NFTA_CHAIN_NAME)),
        isForward: hook !== undefined &&
          bigEndian(decodeAttributes(hook).get(NFT.NFTA_HOOK_HOOKNUM)) === NF.NF_INET_FORWARD,
        drops: bigEndian(attributes.get(NFT.NFTA_CHAIN_POLICY)) === NF.NF_DROP,
      };
    });
  } catch {
    return [];
  }
}
