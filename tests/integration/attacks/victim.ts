/**
 * What tests of copying share: files of the host that must stay as they are.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FluxError } from "../../../mod.ts";
import type { Shell } from "../inside.ts";
import { temporaryDirectory } from "../support.ts";

/** What a file of the container says. */
export const OURS: string = "the container's";
/** What one of the host says. */
export const HOSTS: string = "the host's";

/** A directory of the host that must stay as it is, and room beside it. */
export function victim(): Disposable & {
  readonly outside: string;
  readonly place: string;
  readonly assertSame: () => void;
} {
  const host = temporaryDirectory();
  const [outside, place] = [`${host.path}/outside`, `${host.path}/place`];
  Deno.mkdirSync(outside);
  Deno.mkdirSync(place);
  Deno.writeTextFileSync(`${outside}/file`, HOSTS);
  return {
    outside,
    place,
    assertSame: () => {
      assertEquals(Array.from(Deno.readDirSync(outside), ({ name }) => name), ["file"]);
      assertEquals(Deno.readTextFileSync(`${outside}/file`), HOSTS);
    },
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
}

/** Where the host has the container's files. */
export const below = ({ container }: Shell, path: string): string => `/proc/${container.pid}/root${path}`;

/** The regular files of a tree, without following any link. */
export function files(path: string): string[] {
  return Array.from(Deno.readDirSync(path)).flatMap(({ name, isFile, isDirectory }) =>
    isFile ? [`${path}/${name}`] : isDirectory ? files(`${path}/${name}`) : []
  );
}

/** Whatever comes of it, but a bug: the attacker may well keep it from going on. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof FluxError)) throw error;
    return false;
  }
}
