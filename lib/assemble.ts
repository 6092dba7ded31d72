/**
 * All that a container needs before its first process is made: looked at, taken, made; and given back where it comes to
 * nothing.
 *
 * @module
 */
import { link, type LinkOptions } from "../ffi/link.ts";
import { networkNamespace } from "../ffi/network_namespace.ts";
import type { Cgroups } from "./cgroups/cgroup.ts";
import { joinedNetwork } from "./compile/mod.ts";
import { confine } from "./confine.ts";
import { connectOr, hasOwnNetwork } from "./connect.ts";
import { beginCapture } from "./capture.ts";
import { asFluxError } from "./failure.ts";
import type { LaunchOptions } from "./launch.ts";
import { inTurn, inTurnOrWarn } from "./settle.ts";
import { makeCgroupsOr } from "./make_cgroups.ts";
import type { Capture } from "./logs/capture.ts";
import type { Connection } from "./network/connection.ts";
import { openNetwork } from "./network/join.ts";
import { compileProgram, generateName, prepare, type Prepared, withDefaults } from "./prepare.ts";
import { findFuse } from "./rootfs/fuse.ts";
import type { RunOptions } from "./spec/options.ts";
import { openStore, replace } from "./store/open.ts";
import type { Claim } from "./store/claim.ts";
import type { Store } from "./store/state.ts";
import { type Layout, plumb, type Plumbing } from "./streams.ts";
import { IdLock } from "./user_namespace.ts";

/** A container that only has to be launched. */
export interface Assembled extends LaunchOptions {
  readonly store: Store;
  /** Gives back all of it; for one that isn't launched. */
  readonly release: () => Promise<void>;
}

/** What is there already, of a container that is started again. */
export interface Before {
  /** Its name, still taken, and cleared. */
  readonly claim: Claim;
  readonly id: string;
  readonly store: Store;
}

/** How to assemble one. */
export interface AssembleOptions {
  /** What tests make fail. */
  readonly linkOptions?: LinkOptions;
  readonly before?: Before;
  /** Whether it stays when libflux has gone. */
  readonly isDetached?: boolean;
  /** Whether it goes without the network that it would get unasked. */
  readonly isWithout?: boolean;
}

/** Where fuse-overlayfs is, for a container that takes it where the kernel mounts no overlay. */
function fuseFor({ ids, launch }: Prepared): string | undefined {
  return ids === undefined || ids.writer === "root" || launch.writable ? undefined : findFuse();
}

/** Assembles a container; whatever goes wrong leaves nothing behind. */
export async function assemble(
  options: RunOptions,
  layout: Layout,
  { linkOptions, before, isDetached = false, isWithout = false }: AssembleOptions = {},
): Promise<Assembled> {
  const { signal } = options;
  signal?.throwIfAborted();
  let named = withDefaults({ ...options, name: options.name ?? generateName() });
  const created = new Date();
  const begin = performance.now();
  // On another thread, while this one compiles; should that fail, launch() tells.
  let network = hasOwnNetwork(named) ? networkNamespace() : undefined;
  network?.catch(() => {});
  const plumbing: Plumbing[] = [];
  let claim = before?.claim;
  let capture: Capture | undefined;
  let cgroups: Cgroups | undefined;
  let connection: Connection | undefined;
  const idLock = new IdLock();
  const release = (): Promise<void> =>
    inTurn(
      async () => (await network?.catch(() => undefined))?.close(),
      ...plumbing.map(({ ours, started, ended }) => () => {
        ours?.close();
        started();
        return ended();
      }),
      () => capture?.discard(),
      () => connection?.[Symbol.asyncDispose](),
      () => cgroups?.release(),
      () => claim?.release(),
      () => idLock.close(),
    );
  try {
    // Wrong options are told before anything is touched.
    const nulls = layout.flatMap((how, index) => how === "null" ? [index] : []);
    let prepared = prepare(named, nulls, before?.id, (...asked) => idLock.take(...asked));
    [named, prepared] = await confine(named, prepared, nulls);
    const joined = joinedNetwork(prepared.spec);
    if (joined !== undefined) network = Promise.resolve(openNetwork(joined, named));
    const store = before?.store ?? await openStore(options.root);
    if (options.replace === true && before === undefined) await replace(store, prepared.name, signal);
    claim ??= await store.claim(prepared.name, signal);
    // Of one that is started again, too: its categories may be others', and somebody may have put files there.
    if (prepared.spec.linux?.mountLabel !== undefined) {
      await (await import("./relabel.ts")).relabel(named.mounts ?? [], prepared.spec, signal);
    }
    const how = { isDetached, isFinal: before !== undefined, isWithout };
    [connection, named] = await connectOr(options, named, store, claim, prepared.id, how);
    if (network !== undefined) connection?.begin?.(network);
    [cgroups, prepared] = await makeCgroupsOr(named, prepared, nulls, claim, signal);
    const fuse = fuseFor(prepared);
    // Only where it may be wanted: it takes a look at what the kernel does.
    if (fuse !== undefined) prepared = await (await import("./fuse_overlay.ts")).overlayOr(prepared, fuse);
    signal?.throwIfAborted();
    if (isDetached && !prepared.launch.init) {
      prepared = { ...prepared, launch: { ...prepared.launch, endsWithParent: true } };
    }
    // A monitor logs by itself.
    if (!isDetached) capture = beginCapture(store, prepared, named, created);
    // Laid before the pump is made, which must know of it.
    if (named.terminal !== undefined) capture?.tap();
    layout.forEach((how, index) => plumbing.push(plumb(how, index, capture)));
    const image = link(compileProgram(prepared, named, connection?.place), linkOptions);
    return {
      ...{ prepared, image, claim, cgroups, plumbing, capture, network, connection, idLock, created, begin, options },
      ...{ store, release },
    };
  } catch (error) {
    await inTurnOrWarn(release);
    throw asFluxError(error);
  }
}
