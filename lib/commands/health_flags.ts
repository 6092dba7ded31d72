/**
 * The flags of a container's health check, as docker has them.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { type HealthCheck, parseDuration } from "../spec/health.ts";
import type { Flag, Parsed } from "./flags.ts";

/** All of them. */
export const HEALTH_FLAGS: readonly Flag[] = [
  {
    name: "health-cmd",
    value: "COMMAND",
    help: "with --detach, a shell command that is run inside again and again: all is well when it ends with 0",
  },
  { name: "health-interval", value: "TIME", help: "how long it rests between two checks; 30s by default" },
  { name: "health-timeout", value: "TIME", help: "after how long a check has failed; 30s by default" },
  { name: "health-retries", value: "NUMBER", help: "how many in a row must fail; 3 by default" },
  { name: "health-start-period", value: "TIME", help: "how long failures don't count at first; 0s by default" },
];

/** Reads them; nothing where no check was asked for. */
export function readHealth(flags: Parsed): HealthCheck | undefined {
  const command = flags.value("health-cmd");
  const given = HEALTH_FLAGS.map(({ name }) => name).find((name) => flags.value(name) !== undefined);
  if (given === undefined) return undefined;
  if (command === undefined) {
    throw new UsageError(`--${given} is about a health check, and there is none`, { hint: "add --health-cmd COMMAND" });
  }
  if (flags.on("detach") !== true) {
    throw new UsageError("a container in the foreground has no health check", {
      hint: "add --detach, or leave out --health-cmd",
    });
  }
  const time = (name: string): number | undefined => {
    const text = flags.value(name);
    return text === undefined ? undefined : parseDuration(text, name);
  };
  const retries = flags.value("health-retries");
  if (retries !== undefined && !/^[0-9]{1,6}$/.test(retries)) {
    throw new UsageError(`--health-retries is a number, not "${printable(retries)}"`);
  }
  const all = {
    interval: time("health-interval"),
    timeout: time("health-timeout"),
    retries: retries === undefined ? undefined : Number(retries),
    startPeriod: time("health-start-period"),
  };
  const said = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return { command: ["/bin/sh", "-c", command], ...said };
}
