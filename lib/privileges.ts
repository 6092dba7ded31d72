/**
 * What this process itself may do, and use: no container can have more.
 *
 * @module
 */
import { PR } from "../ffi/abi/constants.ts";
import { syscall } from "../ffi/libc.ts";
import { CAPABILITIES } from "./spec/capabilities.ts";
import { RLIMITS } from "./spec/limits.ts";
import type { Rlimit } from "./spec/types.ts";
import { readIfThere } from "./store/directory.ts";

/** It doesn't change while a process runs. */
let highest: number | undefined;

/** The highest number that this kernel has a capability of; as far as it is asked, there are at most 64. */
export function lastCapability(): number {
  if (highest !== undefined) return highest;
  let number = CAPABILITIES.length - 1;
  while (number < 63 && syscall("prctl", PR.PR_CAPBSET_READ, number + 1, 0, 0, 0) >= 0) number++;
  return highest = number;
}

/** The capabilities that this process has, and may hand on. */
export function ownCapabilities(): string[] {
  const status = readIfThere("/proc/self/status") ?? "";
  const set = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\t([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
  const bits = set("CapPrm") & set("CapBnd");
  return CAPABILITIES.filter((_, number) => (bits >> BigInt(number) & 1n) === 1n);
}

/** A resource limit of this process. */
export function ownLimit(type: string): Rlimit {
  const values = new BigUint64Array(2);
  // Of one that there isn't: the compiler tells.
  syscall("prlimit64", 0, (RLIMITS as readonly string[]).indexOf(type), 0, new Uint8Array(values.buffer));
  const [soft = 0n, hard = 0n] = values;
  return { type, soft: Number(soft), hard: Number(hard) };
}

/**
 * The resource limits that a process has: of another user's only its file tells, without CAP_SYS_RESOURCE.
 *
 * @param text `/proc/PID/limits`: a line for each, in the order of their numbers.
 */
export function parseLimits(text: string): Rlimit[] {
  const value = (word: string): number => word === "unlimited" ? 2 ** 64 : Number(word);
  return text.split("\n").slice(1).flatMap((line, number) => {
    const [, soft, hard] = /^.{25} (unlimited|\d+) +(unlimited|\d+) /.exec(line) ?? [];
    const type = RLIMITS[number];
    return type === undefined || soft === undefined || hard === undefined
      ? []
      : [{ type, soft: value(soft), hard: value(hard) }];
  });
}
