import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { pack } from "../../tasks/packer.ts";
import { stubCode, type StubOptions } from "../../tasks/packer/stub.ts";

const ARCHITECTURES = ["x86_64", "aarch64"] as const;
type Architecture = typeof ARCHITECTURES[number];

const ADDED_ARGUMENTS = [
  ...["run", "-A", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--ext=js"],
  "--v8-flags=--no-lazy,--min-semi-space-size=4,--no-sparkplug,--invocation-count-for-maglev=4000,--invocation-count-for-maglev-osr=2000",
];
const ADDED_ENVIRONMENT = ["DENO_NO_UPDATE_CHECK=1", "DENO_DISABLE_NODE_SHIM=1", "HOME=/proc/self"];
const HARMLESS = "DENO_NO_UPDATE_CHECK=1";

/**
 * Programs that write argv, an empty line, the environment, an empty line, and the file that the eleventh word of argv
 * names; and end with argc as the exit code; or with 99 where the stack isn't aligned or the auxiliary vector is gone.
 */
const PROGRAMS: Readonly<Record<Architecture, string>> = {
  x86_64: `
    .intel_syntax noprefix
    .globl _start
    _start: mov r12, rsp
            test rsp, 15
            jne bad
            test rdx, rdx
            jne bad
            lea r13, [rsp + 8]
    args:   call print
            test rsi, rsi
            jne args
    env:    call print
            test rsi, rsi
            jne env
    aux:    mov rax, [r13]
            add r13, 16
            cmp rax, 6
            je file
            test rax, rax
            jne aux
    bad:    mov edi, 99
            mov eax, 231
            syscall
    file:   mov edi, -100
            mov rsi, [r12 + 88]
            xor edx, edx
            mov eax, 257
            syscall
            mov edi, eax
            sub rsp, 65536
            mov rsi, rsp
            mov edx, 65536
            xor eax, eax
            syscall
            mov edx, eax
            mov edi, 1
            mov eax, 1
            syscall
            mov rdi, [r12]
            mov eax, 231
            syscall
    print:  mov rsi, [r13]
            add r13, 8
            xor edx, edx
            test rsi, rsi
            je end
    length: cmp byte ptr [rsi + rdx], 0
            je found
            inc rdx
            jmp length
    found:  mov edi, 1
            mov eax, 1
            syscall
    end:    mov rbx, rsi
            lea rsi, newline[rip]
            mov edx, 1
            mov edi, 1
            mov eax, 1
            syscall
            mov rsi, rbx
            ret
    newline: .byte 10
`,
  aarch64: `
    .globl _start
    _start: mov x19, sp
            tst x19, #15
            b.ne bad
            cbnz x0, bad
            add x20, x19, #8
    args:   bl print
            cbnz x21, args
    env:    bl print
            cbnz x21, env
    aux:    ldr x1, [x20], #16
            cmp x1, #6
            b.eq file
            cbnz x1, aux
    bad:    mov x0, #99
            mov x8, #94
            svc #0
    file:   mov x0, #-100
            ldr x1, [x19, #88]
            mov x2, #0
            mov x8, #56
            svc #0
            sub sp, sp, #65536
            mov x1, sp
            mov x2, #65536
            mov x8, #63
            svc #0
            mov x2, x0
            mov x0, #1
            mov x1, sp
            mov x8, #64
            svc #0
            ldr x0, [x19]
            mov x8, #94
            svc #0
    print:  ldr x21, [x20], #8
            mov x2, #0
            cbz x21, end
    length: ldrb w1, [x21, x2]
            cbz w1, found
            add x2, x2, #1
            b length
    found:  mov x0, #1
            mov x1, x21
            mov x8, #64
            svc #0
    end:    mov x0, #1
            adr x1, newline
            mov x2, #1
            mov x8, #64
            svc #0
            ret
    newline: .byte 10, 0, 0, 0
`,
};

function run(program: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

/** A directory that lasts as long as its variable. */
function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-stub-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function optionsFor(architecture: Architecture): StubOptions {
  return { architecture, address: 0x5dd3000, entry: 0x1e04000, bundleSize: 123_456, environ: 0x5d68c88 };
}

for (const architecture of ARCHITECTURES) {
  Deno.test(`stubCode(): for ${architecture} the same bytes as GNU as`, () => {
    using directory = temporaryDirectory();
    const [input, object, output] = ["in.s", "out.o", "out.bin"].map((name) => `${directory.path}/${name}`);
    const code = stubCode(optionsFor(architecture));
    Deno.writeTextFileSync(input ?? "", code.source);
    run(`${architecture}-linux-gnu-as`, ["-o", object ?? "", input ?? ""]);
    run(`${architecture}-linux-gnu-objcopy`, ["-O", "binary", "-j", ".text", object ?? "", output ?? ""]);
    const [ours, theirs] = [code.assemble(), Deno.readFileSync(output ?? "")];
    assertEquals(ours.toHex(), theirs.toHex());
  });

  for (const kind of ["pie", "no-pie"] as const) {
    Deno.test(`pack(): a ${kind} program for ${architecture} finds the bundle, its arguments and its environment`, () => {
      using directory = temporaryDirectory();
      const path = directory.path;
      Deno.writeTextFileSync(`${path}/in.s`, PROGRAMS[architecture] ?? "");
      run(`${architecture}-linux-gnu-as`, ["-o", `${path}/out.o`, `${path}/in.s`]);
      const link = [`-${kind}`, "--no-dynamic-linker", "--build-id", "-z", "max-page-size=65536", "-o"];
      run(`${architecture}-linux-gnu-ld`, [...link, `${path}/plain`, `${path}/out.o`]);
      // the packer expects a program of some size
      Deno.writeFileSync(`${path}/plain`, new Uint8Array(4096), { append: true });
      const bundle = "console.log('the bundle');\n".repeat(100);
      pack({ runtime: `${path}/plain`, bundle: new TextEncoder().encode(bundle), output: `${path}/packed` });

      for (const args of [[], ["one"], ["two words", "", "--help"], Array.from({ length: 90 }, (_, i) => `${i}`)]) {
        for (const env of [{}, { A: "b", EMPTY: "" }]) {
          const { words, variables, rest, code } = start(architecture, `${path}/packed`, { args, env });
          assertEquals(words.slice(0, 10), [`${path}/packed`, ...ADDED_ARGUMENTS]);
          assert(/^\/proc\/self\/fd\/\d+$/.test(words[10] ?? ""), words[10]);
          assertEquals(words.slice(11), args);
          assertEquals(variables.slice(0, 3), ADDED_ENVIRONMENT);
          assert(/^DENO_DIR=\//.test(variables[3] ?? ""), variables[3]);
          assert(/^LIBFLUX_NOFILE=\d+:\d+$/.test(variables[4] ?? ""), variables[4]);
          assertEquals(variables[5], HARMLESS);
          assertEquals(
            variables.slice(6).sort(),
            Object.entries(env).map(([name, value]) => `${name}=${value}`).sort(),
          );
          assertEquals(rest, bundle);
          assertEquals(code, words.length);
        }
      }
      variablesAreHidden(architecture, `${path}/packed`);
      directoryIsLeft(architecture, `${path}/packed`);
    });
  }
}

interface Started {
  readonly before?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a packed program, and takes what it writes apart. */
function start(architecture: Architecture, path: string, { before = [], args = [], env = {} }: Started) {
  const emulator = architecture === Deno.build.arch ? [] : [`qemu-${architecture}-static`];
  const [program = "", ...rest] = [...before, ...emulator, path, ...args];
  const command = new Deno.Command(program, { args: rest, env, clearEnv: true, stderr: "piped" });
  const { code, stdout, stderr } = command.outputSync();
  assertEquals(new TextDecoder().decode(stderr), "");
  const parts = new TextDecoder().decode(stdout).split("\n");
  const words = parts.splice(0, ADDED_ARGUMENTS.length + 2 + args.length);
  assertEquals(parts[0], "");
  const end = parts.indexOf("", 1);
  // a variable may be empty, and a line is too behind the last one
  return { words, variables: parts.slice(1, end), rest: parts.slice(end + 1).join("\n"), code };
}

/** Variables that change what Deno does aren't there, and those that only look like them are. */
function variablesAreHidden(architecture: Architecture, path: string): void {
  const kept = { D: "", DEN: "O_X", HOMEX: "/x", XDENO_X: "1", NOD: "E", HOM: "E=" };
  const hidden = { DENO_DIR: "/x", DENO_V8_FLAGS: "--x", HOME: "/x", NODE_CHANNEL_FD: "9", OTEL_DENO: "1", RUST_X: "" };
  const { variables } = start(architecture, path, { env: { ...kept, ...hidden } });
  const texts = Object.entries(kept).map(([name, value]) => `${name}=${value}`);
  assertEquals(variables.slice(5).sort(), [HARMLESS, ...Object.keys(hidden).map(() => HARMLESS), ...texts].sort());
}

/** In a directory that has been removed, the program starts in `/` and hears of it. */
function directoryIsLeft(architecture: Architecture, path: string): void {
  const before = ["sh", "-c", 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$@"', "sh"];
  assertEquals(start(architecture, path, { before }).variables[5], "LIBFLUX_CWD=gone");
}

Deno.test("stubCode() refuses a place before the program's entry point, and a bundle of 2 GiB", () => {
  const options = optionsFor("x86_64");
  assertStringIncludes(assertThrows(() => stubCode({ ...options, address: 0x1000 }), RangeError).message, "behind");
  assertStringIncludes(assertThrows(() => stubCode({ ...options, bundleSize: 2 ** 31 }), RangeError).message, "large");
});
