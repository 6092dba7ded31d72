/**
 * The flags of whose users a container has, as podman names them.
 *
 * @module
 */
import { parseIdMapping } from "../spec/id_maps.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Flag, Parsed } from "./flags.ts";

/** All of them. */
export const USER_FLAGS: readonly Flag[] = [
  { name: "user", short: "u", value: "USER[:GROUP]", help: "run as this user, by number or by name in the image" },
  {
    name: "group-add",
    value: "GROUP",
    repeated: true,
    help: "be in this group too, by number or by name in the image; keep-groups: in those of who runs libflux",
  },
  {
    name: "userns",
    value: "MODE",
    help:
      "whose users it has: host (default), auto: nobody else's, keep-id: this user's own id, or UID:GID:SIZE of the host's",
  },
  {
    name: "uidmap",
    value: "INSIDE:HOST:SIZE",
    repeated: true,
    help: "user ids of the host's for those from INSIDE on",
  },
  {
    name: "gidmap",
    value: "INSIDE:HOST:SIZE",
    repeated: true,
    help: "group ids of the host's; as --uidmap if left out",
  },
];

type UserOptions = Pick<RunOptions, "groupAdd" | "gidMap" | "uidMap" | "user" | "userns">;

/** Reads them; what wasn't given is undefined. Throws a `UsageError`. */
export function readUsers(flags: Parsed): Readonly<Record<keyof UserOptions, unknown>> {
  const listed = <T>(name: string, parse: (text: string) => T): readonly T[] | undefined => {
    const given = flags.values(name);
    return given.length === 0 ? undefined : given.map(parse);
  };
  return {
    user: flags.value("user"),
    groupAdd: listed("group-add", (text) => text),
    userns: flags.value("userns"),
    uidMap: listed("uidmap", parseIdMapping),
    gidMap: listed("gidmap", parseIdMapping),
  };
}
