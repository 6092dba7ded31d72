/**
 * The cgroups of containers as the tests see them, on cgroup v2 and on v1.
 *
 * @module
 */
import { legacyName, parseHierarchies } from "../../lib/cgroups/hierarchies.ts";
import type { Controller } from "../../lib/cgroups/settings.ts";
import type { Container } from "../../mod.ts";

const table = parseHierarchies(Deno.readTextFileSync("/proc/self/mountinfo"));

/** Whether this host has nothing but v2. */
export const isUnified: boolean = table.legacy.size === 0;

/** Where the hierarchy of a controller is mounted. */
export function mountOf(controller: Controller): string {
  const mount = table.legacy.get(legacyName(controller)) ?? table.unified;
  if (mount === undefined) throw new Error(`this host has no cgroup controller ${controller}`);
  return mount;
}

/** Where v2 is mounted: alone, or beside v1. */
export const unifiedMount: string | undefined = table.unified;

/** The directory that limits a process, as the kernel tells. */
export function groupOf({ pid }: Pick<Container, "pid">, controller: Controller): string {
  const name = table.legacy.has(legacyName(controller)) ? legacyName(controller) : "";
  // "4:memory:/path" of v1, "0::/path" of v2.
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n").map((line) => line.split(":"));
  const path = lines.find(([, controllers]) => controllers?.split(",").includes(name))?.slice(2).join(":");
  if (path === undefined) throw new Error(`process ${pid} is in no cgroup of ${controller}`);
  return mountOf(controller) + path;
}

/** What a file says that limits a container. @param names Of v2 and of v1. */
export function readLimit(
  container: Pick<Container, "pid">,
  controller: Controller,
  names: { readonly v2: string; readonly v1: string },
): string {
  const file = mountOf(controller) === table.unified ? names.v2 : names.v1;
  return Deno.readTextFileSync(`${groupOf(container, controller)}/${file}`).trim();
}
