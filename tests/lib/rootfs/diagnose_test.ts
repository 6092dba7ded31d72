import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { E } from "../../../ffi/abi/constants.ts";
import { CommandNotFoundError, type FluxError, NotExecutableError } from "../../../lib/errors.ts";
import { classify, diagnose, diagnoseSearch, type Tree } from "../../../lib/rootfs/diagnose.ts";
import type { Mount } from "../../../lib/spec/types.ts";

const text = (content: string) => new TextEncoder().encode(content);

function elf(machine: number, loader?: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(256);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(bytes.buffer);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  if (loader === undefined) return bytes;
  view.setUint16(56, 1, true);
  view.setUint32(64, 3, true); // PT_INTERP
  view.setBigUint64(72, 128n, true);
  view.setBigUint64(96, BigInt(loader.length + 1), true);
  bytes.set(text(loader + "\0"), 128);
  return bytes;
}

Deno.test("classify() tells programs, scripts and the rest apart", () => {
  assertEquals(classify(text("#!/bin/sh -e\n")), { kind: "script", interpreter: "/bin/sh" });
  assertEquals(classify(text("#! \t/bin/sh\n")), { kind: "script", interpreter: "/bin/sh" });
  assertEquals(classify(text("#!/bin/sh\r\n")), { kind: "script", interpreter: "/bin/sh\r" });
  assertEquals(classify(text("#!\n")), { kind: "script", interpreter: "" });
  assertEquals(classify(elf(62)), { kind: "elf", machine: "x86_64", loader: undefined });
  assertEquals(classify(elf(183, "/lib/ld.so")), { kind: "elf", machine: "aarch64", loader: "/lib/ld.so" });
  assertEquals(classify(elf(9999)), { kind: "elf", machine: "machine 9999", loader: undefined });
  for (const other of ["", "echo", "\x7fEL", "\x7fELF"]) assertEquals(classify(text(other)), { kind: "other" });
});

Deno.test("classify() survives headers that point anywhere", () => {
  const hostile = elf(62, "/lib/ld.so");
  for (const offset of [32, 72, 96]) {
    const bytes = hostile.slice();
    new DataView(bytes.buffer).setBigUint64(offset, 0xffffffffffffffffn, true);
    assertEquals(classify(bytes).kind, "elf");
  }
});

Deno.test("classify() takes no more of a first line than the kernel, and looks at no second one", () => {
  assertEquals(classify(text("#!/bin/env\tsh\n#!/other\n")), { kind: "script", interpreter: "/bin/env" });
  assertEquals(classify(text("#!/bin/sh")), { kind: "script", interpreter: "/bin/sh" });
  const long = classify(text(`#!${"x".repeat(1000)}`));
  assertEquals(long.kind === "script" && long.interpreter.length, 256);
  for (const other of ["#", " #!/bin/sh", "\ufeff#!/bin/sh"]) assertEquals(classify(text(other)), { kind: "other" });
});

Deno.test("classify() reads 32-bit and big-endian programs too", () => {
  const narrow = elf(3);
  narrow[4] = 1;
  assertEquals(classify(narrow), { kind: "elf", machine: "i386", loader: undefined });
  const big = elf(0);
  big[5] = 2;
  new DataView(big.buffer).setUint16(18, 22);
  assertEquals(classify(big), { kind: "elf", machine: "s390x", loader: undefined });
});

/** A tree with files of these contents, or links, where the content is `-> TARGET`; removed at the end. */
function treeOf(
  files: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>,
  mounts: readonly Mount[] = [],
): Disposable & { readonly tree: Tree; readonly outside: string } {
  const outside = Deno.makeTempDirSync({ prefix: "libflux-diagnose-" });
  const image = `${outside}/image`;
  for (const [path, content] of Object.entries({ "/etc/": "", ...files })) {
    Deno.mkdirSync(`${image}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    if (path.endsWith("/")) continue;
    if (typeof content !== "string") Deno.writeFileSync(`${image}${path}`, content);
    else if (content.startsWith("-> ")) Deno.symlinkSync(content.slice(3), `${image}${path}`);
    else Deno.writeTextFileSync(`${image}${path}`, content);
  }
  const within = mounts.map((mount) => ({ ...mount, source: `${outside}${mount.source}` }));
  return {
    outside,
    tree: { image, mounts: within, cwd: "/work", architecture: "x86_64" },
    [Symbol.dispose]: () => Deno.removeSync(outside, { recursive: true }),
  };
}

const X86_64 = 62;
const AARCH64 = 183;

/** Whether an error is of this class with this text in its sentence, and says what and where. */
function assertFailure(error: FluxError, type: typeof FluxError, says: string, path: string, errno: number): void {
  assert(error instanceof type, `${error.name}: ${error.message}`);
  assertStringIncludes(error.message, says);
  assertEquals([error.path, error.errno], [path, errno]);
}

Deno.test("diagnose() tells a missing command from one that can't be executed", () => {
  const cases: readonly (readonly [string | Uint8Array<ArrayBuffer>, number, string])[] = [
    [elf(X86_64, "/lib/ld-musl-x86_64.so.1"), E.ENOENT, "needs the loader /lib/ld-musl-x86_64.so.1, and the image"],
    [elf(AARCH64, "/lib/ld.so"), E.ENOEXEC, "is a program for aarch64, and this host is x86_64"],
    [elf(AARCH64, "/lib/ld.so"), E.ENOENT, "is a program for aarch64"],
    [elf(4242), E.ENOEXEC, "is a program for machine 4242"],
    ["#!/bin/bash\necho\n", E.ENOENT, 'asks for the interpreter "/bin/bash" in its first line'],
    ["#! /usr/bin/env node\n", E.ENOENT, 'asks for the interpreter "/usr/bin/env"'],
    ["echo no shebang\n", E.ENOEXEC, "is neither a program nor a script with a #! line"],
    ["", E.ENOEXEC, "is neither a program nor a script"],
    ["#!/bin/sh\n", E.EACCES, "can't be executed: permission denied"],
    [elf(X86_64), E.EACCES, "can't be executed: permission denied"],
    [elf(X86_64), 26, "the file is being written to (ETXTBSY)"],
    [elf(X86_64, "/lib/ld.so"), 7, "too long (E2BIG)"],
  ];
  for (const [content, errno, says] of cases) {
    using made = treeOf({ "/bin/app": content });
    const error = diagnose(made.tree, "/bin/app", errno);
    assertFailure(error, NotExecutableError, says, "/bin/app", errno);
    assertEquals([error.exitCode, error.step], [126, "execute /bin/app"]);
  }
  using empty = treeOf({});
  for (const errno of [E.ENOENT, E.ENOTDIR]) {
    const error = diagnose(empty.tree, "/bin/app", errno);
    assertFailure(error, CommandNotFoundError, "there is no /bin/app in the container", "/bin/app", errno);
    assertEquals(error.exitCode, 127);
  }
});

Deno.test("diagnose() suspects Windows line ends where a carriage return is, and shows it", () => {
  for (const script of ["#!/bin/sh\r\n", "#!/usr/bin/env\r\n", "#!\r\n", "#!\n"]) {
    using made = treeOf({ "/app": script });
    const { hint, message } = diagnose(made.tree, "/app", E.ENOENT);
    assertStringIncludes(hint ?? "", "Windows line ends", script);
    assert(!message.includes("\r"), message);
  }
  using plain = treeOf({ "/app": "#!/bin/sh\n" });
  assertStringIncludes(diagnose(plain.tree, "/app", E.ENOENT).hint ?? "", "add the interpreter");
});

Deno.test("diagnose() says of a directory that it may be one", () => {
  using made = treeOf({ "/bin/dir/": "" });
  assertFailure(
    diagnose(made.tree, "/bin/dir", E.EACCES),
    NotExecutableError,
    "it is a directory, or permission",
    "/bin/dir",
    E.EACCES,
  );
});

Deno.test("diagnose() follows links as the container does, and never reads what is outside the image", () => {
  using made = treeOf({
    "/bin/absolute": "-> /opt/app",
    "/bin/up": "-> ../../../../opt/app",
    "/opt/app": "#!/inside\n",
    "/bin/out": "-> ../../secret",
    "/bin/far": "-> /secret",
    "/bin/loop": "-> loop",
    "/bin/proc": "-> /proc/self/exe",
  });
  Deno.writeTextFileSync(`${made.outside}/secret`, "#!/outside\n");
  for (const path of ["/bin/absolute", "/bin/up"]) {
    assertStringIncludes(diagnose(made.tree, path, E.ENOENT).message, '"/inside"');
  }
  for (const path of ["/bin/out", "/bin/far", "/bin/proc", "/bin/../../secret"]) {
    assertFailure(diagnose(made.tree, path, E.ENOENT), CommandNotFoundError, "there is no", path, E.ENOENT);
  }
  assertStringIncludes(diagnose(made.tree, "/bin/loop", E.ELOOP).message, "(ELOOP)");
});

Deno.test("diagnose() looks into binds, the innermost first", () => {
  using made = treeOf({ "/data/app": "#!/image\n" }, [
    { destination: "/data", type: "bind", source: "/outer" },
    { destination: "/data/in", type: "bind", source: "/inner" },
    { destination: "/file", type: "bind", source: "/outer/app" },
    { destination: "/tmp", type: "tmpfs" },
  ]);
  for (const name of ["outer", "inner"]) {
    Deno.mkdirSync(`${made.outside}/${name}`);
    Deno.writeTextFileSync(`${made.outside}/${name}/app`, `#!/${name}\n`);
  }
  // What `/database` would be, were the bind on `/data` taken for its directory.
  Deno.writeTextFileSync(`${made.outside}/outer/base`, "#!/outer\n");
  for (const [path, found] of [["/data/app", "outer"], ["/data/in/app", "inner"], ["/file", "outer"]] as const) {
    assertStringIncludes(diagnose(made.tree, path, E.ENOENT).message, `"/${found}"`, path);
  }
  for (const path of ["/data/absent", "/data/in", "/database", "/file/x"]) {
    assert(diagnose(made.tree, path, E.ENOENT) instanceof CommandNotFoundError, path);
  }
});

Deno.test("diagnose() looks for a relative command where the container would", () => {
  const script = "#!/nowhere\n";
  using made = treeOf({ "/work/s": script, "/work/sub/s": script, "/other/s": script }, [
    { destination: "/bound", type: "bind", source: "/image/other" },
  ]);
  for (const path of ["./s", "sub/s", ".//./s"]) {
    assertFailure(
      diagnose(made.tree, path, E.ENOENT),
      NotExecutableError,
      `${path} asks for the interpreter`,
      path,
      E.ENOENT,
    );
  }
  const bound = diagnose({ ...made.tree, cwd: "/bound" }, "./s", E.ENOENT);
  assertFailure(bound, NotExecutableError, "./s asks for the interpreter", "./s", E.ENOENT);
  assertFailure(diagnose(made.tree, "./t", E.ENOENT), CommandNotFoundError, "there is no ./t", "./t", E.ENOENT);
  assert(diagnoseSearch(made.tree, "s", "/nowhere::/bin") instanceof NotExecutableError);
});

Deno.test("diagnose() does not wait for a FIFO", () => {
  using made = treeOf({ "/bin/": "" });
  assert(new Deno.Command("mkfifo", { args: [`${made.tree.image}/bin/fifo`] }).outputSync().success);
  assertEquals(diagnose(made.tree, "/bin/fifo", E.EACCES).exitCode, 126);
});

Deno.test("diagnose() can't be made to drive a terminal by what an image has in it", () => {
  using made = treeOf({ "/a\x1bb": "#!/\x1b[2J\n", "/loader": elf(X86_64, "/\x1b[2J") });
  for (const path of ["/a\x1bb", "/loader", "/missing\x1b"]) {
    assert(!diagnose(made.tree, path, E.ENOENT).message.includes("\x1b"), path);
  }
});

Deno.test("diagnoseSearch() explains the first file that is there, and else says where it looked", () => {
  using made = treeOf({ "/bin/app": "#!/second\n", "/usr/bin/app": "#!/third\n", "/first/app/": "" });
  const path = "/first:/nowhere:/bin:/usr/bin";
  assertStringIncludes(diagnoseSearch(made.tree, "app", path).message, '/bin/app asks for the interpreter "/second"');
  const error = diagnoseSearch(made.tree, "other", path);
  assertFailure(error, CommandNotFoundError, `no command "other" in the container's PATH (${path})`, "other", E.ENOENT);
  for (const odd of ["", ":", "relative", "::relative:"]) {
    assert(diagnoseSearch(made.tree, "app", odd) instanceof CommandNotFoundError, odd);
  }
});
