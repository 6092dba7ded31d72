/**
 * `--device` in docker's and podman's notation.
 *
 * @module
 */
import { resolve } from "@std/path";
import { callersPath } from "../caller.ts";
import { printable, UsageError } from "../errors.ts";
import type { DeviceMapping } from "./device_rules.ts";

/** `HOST[:CONTAINER][:rwm]`, as docker and podman have it. Throws a {@link UsageError}. */
export function parseDevice(text: string): DeviceMapping {
  const [source = "", ...rest] = text.split(":");
  const [first, second] = rest;
  // With two parts the second may be either.
  const [destination, access] = rest.length === 1 && first?.startsWith("/") === false
    ? [undefined, first]
    : [first, second];
  if (source === "" || destination === "" || access === "" || rest.length > 2) {
    throw new UsageError(`"${printable(text)}" is no device`, {
      hint: "write --device HOST[:CONTAINER[:rwm]] such as /dev/fuse or /dev/kvm:/dev/kvm:rw",
    });
  }
  return {
    source: resolve(callersPath(source)),
    ...(destination === undefined ? {} : { destination }),
    ...(access === undefined ? {} : { access }),
  };
}
