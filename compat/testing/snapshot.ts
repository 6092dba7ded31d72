/**
 * Stand-in for `jsr:@std/testing/snapshot` where JSR can't be reached. Deno's own `t.assertSnapshot()` writes the same
 * file format; update with `deno test -A --update-snapshots`.
 *
 * @module
 */

/** What {@linkcode assertSnapshot} can be told. */
export type SnapshotOptions<T = unknown> = {
  /** Directory of the snapshot file, relative to the test file. */
  dir?: string;
  /** The message of a failure, in place of the difference. */
  msg?: string;
  /** Name of the snapshot, in place of the name of the test. */
  name?: string;
  /** The snapshot file, relative to the test file; wins over `dir`. */
  path?: string;
  /** Turns the value into the text that is compared. */
  serializer?: (actual: T) => string;
};

/** Asserts that `actual` is what the snapshot file of the running test says. */
export function assertSnapshot<T>(context: Deno.TestContext, actual: T, options: SnapshotOptions<T>): Promise<void>;
/** Asserts that `actual` is what the snapshot file of the running test says. */
export function assertSnapshot<T>(context: Deno.TestContext, actual: T, message?: string): Promise<void>;
export function assertSnapshot<T>(
  context: Deno.TestContext,
  actual: T,
  options: string | SnapshotOptions<T> = {},
): Promise<void> {
  return typeof options === "string"
    ? context.assertSnapshot(actual, options)
    : context.assertSnapshot(actual, options);
}
