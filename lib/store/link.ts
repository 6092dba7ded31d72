/**
 * Removing links of the host's network.
 *
 * @module
 */
import { E } from "../../ffi/abi/constants.ts";
import { sendAside } from "../../ffi/errand.ts";
import { batchInBackground, NetlinkError, openNetlink } from "../../ffi/netlink.ts";
import { deleteLink, findLink, type Link } from "../../ffi/rtnetlink.ts";
import { sleep } from "../../ffi/reactor.ts";
import { errorOf } from "./directory.ts";

/** What the alias of a bridge of libflux's begins with. */
export const ALIAS = "libflux network ";

/** What it ends with: whose networks the bridge belongs to. @param root The state root. */
export function aliasEnd(root: string): string {
  return ` in ${root.slice(-150)}`;
}

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
/** Milliseconds within which a link is out of sight that is being removed. */
const LONG = 1_000;
const MOMENT = 1;

/** The names of all links, without the lock that whoever removes one holds. */
export function listedLinks(): string[] {
  try {
    const lines = Deno.readTextFileSync("/proc/net/dev").split("\n").slice(2);
    return lines.map((line) => line.trimStart().replace(/:.*$/, "")).filter((name) => name !== "");
  } catch (error) {
    throw errorOf(error, "/proc/net/dev");
  }
}

const isListed = (name: string): boolean => listedLinks().includes(name);

/** Removes a link, and waits until nobody sees it any more: what the kernel does after that is waited for by nobody. */
async function remove(name: string, index: number): Promise<void> {
  sendAside([deleteLink(name, index)]);
  const deadline = performance.now() + LONG;
  while (isListed(name)) {
    if (performance.now() > deadline) return await removeNow(name, index);
    await sleep(MOMENT);
  }
}

/** Removes a link, and throws where the kernel refuses. */
async function removeNow(name: string, index: number): Promise<void> {
  using socket = openNetlink();
  try {
    await batchInBackground(socket, [deleteLink(name, index)]);
  } catch (error) {
    // Gone meanwhile.
    if (!(error instanceof NetlinkError && error.errno === E.ENODEV)) throw error;
  }
}

/**
 * Waits until a container's link has gone with its network namespace, which takes the kernel a moment; removes it where
 * somebody else holds that namespace, or the kernel is busy with others.
 */
export async function removeVeth(name: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    if (!isListed(name)) return;
    if (performance.now() > deadline) {
      const link = linkNamed(name);
      return link?.kind === "veth" ? await remove(name, link.index) : undefined;
    }
    await sleep(MOMENT);
  }
}

/** A bridge, if it is of this state root's networks. */
function ownBridge(name: string, root: string): Link | undefined {
  const link = linkNamed(name);
  return link?.kind === "bridge" && link.alias.startsWith(ALIAS) && link.alias.endsWith(aliasEnd(root))
    ? link
    : undefined;
}

/** Whether a bridge is of another state root's networks: its chains are theirs as well. */
export function isOthersBridge(name: string, root: string): boolean {
  const alias = linkNamed(name)?.alias ?? "";
  return alias.startsWith(ALIAS) && !alias.endsWith(aliasEnd(root));
}

/** Removes a bridge, if it is of this state root's networks. */
export async function removeBridge(name: string, root: string): Promise<void> {
  const link = ownBridge(name, root);
  if (link !== undefined) await remove(name, link.index);
}

/**
 * Has a bridge removed by somebody who isn't waited for: the kernel is busy with the container that was its last port.
 *
 * @param root The state root. @param settings What is set back before that, below /proc/sys: when the bridge is gone, it is as it was.
 */
export function dismissBridge(name: string, root: string, settings: readonly (readonly [string, string])[]): void {
  const link = ownBridge(name, root);
  sendAside(link === undefined ? [] : [deleteLink(name, link.index)], settings);
}

/** Waits, not for long, until a bridge has gone that is being removed; answers whether it has. */
export async function awaitGone(name: string, milliseconds: number = LONG): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (isListed(name)) {
    if (performance.now() > deadline) return false;
    await sleep(MOMENT);
  }
  return true;
}
