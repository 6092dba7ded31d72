import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";

/** Whether an assertion holds; without the help of any other. */
function holds(assertion: () => void): boolean {
  try {
    assertion();
    return true;
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return false;
  }
}

const throwing = (error: unknown) => (): never => {
  throw error;
};

/** What holds, and what doesn't. */
const CASES: readonly (readonly [string, () => void, () => void])[] = [
  ["assert()", () => assert("a"), () => assert("")],
  ["assertFalse()", () => assertFalse(0), () => assertFalse([])],
  ["assertEquals()", () => assertEquals({ a: [1, NaN] }, { a: [1, NaN] }), () => assertEquals([1], [2])],
  ["assertEquals() of Maps", () => assertEquals(new Map([[1, 2]]), new Map([[1, 2]])), () => {
    assertEquals(new Map([[1, 2]]), new Map([[1, 3]]));
  }],
  ["assertEquals() of bytes", () => assertEquals(new Uint8Array(2), new Uint8Array(2)), () => {
    assertEquals(new Uint8Array(2), new Uint8Array([0, 1]));
  }],
  ["assertEquals() of types", () => assertEquals<unknown>(1, 1), () => assertEquals<unknown>(1, "1")],
  ["assertNotEquals()", () => assertNotEquals([1], [2]), () => assertNotEquals([1], [1])],
  ["assertStrictEquals()", () => assertStrictEquals(NaN, NaN), () => assertStrictEquals([], [])],
  ["assertExists()", () => assertExists(0), () => assertExists(null)],
  ["assertInstanceOf()", () => assertInstanceOf(new TypeError(), Error), () => assertInstanceOf({}, Error)],
  ["assertStringIncludes()", () => assertStringIncludes("abc", "b"), () => assertStringIncludes("abc", "d")],
  ["assertMatch()", () => assertMatch("abc", /b/), () => assertMatch("abc", /d/)],
  ["assertNotMatch()", () => assertNotMatch("abc", /d/), () => assertNotMatch("abc", /b/)],
  ["assertArrayIncludes()", () => assertArrayIncludes([[1], [2]], [[2]]), () => assertArrayIncludes([1], [1, 2])],
  ["assertObjectMatch()", () => assertObjectMatch({ a: { b: 1, c: 2 } }, { a: { b: 1 } }), () => {
    assertObjectMatch({ a: { b: 1 } }, { a: { b: 1, c: 2 } });
  }],
  ["assertGreater()", () => assertGreater(2, 1), () => assertGreater(1, 1)],
  ["assertGreaterOrEqual()", () => assertGreaterOrEqual(1, 1), () => assertGreaterOrEqual(0, 1)],
  ["assertLess()", () => assertLess(1, 2), () => assertLess(1, 1)],
  ["assertLessOrEqual()", () => assertLessOrEqual(1, 1), () => assertLessOrEqual(2, 1)],
  ["assertIsError()", () => assertIsError(new TypeError("abc"), TypeError, /b/), () => assertIsError("abc")],
  ["assertThrows()", () => assertThrows(throwing(1)), () => assertThrows(() => 1)],
  ["assertThrows() of a class", () => assertThrows(throwing(new RangeError("abc")), RangeError, "b"), () => {
    assertThrows(throwing(new RangeError("abc")), TypeError);
  }],
  ["assertThrows() of a text", () => assertThrows(throwing(new Error("abc")), Error, "b"), () => {
    assertThrows(throwing(new Error("abc")), Error, "d");
  }],
];

for (const [name, right, wrong] of CASES) {
  Deno.test(`${name} takes what holds, and only that`, () => {
    if (!holds(right)) throw new Error("refused what holds");
    if (holds(wrong)) throw new Error("took what doesn't hold");
  });
}

Deno.test("fail() and unreachable() never hold", () => {
  for (const never of [fail, unreachable]) {
    if (holds(() => never("why"))) throw new Error(never.name);
  }
});

Deno.test("assertThrows() and assertRejects() answer the error itself", async () => {
  const error = new TypeError("abc");
  if (assertThrows(throwing(error), TypeError) !== error) throw new Error("another error");
  if (await assertRejects(() => Promise.reject(error), TypeError) !== error) throw new Error("another error");
});

Deno.test("assertRejects() wants a promise that rejects, and not a function that throws", async () => {
  const cases: readonly (() => PromiseLike<unknown>)[] = [() => Promise.resolve(1), throwing(new Error("at once"))];
  for (const fn of cases) {
    const outcome = await assertRejects(fn).then(() => "held", (error: unknown) => error);
    if (!(outcome instanceof AssertionError)) throw new Error(String(outcome));
  }
});

Deno.test("an assertion's own words are in its message", () => {
  const message = (assertion: () => void): string => {
    try {
      assertion();
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
    return "";
  };
  for (
    const failing of [
      () => assert(false, "the reason"),
      () => assertEquals(1, 2, "the reason"),
      () => assertStringIncludes("a", "b", "the reason"),
      () => assertThrows(() => 1, Error, "", "the reason"),
    ]
  ) {
    if (!message(failing).includes("the reason")) throw new Error(message(failing));
  }
});
