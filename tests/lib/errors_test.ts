import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  CommandNotFoundError,
  describe,
  errnoText,
  FluxError,
  ImageError,
  LaunchError,
  NameInUseError,
  NotExecutableError,
  PermissionError,
  UsageError,
} from "../../lib/errors.ts";

const CLASSES = [
  [FluxError, "FluxError", 125],
  [UsageError, "UsageError", 125],
  [ImageError, "ImageError", 125],
  [NameInUseError, "NameInUseError", 125],
  [PermissionError, "PermissionError", 125],
  [LaunchError, "LaunchError", 125],
  [NotExecutableError, "NotExecutableError", 126],
  [CommandNotFoundError, "CommandNotFoundError", 127],
] as const;

Deno.test("every error is a FluxError with its own name, and the exit code that shells have for it", () => {
  for (const [Class, name, exitCode] of CLASSES) {
    const error = new Class("what went wrong");
    assert(error instanceof FluxError && error instanceof Error);
    assertEquals([error.name, error.message, error.exitCode], [name, "what went wrong", exitCode]);
  }
});

Deno.test("an error keeps what it was told, and has no more", () => {
  const cause = new Error("why");
  const told = { step: "mount proc", path: "/proc", errno: 1, hint: "do this", cause };
  const error = new LaunchError("no", told);
  const { step, path, errno, hint } = error;
  assertEquals([step, path, errno, hint, error.cause], Object.values(told));
  const bare = new LaunchError("no");
  for (const key of ["step", "path", "errno", "hint"] as const) assertEquals(bare[key], undefined, key);
  assertEquals(Object.hasOwn(bare, "cause"), false);
});

Deno.test("describe() tells what went wrong and what to do, on one line", () => {
  for (const [Class] of CLASSES) {
    assertEquals(describe(new Class("it failed", { hint: "try again" })), "libflux: it failed; try again");
    assertEquals(describe(new Class("it failed")), "libflux: it failed");
  }
});

Deno.test("describe() owns up to bugs, and to nothing else", () => {
  for (const [Class] of CLASSES) assert(!describe(new Class("no")).includes("bug"));
  assertEquals(
    describe(new RangeError("oops")),
    "libflux: this is a bug in libflux, please report it: RangeError: oops",
  );
  for (const odd of ["text", 5, null, undefined]) assertEquals(describe(odd), `libflux: ${odd}`);
});

Deno.test("describe() shows stacks and the whole chain of causes with debug only", () => {
  const error = new UsageError("first", { cause: new LaunchError("second", { cause: "third" }) });
  assertEquals(describe(error).split("\n").length, 1);
  const text = describe(error, true);
  const places = ["libflux: first", "libflux: second", "libflux: third"].map((line) => text.indexOf(line));
  assert(places.every((place, index) => place > (places[index - 1] ?? -1)), text);
  assertStringIncludes(text, "errors_test.ts");
});

Deno.test("errnoText() has words for the errors that people meet", () => {
  const cases = [
    [1, "EPERM"],
    [2, "ENOENT"],
    [13, "EACCES"],
    [16, "EBUSY"],
    [20, "ENOTDIR"],
    [22, "EINVAL"],
    [28, "ENOSPC"],
    [30, "EROFS"],
    [38, "ENOSYS"],
    [40, "ELOOP"],
    [95, "EOPNOTSUPP"],
  ] as const;
  for (const [errno, name] of cases) {
    assert(errnoText(errno).endsWith(` (${name})`), errnoText(errno));
    assert(errnoText(errno).length > name.length + 3);
  }
  assertEquals([errnoText(0), errnoText(-1), errnoText(4095)], ["error 0", "error -1", "error 4095"]);
});
