import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/errors.ts";
import { CAPABILITIES, capabilitiesOf, capabilityName, checkCapabilities } from "../../../lib/spec/capabilities.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/spec/defaults.ts";

const held = CAPABILITIES.filter((name) => name !== "CAP_SYS_RESOURCE");
const of = (uid: number, add?: readonly string[], drop?: readonly string[]) =>
  capabilitiesOf(uid, { add, drop }, () => held);

Deno.test("capabilityName() takes names with and without CAP_, in either case", () => {
  for (const text of ["NET_RAW", "net_raw", "CAP_NET_RAW", "cap_net_raw"]) {
    assertEquals(capabilityName(text), "CAP_NET_RAW");
  }
  assertEquals([capabilityName("all"), capabilityName("ALL")], ["ALL", "ALL"]);
  for (const text of ["", "CAP_", "NET RAW", "NET_RAW,", "CAP_ALL", "0", "CAP_CAP_NET_RAW", "\x1b[2J"]) {
    assertThrows(() => capabilityName(text), UsageError, "there is no capability");
  }
  const { hint } = assertThrows(() => capabilityName("net_rwa"), UsageError);
  assertEquals(hint, "did you mean NET_RAW?");
});

Deno.test("capabilitiesOf() gives root the usual ones, in the order of their numbers", () => {
  assertEquals(of(0), {
    bounding: DEFAULT_CAPABILITIES as string[],
    effective: DEFAULT_CAPABILITIES as string[],
    permitted: DEFAULT_CAPABILITIES as string[],
  });
  // Nobody asks what libflux has where nothing is added.
  capabilitiesOf(0, { drop: ["CHOWN"] }, () => {
    throw new Error("asked");
  });
});

Deno.test("capabilitiesOf() adds and drops, and what is named counts more than ALL", () => {
  const bounding = (add?: readonly string[], drop?: readonly string[]) => of(0, add, drop).bounding;
  assertEquals(bounding(["NET_RAW"])?.filter((name) => !DEFAULT_CAPABILITIES.includes(name)), ["CAP_NET_RAW"]);
  assertEquals(bounding([], ["cap_chown"]), DEFAULT_CAPABILITIES.filter((name) => name !== "CAP_CHOWN"));
  assertEquals(bounding([], ["ALL"]), []);
  assertEquals(bounding(["NET_RAW", "CHOWN"], ["ALL"]), ["CAP_CHOWN", "CAP_NET_RAW"]);
  const all = held.filter((name) => name !== "CAP_MKNOD");
  assertEquals(bounding(["ALL"]), all);
  assertEquals(bounding(["ALL"], ["SYS_ADMIN"]), all.filter((name) => name !== "CAP_SYS_ADMIN"));
});

Deno.test("capabilitiesOf() gives a user none but those that are added, which are ambient", () => {
  assertEquals(of(1000), { bounding: DEFAULT_CAPABILITIES as string[], effective: [], permitted: [] });
  const { bounding, ...sets } = of(1000, ["NET_RAW"], ["ALL"]);
  assertEquals(bounding, ["CAP_NET_RAW"]);
  const own = ["CAP_NET_RAW" as const];
  assertEquals(sets, { effective: own, permitted: own, inheritable: own, ambient: own });
});

Deno.test("capabilitiesOf() refuses what libflux hasn't got itself", () => {
  assertThrows(() => of(0, ["SYS_RESOURCE"]), UsageError, "CAP_SYS_RESOURCE can't be added");
});

Deno.test("capabilitiesOf() gives MKNOD to nobody where no rules keep its nodes from the host's devices", () => {
  const bounding = (add: readonly string[], hasRules: boolean) =>
    capabilitiesOf(0, { add }, () => held, hasRules).bounding ?? [];
  assertThrows(() => bounding(["mknod"], false), UsageError, "CAP_MKNOD can't be added");
  assertEquals(
    bounding(["mknod"], true),
    CAPABILITIES.filter((name) => name === "CAP_MKNOD" || DEFAULT_CAPABILITIES.includes(name)),
  );
  assertEquals(bounding(["ALL"], false), held.filter((name) => name !== "CAP_MKNOD"));
  assertEquals(bounding(["ALL"], true), held);
});

Deno.test("checkCapabilities() refuses one that is added and dropped", () => {
  checkCapabilities({ add: ["ALL"], drop: ["CHOWN"] });
  checkCapabilities({});
  assertThrows(() => checkCapabilities({ add: ["chown"], drop: ["CAP_CHOWN"] }), UsageError, "both added and dropped");
  assertThrows(() => checkCapabilities({ add: ["ALL"], drop: ["ALL"] }), UsageError, "ALL is both");
  checkCapabilities({ drop: ["mknod"] });
  assertThrows(() => checkCapabilities({ drop: ["x"] }), UsageError, "no capability");
});
