/**
 * Stand-in for `jsr:@std/assert` where JSR can't be reached. Only tests import it, so it may lean on `node:assert` for
 * deep comparison and readable differences.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { AssertionError } from "./error.ts";

export { AssertionError } from "./error.ts";
export { assertIsError, assertRejects, assertThrows } from "./throws.ts";

const suffix = (msg?: string) => msg ? `: ${msg}` : ".";
const show = (value: unknown) => Deno.inspect(value, { depth: 6 });

function check(holds: boolean, message: () => string): void {
  if (!holds) throw new AssertionError(message());
}

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** A value that counts as no. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** Asserts that `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Asserts that two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    const difference = error instanceof Error ? error.message : String(error);
    throw new AssertionError(`Values are not equal${suffix(msg)}\n${difference}`);
  }
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  check(
    !isDeepStrictEqual(actual, expected),
    () => `Expected actual: ${show(actual)} not to be: ${show(expected)}${suffix(msg)}`,
  );
}

/** Asserts that two values are the same value, as `Object.is` sees it. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  check(
    Object.is(actual, expected),
    () => `Values are not strictly equal${suffix(msg)}\nactual: ${show(actual)}\nexpected: ${show(expected)}`,
  );
}

/** Asserts that `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  check(
    actual !== undefined && actual !== null,
    () => `Expected actual: "${actual}" to not be null or undefined${suffix(msg)}`,
  );
}

/** Asserts that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  check(
    actual instanceof expectedType,
    () => `Expected object to be an instance of "${expectedType.name}" but was ${show(actual)}${suffix(msg)}`,
  );
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  check(actual.includes(expected), () => `Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`);
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  check(expected.test(actual), () => `Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`);
}

/** Asserts that `actual` doesn't match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  check(!expected.test(actual), () => `Expected actual: "${actual}" to not match: "${expected}"${suffix(msg)}`);
}

/** Asserts that every member of `expected` is in `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T> & object,
  expected: ArrayLike<T> & object,
  msg?: string,
): void {
  const all = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !all.some((value) => isDeepStrictEqual(value, wanted)));
  check(
    missing.length === 0,
    () => `Expected actual: "${show(actual)}" to include: "${show(expected)}"${suffix(msg)}\nmissing: ${show(missing)}`,
  );
}

function pick(actual: unknown, pattern: unknown): unknown {
  if (typeof actual !== "object" || actual === null) return actual;
  if (typeof pattern !== "object" || pattern === null) return actual;
  if (Array.isArray(pattern)) {
    return Array.isArray(actual) ? pattern.map((part, index) => pick(actual[index], part)) : actual;
  }
  const source = actual as Record<PropertyKey, unknown>;
  const wanted = Object.entries(pattern).filter(([key]) => key in source);
  return Object.fromEntries(wanted.map(([key, part]) => [key, pick(source[key], part)]));
}

/** Asserts that `actual` has everything that `expected` has, and maybe more. */
export function assertObjectMatch(
  actual: Record<PropertyKey, unknown>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals(pick(actual, expected), pick(expected, expected), msg);
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  check(actual > expected, () => msg ?? `Expect ${show(actual)} > ${show(expected)}`);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual >= expected, () => msg ?? `Expect ${show(actual)} >= ${show(expected)}`);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  check(actual < expected, () => msg ?? `Expect ${show(actual)} < ${show(expected)}`);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual <= expected, () => msg ?? `Expect ${show(actual)} <= ${show(expected)}`);
}

/** Fails. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** Fails where no run should come by. */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${suffix(msg)}`);
}
