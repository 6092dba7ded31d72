/**
 * Removing links of the host's network.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { batchInBackground, NetlinkError, openNetlink } from "../../ffi/netlink.ts";
import { deleteLink, findLink, type Link } from "../../ffi/rtnetlink.ts";

/** What the alias of a bridge of libflux's begins with. */
export const ALIAS = "libflux network ";

/** The name of a bridge. */
export const BRIDGE = /^libflux(0|[1-9][0-9]{0,3})$/;
/** The name of a container's end on the host: its IPv4 address in hexadecimal digits, so that nobody else has it. */
export const VETH = /^lf[0-9a-f]{8}$/;

/** Looks for a link of this process's network namespace. */
export function linkNamed(name: string): Link | undefined {
  using socket = openNetlink();
  return findLink(socket, name);
}

/** Milliseconds within which the kernel removes the links of a namespace that has ended, if no other keeps it busy. */
const PATIENCE = 5;
const MOMENT = 1;

async function remove(name: string, index: number): Promise<void> {
  using socket = openNetlink();
  try {
    await batchInBackground(socket, [deleteLink(name, index)]);
  } catch (error) {
    // Gone meanwhile.
    if (!(error instanceof NetlinkError && error.errno === E.ENODEV)) throw error;
  }
}

/**
 * Waits until a container's link has gone with its network namespace, which takes the kernel a moment. Where somebody else
 * holds that namespace, or the kernel is busy with others, removes it: it is out of sight at once, and what comes after isn't
 * waited for. That waits for all packets on their way, 10 to 30 ms: so it comes second.
 */
export async function removeVeth(name: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const link = linkNamed(name);
    if (link?.kind !== "veth") return;
    if (performance.now() > deadline) {
      const gone = remove(name, link.index);
      while (linkNamed(name)?.index === link.index) {
        // A refusal is told; what is done isn't waited for.
        await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, MOMENT))]);
      }
      return void gone.catch(() => {});
    }
    await new Promise((resolve) => setTimeout(resolve, MOMENT));
  }
}

/** Removes a bridge, if it is libflux's. */
export async function removeBridge(name: string): Promise<void> {
  const link = linkNamed(name);
  if (link?.kind === "bridge" && link.alias.startsWith(ALIAS)) await remove(name, link.index);
}
