/** Assertions about errors. */
import { AssertionError } from "./error.ts";

type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

const suffix = (msg?: string) => msg ? `: ${msg}` : ".";

/** Asserts that `error` is an Error, of a class, with a message. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) throw new AssertionError(`Expected "error" to be an Error object${suffix(msg)}`);
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor.name}"${suffix(msg)}` +
        `\n${error.message}`,
    );
  }
  const matches = msgMatches === undefined ||
    (typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches.test(error.message));
  if (!matches) {
    throw new AssertionError(
      `Expected error message to include ${
        typeof msgMatches === "string" ? JSON.stringify(msgMatches) : msgMatches
      }, but got ${JSON.stringify(error.message)}${suffix(msg)}`,
    );
  }
}

function examine<E extends Error>(
  outcome: { error: unknown } | undefined,
  expected: string,
  classOrMsg: ErrorClass<E> | string | undefined,
  includes: string | undefined,
  msg: string | undefined,
): unknown {
  const note = typeof classOrMsg === "string" ? classOrMsg : msg;
  if (outcome === undefined) throw new AssertionError(`Expected function to ${expected}${suffix(note)}`);
  if (typeof classOrMsg === "function") assertIsError(outcome.error, classOrMsg, includes, note);
  return outcome.error;
}

/** Asserts that `fn` throws. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an error of a class, with a text in its message. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  classOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  let outcome: { error: unknown } | undefined;
  try {
    fn();
  } catch (error) {
    outcome = { error };
  }
  return examine(outcome, "throw", classOrMsg, msgIncludes, msg);
}

/** Asserts that the promise of `fn` rejects. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an error of a class, with a text in its message. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    const note = typeof classOrMsg === "string" ? classOrMsg : msg;
    throw new AssertionError(`Function throws when expected to reject${suffix(note)}`);
  }
  let outcome: { error: unknown } | undefined;
  try {
    await promise;
  } catch (error) {
    outcome = { error };
  }
  return examine(outcome, "reject", classOrMsg, msgIncludes, msg);
}
