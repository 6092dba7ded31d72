/**
 * Writes `lib/seccomp/syscall_numbers.ts`: the numbers of all syscalls, as libseccomp knows them, and those of later
 * kernels. A test sees to it that they are the same.
 *
 * @module
 */
import { ARCHITECTURES, type SeccompArchitecture } from "../lib/seccomp/types.ts";
import { type Library, openLibrary, text, TOKENS } from "./libseccomp.ts";
import { ROOT, run } from "./process.ts";

/**
 * What Linux 6.8 to 6.17 added, which no libseccomp of Debian 12 knows: the same number in every ABI since 424
 * (`arch/x86/entry/syscalls/syscall_64.tbl`, `scripts/syscall.tbl`).
 */
const LATER: readonly (readonly [string, number])[] = [
  ["statmount", 457],
  ["listmount", 458],
  ["lsm_get_self_attr", 459],
  ["lsm_set_self_attr", 460],
  ["lsm_list_modules", 461],
  ["mseal", 462],
  ["setxattrat", 463],
  ["getxattrat", 464],
  ["listxattrat", 465],
  ["removexattrat", 466],
  ["open_tree_attr", 467],
  ["file_getattr", 468],
  ["file_setattr", 469],
];
const X32 = 0x40000000;
/** Where ARM has calls of its own: `__ARM_NR_BASE`, `asm/unistd.h`. */
const ARM_PRIVATE = 0xf0000;
const UPTO = 1000;

/** Every name, with its numbers in the order of `ARCHITECTURES`; nothing where an ABI doesn't have it. */
export function readNumbers({ symbols }: Library): Map<string, (number | undefined)[]> {
  const found = new Map<string, Map<SeccompArchitecture, number>>();
  for (const architecture of ARCHITECTURES) {
    for (const base of [0, X32, ARM_PRIVATE]) {
      for (let number = base; number < base + UPTO; number++) {
        const pointer = symbols.seccomp_syscall_resolve_num_arch(TOKENS[architecture], number);
        if (pointer === null) continue;
        const name = Deno.UnsafePointerView.getCString(pointer);
        found.set(name, (found.get(name) ?? new Map()).set(architecture, number));
      }
    }
  }
  // Of those that `socketcall` and `ipc` have too, x86's own number is only found by the number.
  const resolve = (name: string) =>
    ARCHITECTURES.map((architecture) => {
      const number = symbols.seccomp_syscall_resolve_name_arch(TOKENS[architecture], text(name));
      return number < 0 ? found.get(name)?.get(architecture) : number;
    });
  const known = [...found.keys(), "sync_file_range2"].map((name) => [name, resolve(name)] as const);
  // A libseccomp that knows them must say the same.
  const later = LATER.map(([name, number]) =>
    [name, ARCHITECTURES.map((one) => one === "SCMP_ARCH_X32" ? X32 + number : number)] as const
  );
  return new Map([...known, ...later].sort(([a], [b]) => a < b ? -1 : 1));
}

/** The file's text: `name:x86_64,x86,x32,aarch64,arm`, one number for those that have them all the same. */
export function numbersFile(numbers: ReadonlyMap<string, readonly (number | undefined)[]>): string {
  const entries = [...numbers].map(([name, [x86_64, x86, x32, aarch64, arm]]) => {
    const short = x32 === undefined ? "" : x32 - X32 === x86_64 ? "=" : String(x32 - X32);
    const all = [x86_64, x86, short, aarch64, arm].map((number) => number === undefined ? "" : String(number));
    const same = short === "=" && [x86, aarch64, arm].every((number) => number === x86_64);
    return `${name}:${same ? x86_64 : all.join(",")}`;
  });
  const lines: string[] = [];
  let line = "";
  for (const entry of entries) {
    if (line.length + entry.length > 116) {
      lines.push(line);
      line = "";
    }
    line += (line === "" ? "" : " ") + entry;
  }
  return `/**
 * What \`deno run -A tasks/syscalls.ts\` makes of libseccomp's tables: facts of the kernel's \`syscall.tbl\` files.
 *
 * @module
 */

/**
 * \`name:x86_64,x86,x32,aarch64,arm\`. Of x32 what is left without its bit, "=" where that is x86_64's number. One number
 * stands for five that are the same.
 */
export const SYSCALL_NUMBERS = \`
${[...lines, line].join("\n")}
\`;
`;
}

if (import.meta.main) {
  const library = openLibrary();
  const file = `${ROOT}/lib/seccomp/syscall_numbers.ts`;
  Deno.writeTextFileSync(file, numbersFile(readNumbers(library)));
  Deno.exit(await run(Deno.execPath(), ["fmt", "--quiet", file]));
}
