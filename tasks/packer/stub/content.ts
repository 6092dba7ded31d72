/**
 * What the stub says, asks and puts on the stack.
 *
 * @module
 */
import type { Architecture } from "../elf.ts";

/** What the stub has to know. */
export interface StubOptions {
  readonly architecture: Architecture;
  /** Where the executable's headers say the stub is: what it differs from at run time is the load bias. */
  readonly address: number;
  /** Where they said that the program starts. Before `address`. */
  readonly entry: number;
  /** The length in bytes of the bundle, which begins where the stub ends. */
  readonly bundleSize: number;
  /**
   * Where the dynamic loader has put the address of libc's `environ`, which was set before the stub runs: the address
   * of a word, counted like `address`. Not there in a static executable.
   */
  readonly environ?: number | undefined;
}

/**
 * For a program that runs for milliseconds: all its functions are compiled at once, and so are kept in the code cache; and
 * there is room for all that a start allocates, so that nothing of it has to be collected. Machine code is made late: in
 * so short a life it takes more time than it saves, and a core that the container could have used.
 */
export const V8_FLAGS = "--v8-flags=" + [
  "--no-lazy",
  "--min-semi-space-size=4",
  "--no-sparkplug",
  "--invocation-count-for-maglev=4000",
  "--invocation-count-for-maglev-osr=2000",
].join(",");

/** What comes between the program's name and the bundle's path. */
export const ARGUMENTS = [
  ...["run", "-A", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--ext=js"],
  V8_FLAGS,
] as const;

/**
 * `deno run` asks the network for newer versions of Deno and tells the terminal of them, and it puts a directory of its
 * cache before all others in `PATH` where there is no `node`. A container runtime does neither.
 */
export const ENVIRONMENT = ["DENO_NO_UPDATE_CHECK=1", "DENO_DISABLE_NODE_SHIM=1"] as const;

/** The number of new arguments. */
export const ADDED_ARGUMENTS = ARGUMENTS.length + 1;
/** The number of new variables. */
export const ADDED_VARIABLES = ENVIRONMENT.length;
/** The number of new words on the stack: an even one, so that it stays aligned to 16 bytes. */
export const ADDED = ADDED_ARGUMENTS + ADDED_VARIABLES;

/** Where a packed executable ends when it can't start: the code for that of `chroot`, `env` and docker. */
export const FAILURE = 125;

/** Written to the standard error then. */
export const SENTENCES = {
  memory: "libflux: cannot start: the kernel refused a file in memory (memfd_create and write); " +
    "a seccomp profile or a memory limit may forbid it\n",
} as const;

/** Sixteen bytes, so that two words hold it; the path begins after the zeroes. */
export const PATH_PREFIX = "\0\0/proc/self/fd/";

/** From kernel 6.3 on: nobody may execute the file. Where `vm.memfd_noexec` is 2, it has to be said. */
export const MFD_NOEXEC_SEAL = 8;
/** What older kernels answer to that. */
export const EINVAL = 22;

/** The label of a string. */
export const labelOf = (text: string): string => `text_${text.replaceAll(/\W/g, "_")}`;

/** The strings that the program names, and their labels. */
export const STRINGS: ReadonlyArray<readonly [string, string]> = [
  ["name", "libflux"],
  ["path_prefix", PATH_PREFIX],
  ...[...ARGUMENTS, ...ENVIRONMENT].map((text) => [labelOf(text), text] as const),
  ...Object.entries(SENTENCES).map(([name, sentence]) => [`sentence_${name}`, sentence] as const),
];
