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
 * cache before all others in `PATH` where there is no `node`. A container runtime does neither. And it reads
 * `$HOME/.npmrc` whatever flags it gets, and waits for it if it is a FIFO: there can't be one in `/proc/self`.
 */
export const ENVIRONMENT = ["DENO_NO_UPDATE_CHECK=1", "DENO_DISABLE_NODE_SHIM=1", "HOME=/proc/self"] as const;

/** What stands in the place of a variable that Deno isn't shown: one that is there anyway. */
export const HARMLESS = ENVIRONMENT[0];

/**
 * The variables of the caller that Deno isn't shown, by their first four characters: they change what it does, down to
 * connections that it makes (`OTEL_…`), descriptors that it takes for its own (`NODE_CHANNEL_FD`) and stacks that it
 * can't have (`RUST_MIN_STACK`). libflux finds them in `/proc/self/environ`, which the kernel keeps.
 */
export const HIDDEN = ["DENO", "NODE", "OTEL", "RUST", "LIBF"] as const;

/** The variables that only some callers get, and whose values the stub finds out. */
export const FOUND = ["directory", "limits", "cwd"] as const;

/** Deno's cache where there is no safe place for one: it can't be made, and Deno goes on without. */
export const NO_CACHE = "DENO_DIR=/proc/self/none";
/** The working directory can't be named: libflux is in `/`, and refuses relative paths. */
export const NO_CWD = "LIBFLUX_CWD=gone";
/** Before the soft and the hard limit of open files that the caller has. Deno raises the soft one. */
export const LIMITS_PREFIX = "\0LIBFLUX_NOFILE=";

/** The number of new arguments. */
export const ADDED_ARGUMENTS = ARGUMENTS.length + 1;
/** The number of new variables. */
export const ADDED_VARIABLES = ENVIRONMENT.length + FOUND.length;
/** The number of new words on the stack: an even one, so that it stays aligned to 16 bytes. */
export const ADDED = ADDED_ARGUMENTS + ADDED_VARIABLES;

/** Where a packed executable ends when it can't start: the code for that of `chroot`, `env` and docker. */
export const FAILURE = 125;

/** Below these limits Deno dies by a signal or with a stack trace, as was measured of Deno 2.9 on x86-64. */
export interface LeastLimit {
  /** Its number in `asm-generic/resource.h`. */
  readonly resource: number;
  /** Deno raises the soft limit of open files by itself. */
  readonly which: "soft" | "hard";
  readonly least: number;
  /** 2 to the power of so many is the unit of `least`. */
  readonly shift: number;
  readonly sentence: string;
}

const least = (limit: string, need: string, ulimit: string): string =>
  `libflux: cannot start: the limit of ${limit} is below ${need}; raise it with 'ulimit ${ulimit}'\n`;

/** What is checked first. */
export const LEAST_LIMITS: readonly LeastLimit[] = [
  {
    resource: 1,
    which: "soft",
    least: 1024,
    shift: 10,
    sentence: least("file sizes (RLIMIT_FSIZE)", "1 MiB", "-f"),
  },
  {
    resource: 2,
    which: "soft",
    least: 560_000,
    shift: 10,
    sentence: least("data (RLIMIT_DATA)", "the 560 MB that JavaScript's heap reserves", "-d"),
  },
  {
    resource: 3,
    which: "soft",
    least: 448,
    shift: 10,
    sentence: least("the stack (RLIMIT_STACK)", "448 KiB", "-s"),
  },
  {
    resource: 7,
    which: "hard",
    least: 64,
    shift: 0,
    sentence: least("open files (RLIMIT_NOFILE)", "64", "-Hn"),
  },
  {
    resource: 9,
    which: "soft",
    // 16 GiB at a multiple of as much: sometimes three times as much has to be reserved first.
    least: 52 * 2 ** 20,
    shift: 10,
    sentence: least("address space (RLIMIT_AS)", "the 52 GiB that JavaScript's heap may reserve", "-v"),
  },
];

/** What else it says. */
export const SENTENCES = {
  memory: "libflux: cannot start: the kernel refused a file in memory (memfd_create and write); " +
    "a seccomp profile or a memory limit may forbid it\n",
  proc: "libflux: cannot start: there is no /proc here; mount it with 'mount -t proc proc /proc'\n",
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
  ["limits_prefix", LIMITS_PREFIX],
  ["directory_prefix", "DENO_DIR="],
  ["root", "/"],
  ["var", "/var"],
  ["cache", "/cache"],
  ["dot_cache", "/.cache"],
  ["libflux", "/libflux"],
  ...[...ARGUMENTS, ...ENVIRONMENT, NO_CACHE, NO_CWD].map((text) => [labelOf(text), text] as const),
  ...LEAST_LIMITS.map(({ resource, sentence }) => [`sentence_limit_${resource}`, sentence] as const),
  ...Object.entries(SENTENCES).map(([name, sentence]) => [`sentence_${name}`, sentence] as const),
];
