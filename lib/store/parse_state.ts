/**
 * Reading the state of a container.
 *
 * @module
 */
import { SIG } from "../../ffi/abi/constants.ts";
import { isAddress } from "../spec/addresses.ts";
import { isWhole } from "../spec/limits.ts";
import { isNetworkName } from "../spec/networks.ts";
import { bootId } from "./directory.ts";
import { isContainerCgroup } from "./ledger.ts";
import type { State } from "./state.ts";

/** Reads a state as what it is: a file that somebody else may have written. */
export function parseState(text: string | undefined): State | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const state = value as Record<string, unknown>;
  const strings = ["name", "image", "created", "bootId"].every((key) => typeof state[key] === "string") &&
    /^[0-9a-f]{64}$/.test(String(state.id)) && !Number.isNaN(Date.parse(String(state.created)));
  const isCount = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && Number(value) >= least;
  // Never init, whoever says so: --replace ends what is named here.
  const numbers = isCount(state.pid, 2) && isCount(state.monitor, 1) && isCount(state.startTime, 0) &&
    isCount(state.monitorStartTime, 0);
  const command = Array.isArray(state.command) && state.command.length > 0 &&
    state.command.every((part) => typeof part === "string");
  const labels = typeof state.labels === "object" && state.labels !== null && !Array.isArray(state.labels) &&
    Object.values(state.labels).every((label) => typeof label === "string");
  const cgroups = state.cgroups as { readonly unified?: unknown; readonly legacy?: unknown } | null | undefined;
  const groups = typeof cgroups === "object" && cgroups !== null && typeof cgroups.legacy === "object" &&
    cgroups.legacy !== null &&
    [...cgroups.unified === undefined ? [] : [cgroups.unified], ...Object.values(cgroups.legacy)].every(
      isContainerCgroup,
    );
  const isStop = (state.stopSignal === undefined || Object.hasOwn(SIG, String(state.stopSignal))) &&
    (state.stopTimeout === undefined || Number.isFinite(state.stopTimeout));
  const flags = isStop &&
    [state.detached, state.terminal, state.restarting].every((flag) =>
      flag === undefined || typeof flag === "boolean"
    ) && (state.started === undefined || !Number.isNaN(Date.parse(String(state.started)))) &&
    (state.attempts === undefined || isCount(state.attempts, 0));
  const { network } = state;
  const isOnline = network === undefined || isPlace(network);
  const ports = state.ports === undefined || Array.isArray(state.ports) && state.ports.every(isPublished);
  // A pid means nothing after a reboot.
  return strings && numbers && command && labels && groups && isOnline && ports && flags && state.bootId === bootId()
    ? value as State
    : undefined;
}

function isPlace(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, address, ipv6Address } = value as Record<string, unknown>;
  return isNetworkName(String(name)) && isAddress(String(address)) &&
    (ipv6Address === undefined || isAddress(String(ipv6Address)));
}

function isPublished(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { hostAddress, hostPort, containerPort, protocol } = value as Record<string, unknown>;
  return (hostAddress === undefined || isAddress(String(hostAddress))) && isWhole(Number(hostPort), 1, 65535) &&
    isWhole(Number(containerPort), 1, 65535) && (protocol === "tcp" || protocol === "udp");
}
