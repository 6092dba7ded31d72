/**
 * The stub's instructions, without its strings.
 *
 * @module
 */
import { AT, F, MFD, MMAP, STATX } from "../../../ffi/abi/constants.ts";
import {
  ADDED,
  ADDED_ARGUMENTS,
  ADDED_VARIABLES,
  ARGUMENTS,
  EINVAL,
  ENVIRONMENT,
  FAILURE,
  FOUND,
  HARMLESS,
  HIDDEN,
  labelOf,
  LEAST_LIMITS,
  MFD_NOEXEC_SEAL,
  NO_CACHE,
  NO_CWD,
  SENTENCES,
  type StubOptions,
} from "./content.ts";
import type { Machine } from "./machine.ts";

const RLIMIT_NOFILE = 7;
const ALLOCATED = 8448;
/** Places in the memory that the program allocates: below the stack pointer nothing stays. */
const AT_FILE = 0;
const AT_PATH = 8;
const AT_HOME = 16;
const AT_USER = 24;
const AT_COUNT = 32;
/** The addresses of the variables in `FOUND`. */
const AT_FOUND = 40;
const foundAt = (name: typeof FOUND[number]): number => AT_FOUND + FOUND.indexOf(name) * 8;
/** Where texts that end with a number end: the memory after them is zero. */
const PATH_END = 120;
const LIMITS_END = 248;
const AT_BUFFER = 256;
const BUFFER_SIZE = 4096;
/** `DENO_DIR=…`, and where its value begins. */
const AT_DIRECTORY = AT_BUFFER + BUFFER_SIZE;
const AT_DIRECTORY_VALUE = AT_DIRECTORY + "DENO_DIR=".length;
/** The longest HOME that is used, and what is put behind it, are below 4096 together. */
const LONGEST_HOME = 3900;
const LONGEST_NAME = 32;
/** `linux/stat.h`, in `struct statx`. */
const STX_UID = 20;
const STX_MODE = 28;

const word = (text: string): number => [...text].reduceRight((sum, char) => sum * 256 + char.charCodeAt(0), 0);
const character = (text: string): number => text.charCodeAt(0);

/** Writes the program. */
export function writeProgram(m: Machine, { address, entry, bundleSize, environ }: StubOptions): void {
  m.label("start");
  m.begin();
  m.call("mmap", 0, ALLOCATED, MMAP.PROT_READ | MMAP.PROT_WRITE, MMAP.MAP_PRIVATE | MMAP.MAP_ANONYMOUS, -1, 0);
  m.jumpIfError("no_memory");
  m.add("memory", "result", 0);
  checkLimits(m);
  writeBundle(m, bundleSize);
  keepLimits(m);
  leaveGoneDirectory(m);
  hideVariables(m);
  chooseCache(m);
  extendStack(m, environ === undefined ? undefined : address - environ);
  m.enter(address - entry);
  refusals(m);
}

/** What Deno would die of, in one sentence. */
function checkLimits(m: Machine): void {
  for (const { resource, which, least, shift } of LEAST_LIMITS) {
    m.call("prlimit64", 0, resource, 0, { memory: AT_BUFFER });
    m.jumpIfError(`limit_${resource}_unknown`);
    m.load("a", "memory", AT_BUFFER + (which === "soft" ? 0 : 8));
    if (shift > 0) m.bits("a", "a", shift, 64 - shift);
    m.jumpIf("a", "<", least, `limit_${resource}`);
    m.label(`limit_${resource}_unknown`);
  }
}

/** Writes the bundle into a file in memory, and keeps the file's path. */
function writeBundle(m: Machine, size: number): void {
  m.call("memfd_create", { label: "name" }, MFD.MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  m.jumpIf("result", "!=", -EINVAL, "created");
  m.call("memfd_create", { label: "name" }, MFD.MFD_CLOEXEC);
  m.label("created");
  m.jumpIfError("no_memory");
  m.add("a", "result", 0);
  // a closed standard stream must not become the bundle
  m.set("b", 2);
  m.jumpIf("b", "<", "a", "open");
  m.call("fcntl", "a", F.F_DUPFD_CLOEXEC, 3);
  m.store("memory", AT_FILE, "result");
  m.call("close", "a");
  m.load("result", "memory", AT_FILE);
  m.jumpIfError("no_memory");
  m.add("a", "result", 0);
  m.label("open");
  m.store("memory", AT_FILE, "a");

  m.address("b", "bundle");
  m.set("c", size);
  m.label("more");
  m.jumpIf("c", "=", 0, "written");
  m.call("write", "a", "b", "c");
  m.jumpIfError("no_memory");
  m.jumpIf("result", "=", 0, "no_memory");
  m.addRegister("b", "result");
  m.subtractRegister("c", "result");
  m.jump("more");
  m.label("written");

  m.add("c", "memory", PATH_END);
  m.load("result", "memory", AT_FILE);
  digits(m, "file");
  prefix(m, "path_prefix", 2);
  m.store("memory", AT_PATH, "c");
  m.call("faccessat", AT.AT_FDCWD, "c", 0);
  m.jumpIfError("no_proc");
}

/** Writes the number in `result` so that it ends before `c`, which goes to its first digit. */
function digits(m: Machine, name: string): void {
  m.label(`${name}_digit`);
  m.divideByTen("b");
  m.add("b", "b", character("0"));
  m.add("c", "c", -1);
  m.store("c", 0, "b", 8);
  m.jumpIf("result", "!=", 0, `${name}_digit`);
}

/** Writes sixteen bytes before `c`, which goes to the first of them that isn't padding. */
function prefix(m: Machine, label: string, padding: number): void {
  m.add("c", "c", -16);
  m.address("b", label);
  for (const offset of [0, 8]) {
    m.load("a", "b", offset);
    m.store("c", offset, "a");
  }
  m.add("c", "c", padding);
}

/** Tells libflux of the limit that Deno will raise, so that containers get the caller's own. */
function keepLimits(m: Machine): void {
  m.address("c", labelOf(HARMLESS));
  m.call("prlimit64", 0, RLIMIT_NOFILE, 0, { memory: AT_BUFFER });
  m.jumpIfError("limits_kept");
  m.add("c", "memory", LIMITS_END);
  m.load("result", "memory", AT_BUFFER + 8);
  digits(m, "hard");
  m.add("c", "c", -1);
  m.set("b", character(":"));
  m.store("c", 0, "b", 8);
  m.load("result", "memory", AT_BUFFER);
  digits(m, "soft");
  prefix(m, "limits_prefix", 1);
  m.label("limits_kept");
  m.store("memory", foundAt("limits"), "c");
}

/** Goes to `/` where the working directory has been removed, or is outside of the root directory. */
function leaveGoneDirectory(m: Machine): void {
  m.call("getcwd", { memory: AT_BUFFER }, BUFFER_SIZE);
  m.jumpIfError("gone");
  m.address("c", labelOf(HARMLESS));
  m.load("b", "memory", AT_BUFFER, 8);
  m.jumpIf("b", "=", character("/"), "there");
  m.label("gone");
  m.call("chdir", { label: "root" });
  m.address("c", labelOf(NO_CWD));
  m.label("there");
  m.store("memory", foundAt("cwd"), "c");
}

/** Puts something harmless in the place of what Deno isn't to see. */
function hideVariables(m: Machine): void {
  m.add("a", "stack", 8);
  m.label("skip");
  m.load("b", "a", 0);
  m.add("a", "a", 8);
  m.jumpIf("b", "!=", 0, "skip");

  m.label("variable");
  m.load("b", "a", 0);
  m.jumpIf("b", "=", 0, "hidden");
  m.load("c", "b", 0, 32);
  for (const name of HIDDEN) m.jumpIf("c", "=", word(name), "hide");
  m.jumpIf("c", "!=", word("HOME"), "next");
  m.load("c", "b", 4, 8);
  m.jumpIf("c", "!=", character("="), "next");
  m.add("b", "b", "HOME=".length);
  m.store("memory", AT_HOME, "b");
  m.label("hide");
  m.address("c", labelOf(HARMLESS));
  m.store("a", 0, "c");
  m.label("next");
  m.add("a", "a", 8);
  m.jump("variable");
  m.label("hidden");
}

/**
 * Chooses the directory of Deno's cache, which has compiled code in it: below `/var/cache` for root, whatever the
 * environment says, below an absolute `HOME` for others. Nobody else may own it or write to it.
 */
function chooseCache(m: Machine): void {
  m.address("c", labelOf(NO_CACHE));
  m.store("memory", foundAt("directory"), "c");
  m.add("c", "memory", AT_DIRECTORY);
  m.address("a", "directory_prefix");
  append(m, "prefix", LONGEST_NAME);

  m.call("geteuid");
  m.store("memory", AT_USER, "result");
  m.jumpIf("result", "=", 0, "for_root");
  m.load("a", "memory", AT_HOME);
  m.jumpIf("a", "=", 0, "chosen");
  m.load("b", "a", 0, 8);
  m.jumpIf("b", "!=", character("/"), "chosen");
  append(m, "home", LONGEST_HOME);
  ownedOrNone(m);
  m.address("a", "dot_cache");
  m.jump("cache_of_user");
  m.label("for_root");
  m.address("a", "var");
  append(m, "var", LONGEST_NAME);
  m.address("a", "cache");
  m.label("cache_of_user");
  append(m, "cache", LONGEST_NAME);
  m.call("mkdirat", AT.AT_FDCWD, { memory: AT_DIRECTORY_VALUE }, 0o755);
  ownedOrNone(m);
  m.address("a", "libflux");
  append(m, "libflux", LONGEST_NAME);
  m.call("mkdirat", AT.AT_FDCWD, { memory: AT_DIRECTORY_VALUE }, 0o700);

  ownedOrNone(m);
  m.add("c", "memory", AT_DIRECTORY);
  m.store("memory", foundAt("directory"), "c");
  m.label("chosen");
}

/**
 * Goes on only if the directory that the name is of by now is this user's, and nobody else can write to it: who could
 * might put another in the place of what is below. Calls leave `c` at the end of the name.
 */
function ownedOrNone(m: Machine): void {
  const path = { memory: AT_DIRECTORY_VALUE };
  m.call("statx", AT.AT_FDCWD, path, AT.AT_SYMLINK_NOFOLLOW, STATX.STATX_BASIC_STATS, { memory: AT_BUFFER });
  m.jumpIfError("chosen");
  m.load("a", "memory", AT_BUFFER + STX_UID, 32);
  m.load("b", "memory", AT_USER);
  m.jumpIf("a", "!=", "b", "chosen");
  m.load("a", "memory", AT_BUFFER + STX_MODE, 16);
  // S_IFDIR, then S_IWGRP and S_IWOTH
  for (const [first, width, value] of [[12, 4, 4], [4, 1, 0], [1, 1, 0]] as const) {
    m.bits("b", "a", first, width);
    m.jumpIf("b", "!=", value, "chosen");
  }
}

/** Copies the text at `a` to `c`, which goes to its end; no cache where it is too long. */
function append(m: Machine, name: string, longest: number): void {
  m.set("result", longest);
  m.label(`append_${name}`);
  m.load("b", "a", 0, 8);
  m.store("c", 0, "b", 8);
  m.jumpIf("b", "=", 0, `appended_${name}`);
  m.add("a", "a", 1);
  m.add("c", "c", 1);
  m.add("result", "result", -1);
  m.jumpIf("result", "=", 0, "chosen");
  m.jump(`append_${name}`);
  m.label(`appended_${name}`);
}

/** Puts arguments and variables where Deno looks for them; `environ` is how far before the stub libc's is. */
function extendStack(m: Machine, environ: number | undefined): void {
  m.load("a", "stack", 0);
  m.store("memory", AT_COUNT, "a");
  m.load("result", "stack", 8);
  // the arguments move down, so that there is room before the environment
  m.add("a", "stack", 16);
  m.add("c", "a", -ADDED_VARIABLES * 8);
  m.label("argument");
  m.load("b", "a", 0);
  m.store("c", 0, "b");
  m.add("a", "a", 8);
  m.add("c", "c", 8);
  m.jumpIf("b", "!=", 0, "argument");
  ENVIRONMENT.forEach((variable, index) => {
    m.address("a", labelOf(variable));
    m.store("c", index * 8, "a");
  });
  FOUND.forEach((name, index) => {
    m.load("a", "memory", foundAt(name));
    m.store("c", (ENVIRONMENT.length + index) * 8, "a");
  });
  if (environ !== undefined) {
    m.address("a", "start", environ);
    m.load("a", "a", 0);
    m.store("a", 0, "c");
  }

  // argc and argv[0] move further; what the kernel put behind the arguments stays where it is
  m.load("a", "memory", AT_COUNT);
  m.add("stack", "stack", -ADDED * 8);
  m.add("a", "a", ADDED_ARGUMENTS);
  m.store("stack", 0, "a");
  m.store("stack", 8, "result");
  ARGUMENTS.forEach((argument, index) => {
    m.address("a", labelOf(argument));
    m.store("stack", 16 + index * 8, "a");
  });
  m.load("a", "memory", AT_PATH);
  m.store("stack", 16 + ARGUMENTS.length * 8, "a");
}

/** One sentence on the standard error for each reason not to start. */
function refusals(m: Machine): void {
  const reasons: ReadonlyArray<readonly [string, string, string]> = [
    ["no_memory", "sentence_memory", SENTENCES.memory],
    ["no_proc", "sentence_proc", SENTENCES.proc],
    ...LEAST_LIMITS.map(({ resource, sentence }) =>
      [`limit_${resource}`, `sentence_limit_${resource}`, sentence] as const
    ),
  ];
  for (const [label, text, sentence] of reasons) {
    m.label(label);
    m.address("b", text);
    m.set("c", sentence.length);
    m.jump("refuse");
  }
  m.label("refuse");
  m.call("write", 2, "b", "c");
  m.call("exit_group", FAILURE);
}
