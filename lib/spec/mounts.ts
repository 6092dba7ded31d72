/**
 * `--bind`, `--mount` and `--tmpfs` in docker's and podman's notation.
 *
 * @module
 */
import { resolve } from "@std/path";
import { callersPath } from "../caller.ts";
import { printable, UsageError } from "../errors.ts";
import { BIND_OPTIONS, checkPath, isTmpfsOption, TMPFS_VALUES } from "./check_mount.ts";
import type { Mount } from "./types.ts";

/** Takes options apart at commas; refuses one that isn't known. */
function splitOptions(text: string, isKnown: (option: string) => boolean, whole: string): string[] {
  return text.split(",").filter((option) => option !== "").map((option) => {
    if (!isKnown(option)) {
      throw new UsageError(`"${printable(option)}" in "${printable(whole)}" is no mount option that libflux knows`);
    }
    return option;
  });
}

/** `SRC:DST[:OPTION,…]`; a relative source is taken from the working directory. */
export function parseBind(text: string): Mount {
  const [source = "", destination, options = "", ...rest] = text.split(":");
  if (destination === undefined || source === "" || destination === "" || rest.length > 0) {
    throw new UsageError(`"${printable(text)}" is no bind mount`, {
      hint: "write SRC:DST or SRC:DST:OPTION,… such as /srv:/data:ro",
    });
  }
  checkPath(destination, "the destination of a bind mount");
  return {
    destination,
    type: "bind",
    source: resolve(callersPath(source)),
    options: ["rbind", ...splitOptions(options, (option) => BIND_OPTIONS.has(option), text)],
  };
}

/** `DST[:OPTION,…]`, with `size`, `mode` and the flags of `mount`. */
export function parseTmpfs(text: string): Mount {
  const [destination = "", options = "", ...rest] = text.split(":");
  if (destination === "" || rest.length > 0) {
    throw new UsageError(`"${printable(text)}" is no tmpfs mount`, {
      hint: "write DST or DST:OPTION,… such as /tmp:size=64m,mode=1777",
    });
  }
  checkPath(destination, "the destination of a tmpfs mount");
  const given = splitOptions(options, isTmpfsOption, text);
  return { destination, type: "tmpfs", source: "tmpfs", options: withTmpfsDefaults(given) };
}

/** docker's defaults for a tmpfs: nothing on it can be a device, a set-id file or, unless asked, executed. */
function withTmpfsDefaults(given: readonly string[]): string[] {
  const has = (...names: string[]): boolean => given.some((option) => names.includes(option.split("=")[0] ?? ""));
  return [
    ...(has("suid", "nosuid") ? [] : ["nosuid"]),
    ...(has("dev", "nodev") ? [] : ["nodev"]),
    ...(has("exec", "noexec") ? [] : ["noexec"]),
    ...(has("mode") ? [] : ["mode=1777"]),
    ...given,
  ];
}

/** `type=bind|tmpfs,src=…,dst=…[,ro][,…]` */
export function parseMount(text: string): Mount {
  let type = "";
  let source: string | undefined;
  let destination: string | undefined;
  let relabel: string | undefined;
  const options: string[] = [];
  const flag = (name: string, value: string | undefined): void => {
    if (value === undefined || value === "true" || value === "1") options.push(name);
    else if (value !== "false" && value !== "0") {
      throw new UsageError(`"${printable(value)}" in "${printable(text)}" is neither true nor false`);
    }
  };
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const key = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? undefined : part.slice(at + 1);
    if (key === "type") type = value ?? "";
    else if (["source", "src"].includes(key)) source = value;
    else if (["destination", "dst", "target"].includes(key)) destination = value;
    else if (["readonly", "ro"].includes(key)) flag("ro", value);
    else if (key === "bind-propagation" && /^r?(private|slave|shared)$/.test(value ?? "")) options.push(value ?? "");
    else if (key === "tmpfs-size" && value !== undefined) options.push(`size=${value}`);
    else if (key === "tmpfs-mode" && value !== undefined) options.push(`mode=${value}`);
    else if (key === "bind-nonrecursive") flag("bind", value);
    // podman's words for what -v has letters for.
    else if (key === "relabel" && (value === "shared" || value === "private")) {
      relabel = value === "shared" ? "z" : "Z";
    } else if (value === undefined ? BIND_OPTIONS.has(key) : TMPFS_VALUES.has(key)) options.push(part);
    else throw new UsageError(`"${printable(part)}" in "${printable(text)}" is nothing that --mount knows`);
  }
  if (destination === undefined || destination === "") {
    throw new UsageError(`"${printable(text)}" says no destination`, {
      hint: "write --mount type=bind,src=SRC,dst=DST",
    });
  }
  checkPath(destination, "the destination of a mount");
  if (relabel !== undefined) {
    if (type === "tmpfs") throw new UsageError(`only a bind can be relabelled, and "${printable(text)}" is a tmpfs`);
    options.push(relabel);
  }
  if (type === "tmpfs") {
    if (source !== undefined && source !== "tmpfs") {
      throw new UsageError(`a tmpfs has no source, and "${printable(text)}" gives one`);
    }
    return {
      destination,
      type,
      source: "tmpfs",
      options: withTmpfsDefaults(splitOptions(options.join(","), isTmpfsOption, text)),
    };
  }
  if (type === "") {
    throw new UsageError(`"${printable(text)}" says no type`, { hint: "write type=bind or type=tmpfs" });
  }
  if (type !== "bind") {
    throw new UsageError(`"${printable(type)}" is no type of mount that libflux makes`, {
      hint: "use type=bind or type=tmpfs",
    });
  }
  if (source === undefined || source === "") {
    throw new UsageError(`"${printable(text)}" says no source`, { hint: "write src=PATH" });
  }
  const recursive = options.includes("bind") ? [] : ["rbind"];
  return {
    destination,
    type,
    source: resolve(callersPath(source)),
    options: [...recursive, ...splitOptions(options.join(","), (o) => BIND_OPTIONS.has(o), text)],
  };
}
