/**
 * What `libflux ps` shows of a container: docker's fields, and libflux's own.
 *
 * @module
 */
import { printable } from "../errors.ts";
import type { ContainerInfo } from "../list.ts";
import { formatPort } from "../spec/ports.ts";
import { age, duration, timestamp } from "./times.ts";

/** A container as it is listed. */
export type Listed = ContainerInfo;

/** How fields are shown. */
export interface FieldOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether the id is shown whole. */
  readonly whole?: boolean;
  /** What is mounted in a container; asked only where it is shown. */
  readonly mounts?: (container: Listed) => readonly string[];
}

/** What docker's column STATUS says. */
export function status(container: Listed, now: number): string {
  const { state, created, started = created, finished, code, health } = container;
  const up = `Up ${duration(now - started.getTime())}`;
  const ended = (): string =>
    `(${code ?? "unknown"})${finished === undefined ? "" : ` ${duration(now - finished.getTime())} ago`}`;
  switch (state) {
    case "running":
      return health === undefined ? up : `${up} (${health === "starting" ? "health: starting" : health})`;
    case "paused":
      return `${up} (Paused)`;
    case "exited":
      return `Exited ${ended()}`;
    case "restarting":
      return `Restarting ${ended()}`;
    default:
      return state.replace(/^./, (first) => first.toUpperCase());
  }
}

type Field = (container: Listed, options: FieldOptions) => unknown;

const name: Field = (container) => container.name;
const image: Field = (container) => container.image;
const networks: Field = ({ network = "" }) => network;

/** All fields, in the order in which a hint names them, and what heads their columns. */
const FIELDS: Readonly<Record<string, readonly [title: string, field: Field]>> = {
  ID: ["CONTAINER ID", ({ id }, { whole = false }) => whole ? id : id.slice(0, 12)],
  Name: ["NAME", name],
  Names: ["NAMES", name],
  Image: ["IMAGE", image],
  Command: ["COMMAND", ({ command }) => command.join(" ")],
  Created: ["CREATED", ({ created }) => created.toISOString()],
  CreatedAt: ["CREATED AT", ({ created }) => timestamp(created)],
  RunningFor: ["CREATED", ({ created }, { now }) => `${duration(now - created.getTime())} ago`],
  Age: ["AGE", ({ created }, { now }) => age(now - created.getTime())],
  Ports: ["PORTS", ({ ports }) => ports.map(formatPort).join(", ")],
  State: ["STATE", ({ state }) => state],
  Status: ["STATUS", (container, { now }) => status(container, now)],
  // What a container has changed is in a memory of its own, which the host has no directory of.
  Size: ["SIZE", () => "-"],
  Labels: ["LABELS", ({ labels }) => Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",")],
  Mounts: ["MOUNTS", (container, { mounts }) => (mounts?.(container) ?? []).join(",")],
  Networks: ["NETWORKS", networks],
  Network: ["NETWORK", networks],
  Address: ["ADDRESS", ({ address = "" }) => address],
  Pid: ["PID", ({ pid }) => pid],
  ExitCode: ["EXIT CODE", ({ code = "" }) => code],
  Health: ["HEALTH", ({ health = "" }) => health],
};

/** The names of all fields; `Label "KEY"` is one label. */
export const FIELD_NAMES: readonly string[] = [...Object.keys(FIELDS), "Label"];

/** A container as a template sees it: what isn't shown isn't asked for. */
export function recordOf(container: Listed, options: FieldOptions): object {
  const fields = Object.entries(FIELDS).map(([key, [, field]]) =>
    [key, { enumerable: true, get: () => field(container, options) }] as const
  );
  const label = (key: unknown): string =>
    Object.hasOwn(container.labels, String(key)) ? container.labels[String(key)] ?? "" : "";
  return Object.defineProperties({}, { ...Object.fromEntries(fields), Label: { enumerable: true, value: label } });
}

/** What a template makes the line above a table of. */
export function titles(): object {
  const fields = Object.entries(FIELDS).map(([key, [title]]) => [key, title] as const);
  return { ...Object.fromEntries(fields), Label: (key: unknown) => String(key).toUpperCase() };
}

/** One field as text that is fit for a terminal. A state tells of health and exit code, too: they have no columns. */
export function cell(field: string, container: Listed, options: FieldOptions): string {
  const more = container.health ?? container.code;
  if (field === "State" && more !== undefined) return `${container.state} (${more})`;
  // It has ended: nobody has that number.
  if (field === "Pid" && container.pid === 0) return "-";
  return printable(String(FIELDS[field]?.[1](container, options) ?? ""));
}
