/**
 * Stand-in for `jsr:@std/cli/parse-args` where JSR can't be reached: the same rules, which are minimist's.
 *
 * @module
 */
import type { Aliases, Args, Names, ParseOptions, Values } from "./types.ts";

export type { Args, ParseOptions };

type Value = string | number | boolean;
type Tree = Record<string, unknown>;

function looksNumeric(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

/** Writing there would reach every object of the process. */
function isPrototypeKey(tree: Tree, key: string): boolean {
  return key === "__proto__" || (key === "constructor" && typeof tree[key] === "function");
}

/** The object that a dotted name ends in, and the last part of the name. */
function locate(tree: Tree, name: string, create: boolean): [Tree, string] | undefined {
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  for (const part of parts) {
    if (isPrototypeKey(tree, part)) return undefined;
    if (!create && !Object.hasOwn(tree, part)) return undefined;
    tree = (tree[part] ??= {}) as Tree;
  }
  return isPrototypeKey(tree, last) ? undefined : [tree, last];
}

function setNested(root: Tree, name: string, value: unknown, collect = false): void {
  const place = locate(root, name, true);
  if (place === undefined) return;
  const [tree, key] = place;
  const previous = tree[key];
  if (!collect) tree[key] = value;
  else if (Array.isArray(previous)) previous.push(value);
  else tree[key] = previous ? [previous, value] : [value];
}

function hasNested(root: Tree, name: string): boolean {
  const place = locate(root, name, false);
  return place !== undefined && Object.hasOwn(...place);
}

function aliasMap(aliases: Aliases): Map<string, readonly string[]> {
  const map = new Map<string, readonly string[]>();
  for (const [name, others] of Object.entries(aliases)) {
    if (others === undefined) throw new TypeError("Alias value must be defined");
    const group = [name, ...(typeof others === "string" ? [others] : others)];
    for (const member of group) map.set(member, group.filter((other) => other !== member));
  }
  return map;
}

function nameSet(names: unknown, aliases: Map<string, readonly string[]>): Set<string> {
  const list = (Array.isArray(names) ? names : [names]).filter((name) => typeof name === "string" && name !== "");
  return new Set(list.flatMap((name: string) => [name, ...(aliases.get(name) ?? [])]));
}

/** The state of one `parseArgs()` call. */
class Parser {
  readonly result: Tree & { _: Array<string | number> } = { _: [] };
  readonly #aliases: Map<string, readonly string[]>;
  readonly #booleans: Set<string>;
  readonly #strings: Set<string>;
  readonly #collected: Set<string>;
  readonly #negatable: Set<string>;
  readonly #allBooleans: boolean;
  readonly #options: ParseOptions;
  readonly #args: readonly string[];
  #index = 0;

  constructor(args: readonly string[], options: ParseOptions) {
    this.#args = args;
    this.#options = options;
    this.#aliases = aliasMap(options.alias ?? {});
    this.#allBooleans = options.boolean === true;
    this.#booleans = nameSet(options.boolean, this.#aliases);
    this.#strings = nameSet(options.string, this.#aliases);
    this.#collected = nameSet(options.collect, this.#aliases);
    this.#negatable = nameSet(options.negatable, this.#aliases);
  }

  parse(): void {
    for (; this.#index < this.#args.length; this.#index++) {
      const arg = this.#args[this.#index] ?? "";
      const long = /^--(no-)?(.+?)(?:=(.*))?$/s.exec(arg);
      // `--no-=x` and the like: what looks like the prefix is then the name
      if (long) this.#long(arg, long[1] !== undefined, long[2] ?? "", long[3]);
      else if (/^-.+$/s.test(arg)) this.#short(arg);
      else if (this.#positional(arg) && this.#options.stopEarly) {
        this.result._.push(...this.#args.slice(this.#index + 1));
        return;
      }
    }
  }

  #positional(arg: string): true {
    if (this.#options.unknown?.(arg) !== false) {
      this.result._.push(this.#strings.has("_") || !looksNumeric(arg) ? arg : Number(arg));
    }
    return true;
  }

  #long(arg: string, negated: boolean, name: string, value: string | undefined): void {
    if (value !== undefined) {
      this.#set(name, this.#booleans.has(name) ? value !== "false" : value, arg);
    } else if (negated && this.#negatable.has(name)) {
      this.#set(name, false, arg, false);
    } else {
      const key = negated ? `no-${name}` : name;
      this.#setFromNext(key, arg, !this.#allBooleans && !this.#peek().startsWith("-"));
    }
  }

  /** `-abc`, `-n5`, `-a=b`, `-ofile`: letters are flags until something can only be a value. */
  #short(arg: string): void {
    const letters = arg.slice(1, -1);
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i] ?? "";
      const rest = arg.slice(i + 2);
      if (rest === "-") {
        this.#set(letter, rest, arg);
        continue;
      }
      const value = this.#attached(letter, rest, letters[i + 1]);
      if (value !== undefined) return this.#set(letter, value, arg);
      this.#set(letter, this.#strings.has(letter) ? "" : true, arg);
    }
    const last = arg.slice(-1);
    if (last !== "-") this.#setFromNext(last, arg, !/^--?[^-]/.test(this.#peek()));
  }

  #attached(letter: string, rest: string, next: string | undefined): string | undefined {
    if (rest === "=") return "";
    if (/[A-Za-z]/.test(letter)) {
      const value = /=(.+)/.exec(rest)?.[1];
      if (value !== undefined) return value;
      if (/-?\d+(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
    }
    return next !== undefined && /\W/.test(next) ? rest : undefined;
  }

  #peek(): string {
    return this.#args[this.#index + 1] ?? "";
  }

  /** Takes the next argument as the value where it can be one. */
  #setFromNext(key: string, arg: string, mayBeValue: boolean): void {
    const next = this.#peek();
    if (next !== "" && mayBeValue && !this.#isBoolean(key)) {
      this.#index++;
      this.#set(key, next, arg);
    } else if (next === "true" || next === "false") {
      this.#index++;
      this.#set(key, next === "true", arg);
    } else {
      this.#set(key, this.#strings.has(key) ? "" : true, arg);
    }
  }

  #isBoolean(key: string): boolean {
    return this.#booleans.has(key) || (this.#aliases.get(key) ?? []).some((alias) => this.#booleans.has(alias));
  }

  #isKnown(key: string, arg: string): boolean {
    return this.#booleans.has(key) || this.#strings.has(key) || this.#aliases.has(key) || this.#collected.has(key) ||
      (this.#allBooleans && /^--[^=]+$/.test(arg));
  }

  #set(key: string, given: Value, arg: string, collect = true): void {
    if (!this.#isKnown(key, arg) && this.#options.unknown?.(arg, key, given) === false) return;
    const value = typeof given === "string" && !this.#strings.has(key) && looksNumeric(given) ? Number(given) : given;
    for (const name of [key, ...(this.#aliases.get(key) ?? [])]) {
      setNested(this.result, name, value, collect && this.#collected.has(key));
    }
  }

  fillIn(): void {
    for (const [key, value] of Object.entries(this.#options.default ?? {})) {
      if (hasNested(this.result, key)) continue;
      for (const name of [key, ...(this.#aliases.get(key) ?? [])]) setNested(this.result, name, value);
    }
    for (const key of this.#booleans) {
      if (!hasNested(this.result, key)) setNested(this.result, key, this.#collected.has(key) ? [] : false);
    }
    for (const key of this.#strings) {
      if (this.#collected.has(key) && !hasNested(this.result, key)) setNested(this.result, key, []);
    }
  }
}

/**
 * Sorts command line arguments into flags and positional arguments.
 *
 * @param args The arguments, as in `Deno.args`.
 * @param options Which flags there are and what they take.
 * @returns The flags by name, and the positional arguments in `_`.
 */
export function parseArgs<
  TArgs extends Values<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases>,
  TDoubleDash extends boolean | undefined = undefined,
  TBooleans extends Names | boolean = undefined,
  TStrings extends Names = undefined,
  TCollectable extends Names = undefined,
  TNegatable extends Names = undefined,
  TDefaults extends Record<string, unknown> | undefined = undefined,
  const TAliases extends Aliases | undefined = undefined,
>(
  args: readonly string[],
  options?: ParseOptions<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases, TDoubleDash>,
): Args<TArgs, TDoubleDash> {
  const end = args.indexOf("--");
  const rest = end < 0 ? [] : args.slice(end + 1);
  const parser = new Parser(end < 0 ? args : args.slice(0, end), (options ?? {}) as ParseOptions);
  parser.parse();
  parser.fillIn();
  if (options?.["--"]) (parser.result as Tree)["--"] = rest;
  else parser.result._.push(...rest);
  return parser.result as unknown as Args<TArgs, TDoubleDash>;
}
