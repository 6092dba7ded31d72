/**
 * Which ids of the host's a container's users have: `/proc/PID/uid_map` and `gid_map`, planned. Pure.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import { ENOUGH, type IdRange, rangesRemedy } from "./id_ranges.ts";
import type { RunOptions } from "./options.ts";
import type { IdMapping } from "./types.ts";

/** 2³² − 1 means "no change" to the kernel, so it is nobody's. */
const MAX_ID = 2 ** 32 - 2;
/** How many one of an ordinary user's gets with `auto`, who has not many. */
const FEW = 1024;
/** `UID_GID_MAP_MAX_EXTENTS`, `linux/user_namespace.h` */
const MAX_LINES = 340;
/** Where systemd has containers' users be, on every host (`man 7 systemd-nspawn`, systemd's UIDS-GIDS). */
const [FIRST, LAST] = [524_288, 1_879_048_191];
/** Whose ranges in `/etc/subuid` are for containers of root's, as podman has it. */
const CONTAINERS = "containers";

/** Who starts the container, and what ids that user has. */
export interface IdOwner {
  readonly uid: number;
  readonly gid: number;
  /** As `/etc/passwd` has it; the number where it isn't there. */
  readonly name: string;
  /** `/etc/subuid` */
  readonly subuids: readonly IdRange[];
  /** `/etc/subgid` */
  readonly subgids: readonly IdRange[];
  /** The ids of users and groups that there are, of which no automatic range may have one; asked where there is to be one. */
  readonly accounts: () => readonly number[];
  /** Whether `newuidmap` and `newgidmap` are there. */
  readonly hasTools: boolean;
  /** Takes the first of these beginnings of a range that no other container has; nothing where each is taken. */
  readonly take: (starts: Iterable<number>, size: number) => number | undefined;
}

/** What to write, and how. */
export interface IdMaps {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
  /** Who writes it: libflux as root; libflux as who it is, of whom there is no other inside; `newuidmap` and `newgidmap`. */
  readonly writer: "root" | "self" | "tools";
  /** Who runs the command where nobody is named; root if left out. */
  readonly user?: string;
}

/** What `--userns` says. */
type Wish =
  | { readonly kind: "host" }
  | { readonly kind: "auto"; readonly size?: number }
  | { readonly kind: "keep-id"; readonly uid?: number; readonly gid?: number }
  | { readonly kind: "range"; readonly uid: number; readonly gid: number; readonly size: number };

const isId = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_ID;

function parseWish(text: string): Wish {
  const range = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text);
  if (range !== null) {
    const [uid = 0, gid = 0, size = 0] = range.slice(1).map(Number);
    return { kind: "range", uid, gid, size };
  }
  const [, kind, rest] = /^(host|auto|keep-id)(?::(.+))?$/.exec(text) ?? [];
  const allowed = kind === "auto" ? ["size"] : kind === "keep-id" ? ["uid", "gid"] : [];
  const settings = Object.fromEntries(
    (rest ?? "").split(",").filter((part) => part !== "").map((part) => {
      const [, key = "", value] = /^([a-z]+)=(\d{1,10})$/.exec(part) ?? [];
      if (!allowed.includes(key) || !isId(Number(value))) {
        throw new UsageError(`"${printable(part)}" is no setting of --userns ${kind ?? ""}`, {
          hint: "there are auto:size=N and keep-id:uid=N,gid=N",
        });
      }
      return [key, Number(value)];
    }),
  );
  if (kind === undefined || kind === "host" && rest !== undefined) {
    throw new UsageError(`the user namespace is host, auto, keep-id or UID:GID:SIZE, not "${printable(text)}"`, {
      hint: "with UID:GID:SIZE the ids from 0 on are those from UID and GID on of the host's",
    });
  }
  return { kind: kind as "host", ...settings };
}

/** A `CONTAINER:HOST:SIZE`, as `--uidmap` takes it. Throws a {@link UsageError}. */
export function parseIdMapping(text: string): IdMapping {
  // What podman writes before ids that are really the host's: here all are.
  const [containerID, hostID, size] = (/^(\d{1,10}):@?(\d{1,10}):(\d{1,10})$/.exec(text) ?? []).slice(1).map(Number);
  if (containerID !== undefined && hostID !== undefined && size !== undefined) return { containerID, hostID, size };
  throw new UsageError(`"${printable(text)}" maps no ids`, {
    hint: "write CONTAINER:HOST:SIZE, such as 0:100000:65536",
  });
}

/** Throws a {@link UsageError} where lines can't be a map of ids that a container can have. */
function checkMap(lines: readonly IdMapping[], what: "user" | "group"): void {
  if (lines.length > MAX_LINES) throw new UsageError(`a map of ${what} ids has at most ${MAX_LINES} lines`);
  for (const { containerID, hostID, size } of lines) {
    const text = `${containerID}:${hostID}:${size}`;
    if (!isId(containerID) || !isId(hostID) || !isId(size)) throw new UsageError(`${text} maps no ${what} ids`);
    if (size === 0) throw new UsageError(`${text} maps no ${what} ids: its size is 0`);
    if (Math.max(containerID, hostID) + size - 1 > MAX_ID) {
      throw new UsageError(`${text} maps ${what} ids above ${MAX_ID}, which is the highest`);
    }
  }
  for (const side of ["containerID", "hostID"] as const) {
    const sorted = lines.toSorted((a, b) => a[side] - b[side]);
    const over = sorted.find((line, index) => line[side] + line.size > (sorted[index + 1]?.[side] ?? Infinity));
    if (over === undefined) continue;
    const where = side === "hostID" ? "of the host" : "of the container";
    throw new UsageError(`two lines of the map of ${what} ids have the same ids ${where}`, {
      hint: `one of them is ${over.containerID}:${over.hostID}:${over.size}`,
    });
  }
  if (!lines.some(({ containerID }) => containerID === 0)) {
    throw new UsageError(`the map of ${what} ids has no 0, and root makes a container from within`, {
      hint: "map it too: --uidmap 0:100000:65536",
    });
  }
}

/** Throws a {@link UsageError} where what was said of a user namespace can't be. */
export function checkUserNamespace({ userns, uidMap, gidMap, groupAdd }: RunOptions): void {
  if (userns !== undefined) {
    parseWish(userns);
    if (uidMap !== undefined || gidMap !== undefined) {
      throw new UsageError("the user namespace is given twice", {
        hint: "leave out --userns, or --uidmap and --gidmap",
      });
    }
  }
  for (const [lines, what] of [[uidMap, "user"], [gidMap, "group"]] as const) {
    if (lines !== undefined) checkMap(lines, what);
  }
  if (groupAdd?.includes(KEEP_GROUPS) === true && groupAdd.length > 1) {
    throw new UsageError("groups can be either kept or added", {
      hint: "leave out --group-add keep-groups, or the others",
    });
  }
}

/** The word of `--group-add` for all groups that libflux itself is in. */
export const KEEP_GROUPS = "keep-groups";

/**
 * The ids of a container's users; nothing where it has the host's.
 *
 * @throws {UsageError} The user hasn't got such ids.
 */
export function planIds(options: RunOptions, owner: IdOwner): IdMaps | undefined {
  const { uidMap, gidMap } = options;
  if (uidMap !== undefined || gidMap !== undefined) {
    const uids = uidMap ?? gidMap ?? [];
    return explicit({ uids, gids: gidMap ?? uids }, owner);
  }
  const wish = parseWish(options.userns ?? "host");
  if (wish.kind === "range") {
    const line = (hostID: number): readonly IdMapping[] => [{ containerID: 0, hostID, size: wish.size }];
    const maps = { uids: line(wish.uid), gids: line(wish.gid) };
    checkMap(maps.uids, "user");
    checkMap(maps.gids, "group");
    return explicit(maps, owner);
  }
  if (owner.uid === 0) {
    if (wish.kind === "keep-id") {
      throw new UsageError("--userns keep-id keeps the ids of an ordinary user, and libflux runs as root", {
        hint: "run it as that user, or use --userns auto",
      });
    }
    return wish.kind === "host" ? undefined : { ...free(wish.size ?? ENOUGH, owner), writer: "root" };
  }
  if (wish.kind === "auto") return { ...freeOfUser(wish.size ?? FEW, owner), writer: "tools" };
  const own = ranges(owner);
  if (wish.kind === "keep-id") {
    if (!own.areUsable) throw noRanges(owner, "--userns keep-id takes more ids than this user's own");
    const { uid = owner.uid, gid = owner.gid } = wish;
    const maps = { uids: keeping(owner.uid, uid, own.uids), gids: keeping(owner.gid, gid, own.gids) };
    return { ...maps, writer: "tools", user: `${uid}:${gid}` };
  }
  return own.areUsable
    ? { uids: asRoot(owner.uid, own.uids), gids: asRoot(owner.gid, own.gids), writer: "tools" }
    : { uids: asRoot(owner.uid, []), gids: asRoot(owner.gid, []), writer: "self" };
}

/** A user's ranges. */
interface Ranges {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Whether there are some, and tools that may use them. */
  readonly areUsable: boolean;
}

function ranges({ uid, name, subuids, subgids, hasTools }: IdOwner): Ranges {
  // A line for the name and one for the number may say the same: the kernel takes no id twice.
  const own = (all: readonly IdRange[]) =>
    all.filter(({ owner, count }) => count > 0 && [name, `${uid}`].includes(owner)).filter((line, index, mine) =>
      line.start + line.count - 1 <= MAX_ID &&
      !mine.slice(0, index).some(({ start, count }) => start < line.start + line.count && line.start < start + count)
    );
  const [uids, gids] = [own(subuids), own(subgids)];
  return { uids, gids, areUsable: hasTools && uids.length > 0 && gids.length > 0 };
}

/** Root inside is the user, and all others are from its ranges. */
function asRoot(id: number, own: readonly IdRange[]): IdMapping[] {
  let containerID = 1;
  const others = own.slice(0, MAX_LINES - 1).map(({ start, count }) => {
    const line = { containerID, hostID: start, size: count };
    containerID += count;
    return line;
  });
  return [{ containerID: 0, hostID: id, size: 1 }, ...others];
}

/** The user has one id inside, and those around it are from its ranges. */
function keeping(id: number, inside: number, own: readonly IdRange[]): IdMapping[] {
  const lines: IdMapping[] = [];
  let containerID = 0;
  for (const { start, count } of own.slice(0, MAX_LINES - 2)) {
    const before = Math.min(count, Math.max(0, inside - containerID));
    if (before > 0) lines.push({ containerID, hostID: start, size: before });
    containerID += before;
    if (containerID === inside && before < count) containerID++;
    if (before < count) lines.push({ containerID, hostID: start + before, size: count - before });
    containerID += count - before;
  }
  lines.push({ containerID: inside, hostID: id, size: 1 });
  return lines.sort((a, b) => a.containerID - b.containerID);
}

/** Beginnings of ranges that nobody owns, for a container of root's. */
function* unowned(size: number, { subuids, subgids, accounts }: IdOwner): Generator<number> {
  const taken = [...subuids, ...subgids, ...accounts().map((id) => ({ start: id, count: 1 }))];
  const [reserved, groups] = [subuids, subgids].map((all) => all.filter(({ owner }) => owner === CONTAINERS));
  if (reserved !== undefined && reserved.length > 0) {
    const isGroups = (at: number): boolean =>
      groups?.some(({ start, count }) => start <= at && at + size <= start + count) === true;
    for (const { start, count } of reserved) {
      for (let at = start; at + size <= start + count; at += size) if (isGroups(at)) yield at;
    }
    return;
  }
  const step = Math.ceil(size / ENOUGH) * ENOUGH;
  for (let at = FIRST; at + size - 1 <= LAST; at += step) {
    if (!taken.some(({ start, count }) => start < at + size && at < start + count)) yield at;
  }
}

function free(size: number, owner: IdOwner): Pick<IdMaps, "uids" | "gids"> {
  const hostID = size === 0 ? undefined : owner.take(unowned(size, owner), size);
  if (hostID === undefined) {
    throw new UsageError(`there is no free range of ${size} ids`, {
      hint: owner.subuids.some((range) => range.owner === CONTAINERS)
        ? `give more to the user ${CONTAINERS} in /etc/subuid and /etc/subgid, or end some containers`
        : "ask for fewer: --userns auto:size=65536",
    });
  }
  const lines = [{ containerID: 0, hostID, size }];
  return { uids: lines, gids: lines };
}

function freeOfUser(size: number, owner: IdOwner): Pick<IdMaps, "uids" | "gids"> {
  const { uids: [uids], gids: [gids], areUsable } = ranges(owner);
  if (!areUsable || uids === undefined || gids === undefined) {
    throw noRanges(owner, "--userns auto takes ids that no other container has");
  }
  const count = Math.min(uids.count, gids.count);
  const starts = function* (): Generator<number> {
    for (let at = 0; at + size <= count; at += size) yield uids.start + at;
  };
  const hostID = size === 0 ? undefined : owner.take(starts(), size);
  if (hostID === undefined) {
    throw new UsageError(`no ${size} ids of the user ${owner.name} are free`, {
      hint: "end some containers, or ask for fewer: --userns auto:size=N",
    });
  }
  return {
    uids: [{ containerID: 0, hostID, size }],
    gids: [{ containerID: 0, hostID: gids.start + hostID - uids.start, size }],
  };
}

/** What the caller has said, if it may. */
function explicit(maps: Pick<IdMaps, "uids" | "gids">, owner: IdOwner): IdMaps {
  if (owner.uid === 0) return { ...maps, writer: "root" };
  const isOwn = ([line, ...more]: readonly IdMapping[], id: number): boolean =>
    more.length === 0 && line?.hostID === id && line.size === 1;
  if (isOwn(maps.uids, owner.uid) && isOwn(maps.gids, owner.gid)) return { ...maps, writer: "self" };
  const own = ranges(owner);
  for (
    const [lines, mine, id, what] of [
      [maps.uids, own.uids, owner.uid, "user"],
      [maps.gids, own.gids, owner.gid, "group"],
    ] as const
  ) {
    const has = ({ hostID, size }: IdMapping): boolean =>
      hostID === id && size === 1 ||
      mine.some(({ start, count }) => start <= hostID && hostID + size <= start + count);
    const foreign = lines.find((line) => !has(line));
    if (foreign === undefined) continue;
    const { hostID, size } = foreign;
    const shown = size === 1 ? `${hostID}` : `${hostID} to ${hostID + size - 1}`;
    throw new UsageError(`the ${what} ids ${shown} aren't this user's to map`, {
      hint: `those in /etc/sub${what === "user" ? "u" : "g"}id are, and its own, ${id}, alone: 0:${id}:1`,
    });
  }
  if (!owner.hasTools) throw noRanges(owner, "mapping more ids than one's own takes newuidmap and newgidmap");
  return { ...maps, writer: "tools" };
}

function noRanges(owner: IdOwner, what: string): UsageError {
  const { uids, gids } = ranges(owner);
  return uids.length > 0 && gids.length > 0
    ? new UsageError(`${what}, and there is no newuidmap and newgidmap`, { hint: "install what Debian calls uidmap" })
    : new UsageError(`${what}, and this user has no others`, { hint: rangesRemedy(owner) });
}

/** Whether a container gets a user namespace. @param uid Who runs libflux. */
export function hasUserNamespace({ userns = "host", uidMap, gidMap }: RunOptions, uid: number | null): boolean {
  return uid !== 0 || userns !== "host" || uidMap !== undefined || gidMap !== undefined;
}

/** The id of the host's that one inside stands for; nothing where it stands for none. */
export function hostId(lines: readonly IdMapping[], id: number): number | undefined {
  const line = lines.find(({ containerID, size }) => containerID <= id && id < containerID + size);
  return line === undefined ? undefined : line.hostID + id - line.containerID;
}
