/**
 * Hearing of changes of nf_tables.
 *
 * Whoever deletes a rule there has it done in a moment, and then waits, at the latest when it ends, until no packet can be
 * looking at the rule any more: a grace period, 10 to 40 ms. The kernel tells all who listen when it is done.
 *
 * @module
 */
import { NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES, NFT, SOL_NETLINK } from "./abi/netlink.ts";
import { type Descriptor, syscall } from "./libc.ts";
import { openNetlink, splitMessages } from "./netlink.ts";
import { abandon, read } from "./reactor.ts";

/** Listens from now on. */
export class Changes implements Disposable {
  readonly #socket: Descriptor | undefined;

  /** Hears nothing where this kernel has no nf_tables, or where libflux may not listen. */
  constructor() {
    const group = new Uint8Array(Uint32Array.of(NFNLGRP_NFTABLES).buffer);
    try {
      const socket = openNetlink(NETLINK.NETLINK_NETFILTER);
      const joined = syscall("setsockopt", socket.number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, 4);
      if (joined === 0) this.#socket = socket;
      else socket.close();
    } catch {
      // Without nf_tables nobody waits for it either.
    }
  }

  /**
   * Settles when a process has committed so many changes, each all of a table's or none; never where that isn't heard.
   *
   * @param pid The process, which is also the port of its socket.
   */
  async committed(pid: number, count: number): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (let left = count; this.#socket?.isOpen === true;) {
      const size = await read(this.#socket.number, buffer).catch(() => -1);
      // Given up, or more than could be kept: whoever asks waits for the process itself.
      if (size < 0) break;
      for (const { type, port } of splitMessages(buffer.subarray(0, size))) {
        if (type === NFT.NFT_MSG_NEWGEN && port === pid) left--;
      }
      if (left <= 0) return;
    }
    await new Promise<void>(() => {});
  }

  [Symbol.dispose](): void {
    if (this.#socket !== undefined) abandon(this.#socket);
  }
}
