/**
 * Stand-in for `jsr:@std/path` where JSR can't be reached: the functions that libflux uses, for POSIX paths only.
 *
 * Written out here and not taken from `node:path`, which costs 8 ms at start-up.
 *
 * @module
 */

/** What separates the parts of a path. */
export const SEPARATOR = "/";

function toPath(path: string | URL): string {
  if (path instanceof URL) return fromFileUrl(path);
  if (typeof path !== "string") {
    throw new TypeError(`Path must be a string, received "${JSON.stringify(path)}"`);
  }
  return path;
}

function stripTrailing(path: string): string {
  return path.replace(/(.)\/+$/s, "$1").replace(/^\/+$/, "/");
}

/** The parts of a path with `.`, `..` and empty ones resolved; leading `..` stay in a relative path. */
function resolveParts(path: string, absolute: boolean): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!absolute) parts.push("..");
  }
  return parts;
}

/** Whether `path` starts at the root. */
export function isAbsolute(path: string): boolean {
  return toPath(path).startsWith("/");
}

/** `path` without `.`, `..` and doubled slashes; a trailing slash stays. */
export function normalize(path: string | URL): string {
  const text = toPath(path);
  if (text === "") return ".";
  const absolute = text.startsWith("/");
  const joined = resolveParts(text, absolute).join("/");
  if (joined === "") return absolute ? "/" : text.endsWith("/") ? "./" : ".";
  return (absolute ? "/" : "") + joined + (text.endsWith("/") ? "/" : "");
}

/** The paths one below the other, normalized. */
export function join(path?: string | URL, ...paths: string[]): string {
  if (path === undefined) return ".";
  const joined = [toPath(path), ...paths.map(toPath)].filter((part) => part !== "").join("/");
  return normalize(joined);
}

/** The absolute path that the segments lead to, each seen from the ones before, the first from the working directory. */
export function resolve(...pathSegments: string[]): string {
  let resolved = "";
  for (const segment of pathSegments.map(toPath).reverse()) {
    if (segment === "") continue;
    resolved = `${segment}/${resolved}`;
    if (segment.startsWith("/")) break;
  }
  if (!resolved.startsWith("/")) resolved = `${Deno.cwd()}/${resolved}`;
  return "/" + resolveParts(resolved, true).join("/");
}

/** The directory that `path` is in. */
export function dirname(path: string | URL): string {
  const text = stripTrailing(toPath(path));
  const slash = text.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : stripTrailing(text.slice(0, slash));
}

/** The last part of `path`, without `suffix`. */
export function basename(path: string | URL, suffix = ""): string {
  const text = stripTrailing(toPath(path));
  if (text === "/") return "/";
  const name = text.slice(text.lastIndexOf("/") + 1);
  return suffix !== "" && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

/** The extension of `path` with its dot, or nothing; the dot of a hidden file starts none. */
export function extname(path: string | URL): string {
  const name = basename(path);
  const dot = name.lastIndexOf(".");
  return dot <= 0 || name === ".." ? "" : name.slice(dot);
}

/** The way from `from` to `to`. */
export function relative(from: string, to: string): string {
  const source = resolveParts(resolve(from), true);
  const target = resolveParts(resolve(to), true);
  let common = 0;
  while (common < source.length && common < target.length && source[common] === target[common]) common++;
  return [...source.slice(common).map(() => ".."), ...target.slice(common)].join("/");
}

/** The path that a `file:` URL names. */
export function fromFileUrl(url: string | URL): string {
  const parsed = url instanceof URL ? url : new URL(url);
  if (parsed.protocol !== "file:") throw new TypeError(`URL must be a file URL: received "${parsed.protocol}"`);
  return decodeURIComponent(parsed.pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
}

/** The `file:` URL of an absolute path. */
export function toFileUrl(path: string): URL {
  if (!isAbsolute(path)) throw new TypeError(`Path must be absolute: received "${path}"`);
  const url = new URL("file:///");
  url.pathname = path.replaceAll("%", "%25").replaceAll("\\", "%5C").replaceAll("?", "%3F").replaceAll("#", "%23")
    .replace(/[\t\n\v\f\r ]/g, (char) => encodeURIComponent(char));
  return url;
}
