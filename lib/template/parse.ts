/**
 * The words of a template's actions → a tree.
 *
 * @module
 */
import { printable } from "../errors.ts";
import { FUNCTIONS } from "./functions.ts";
import { lex, type Piece, type Token, unreadable } from "./lex.ts";

/** Something that has a value. */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | undefined }
  /** Fields of what is before them: the dot, the root (`$`), a variable or another expression. */
  | {
    readonly kind: "chain";
    readonly of: "dot" | { readonly variable: string } | Expression;
    readonly fields: readonly string[];
    readonly args: readonly Expression[];
  }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] };

/** Part of a template. */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "show"; readonly source: string; readonly value: Expression }
  | {
    readonly kind: "set";
    readonly source: string;
    readonly name: string;
    readonly value: Expression;
    readonly declares: boolean;
  }
  | {
    readonly kind: "if" | "with" | "range";
    readonly source: string;
    readonly value: Expression;
    /** Of `with` and `range`: what holds the value, or the key and the value. */
    readonly variables: readonly string[];
    readonly body: readonly Node[];
    readonly otherwise: readonly Node[];
  };

/** How deep parentheses and blocks may be in each other. */
const DEEPEST = 100;

/** How a name without a dot is read. */
export interface ParseOptions {
  /** Whether it is a field of the root, where it is no function. */
  readonly isField?: ((name: string) => boolean) | undefined;
  /** Called with each field of the root. */
  readonly onField?: ((name: string, source: string) => void) | undefined;
}

/** Reads the words of one action. */
class Action {
  #at = 0;

  constructor(
    readonly source: string,
    readonly tokens: readonly Token[],
    readonly scope: { readonly dotIsRoot: boolean; readonly variables: ReadonlySet<string> },
    readonly options: ParseOptions,
  ) {}

  get next(): Token | undefined {
    return this.tokens[this.#at];
  }

  fail(why: string, hint?: string): never {
    throw unreadable(this.source, why, hint);
  }

  take(kind: Token["kind"], text?: string): Token | undefined {
    const { next } = this;
    if (next?.kind !== kind || text !== undefined && next.text !== text) return undefined;
    this.#at++;
    return next;
  }

  end(): void {
    const { next } = this;
    if (next !== undefined) this.fail(`"${printable(next.text)}" is too much there`);
  }

  /** `$x :=`, `$i, $x :=`, `$x =`; nothing, and nothing taken, where none is there. */
  variables(): { readonly names: readonly string[]; readonly declares: boolean } | undefined {
    const found = /^\$(?:,\$)?:?=/.exec(
      this.tokens.slice(this.#at).map(({ kind, text }) => kind === "variable" ? "$" : kind === "sign" ? text : " ")
        .join(""),
    );
    if (found === null) return undefined;
    const names = this.tokens.slice(this.#at).filter(({ kind }) => kind === "variable")
      .slice(0, found[0].includes(",") ? 2 : 1).map(({ text }) => text);
    if (names.includes("")) this.fail("$ can't be given a value");
    this.#at += names.length * 2;
    return { names, declares: found[0].includes(":") };
  }

  pipeline(depth = 0): Expression {
    if (depth > DEEPEST) this.fail("its parentheses are too deep in each other");
    let value = this.#command(depth, undefined);
    while (this.take("sign", "|") !== undefined) value = this.#command(depth, value);
    return value;
  }

  /** One of the commands of a pipeline. @param last What the one before it gives, its last argument. */
  #command(depth: number, last: Expression | undefined): Expression {
    const piped = last === undefined ? [] : [last];
    const { next } = this;
    if (next === undefined) this.fail("a value is missing");
    if (next.kind === "name" && !["true", "false", "nil"].includes(next.text)) {
      if (Object.hasOwn(FUNCTIONS, next.text)) {
        this.#at++;
        const args = [...this.#operands(depth), ...piped];
        const { least, most } = FUNCTIONS[next.text] ?? { least: 0, most: 0 };
        if (args.length < least || args.length > most) {
          const count = most === Infinity ? `${least} or more` : least === most ? `${least}` : `${least} to ${most}`;
          this.fail(`${next.text} takes ${count} argument${count === "1" ? "" : "s"}, and got ${args.length}`);
        }
        return { kind: "call", name: next.text, args };
      }
      if (this.options.isField?.(next.text) !== true) {
        this.fail(
          `there is no field and no function ${printable(next.text)}`,
          `functions are ${Object.keys(FUNCTIONS).join(", ")}; a field begins with a dot`,
        );
      }
    }
    const operand = this.#operand(depth);
    const args = [...this.#operands(depth), ...piped];
    if (operand === undefined) this.fail(`"${printable(next.text)}" is no value`);
    if (args.length === 0) return operand;
    if (operand.kind !== "chain" || operand.fields.length === 0) this.fail("what isn't a function takes no arguments");
    return { ...operand, args };
  }

  #operands(depth: number): Expression[] {
    const all: Expression[] = [];
    for (let one = this.#operand(depth); one !== undefined; one = this.#operand(depth)) all.push(one);
    return all;
  }

  #operand(depth: number): Expression | undefined {
    const { next } = this;
    const taken = this.#at++;
    switch (next?.kind) {
      case "string":
        return { kind: "literal", value: next.text };
      case "number":
        return { kind: "literal", value: Number(next.text) };
      case "name":
        if (next.text === "true" || next.text === "false") return { kind: "literal", value: next.text === "true" };
        if (next.text === "nil") return { kind: "literal", value: undefined };
        if (Object.hasOwn(FUNCTIONS, next.text)) return { kind: "call", name: next.text, args: [] };
        if (this.options.isField?.(next.text) !== true) this.fail(`there is no function ${printable(next.text)}`);
        return this.#chain({ variable: "" }, [next.text]);
      case "field":
        return this.#chain("dot", next.text === "" ? [] : [next.text]);
      case "variable":
        if (next.text !== "" && !this.scope.variables.has(next.text)) {
          this.fail(`there is no variable $${printable(next.text)}`);
        }
        return this.#chain({ variable: next.text }, []);
      case "sign":
        if (next.text === "(") {
          const inner = this.pipeline(depth + 1);
          if (this.take("sign", ")") === undefined) this.fail("a ) is missing");
          return this.next?.kind === "field" && this.next.attached ? this.#chain(inner, []) : inner;
        }
    }
    this.#at = taken;
    return undefined;
  }

  #chain(of: (Expression & { readonly kind: "chain" })["of"], first: readonly string[]): Expression {
    const fields = [...first];
    while (this.next?.kind === "field" && this.next.attached && this.next.text !== "") {
      fields.push(this.next.text);
      this.#at++;
    }
    const isRoot = of === "dot" ? this.scope.dotIsRoot : "variable" in of && of.variable === "";
    const [field] = fields;
    if (isRoot && field !== undefined) this.options.onField?.(field, this.source);
    return { kind: "chain", of, fields, args: [] };
  }
}

type Scope = { readonly dotIsRoot: boolean; readonly variables: Set<string> };

/** Reads a template. Throws a `UsageError` that shows where it can't be read, and why. */
export function parse(template: string, options: ParseOptions = {}): readonly Node[] {
  const pieces = lex(template);
  let at = 0;

  /** Nodes up to an `else` or `end`, which is answered too. */
  function block(
    scope: Scope,
    depth: number,
  ): { readonly nodes: readonly Node[]; readonly end?: Action & { word: string } } {
    const nodes: Node[] = [];
    while (at < pieces.length) {
      const piece: Piece | undefined = pieces[at++];
      if (piece === undefined) break;
      if ("text" in piece) {
        if (piece.text !== "") nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      const { source, tokens } = piece;
      const action = new Action(source, tokens, scope, options);
      const word = tokens[0]?.kind === "name" ? tokens[0].text : "";
      if (word === "end" || word === "else") {
        action.take("name");
        return { nodes, end: Object.assign(action, { word }) };
      }
      if (word === "if" || word === "with" || word === "range") {
        action.take("name");
        nodes.push(branch(word, action, scope, depth + 1));
        continue;
      }
      const set = action.variables();
      if (set !== undefined && set.names.length > 1) action.fail("only range sets two variables");
      const value = action.pipeline();
      action.end();
      const [name] = set?.names ?? [];
      if (set === undefined || name === undefined) nodes.push({ kind: "show", source, value });
      else {
        if (set.declares) scope.variables.add(name);
        else if (!scope.variables.has(name)) action.fail(`there is no variable $${name}`);
        nodes.push({ kind: "set", source, name, value, declares: set.declares });
      }
    }
    return { nodes };
  }

  function branch(kind: "if" | "with" | "range", action: Action, outer: Scope, depth: number): Node {
    if (depth > DEEPEST) action.fail("its blocks are too deep in each other");
    const { source } = action;
    const set = action.variables();
    if (set !== undefined && (!set.declares || set.names.length > 1 && kind !== "range")) {
      action.fail(`${kind} sets no variables like that`);
    }
    const value = action.pipeline();
    action.end();
    const variables = set?.names ?? [];
    const scope = (): Scope => ({ ...outer, variables: new Set([...outer.variables, ...variables]) });
    const { nodes: body, end } = block({ ...scope(), dotIsRoot: outer.dotIsRoot && kind === "if" }, depth);
    if (end === undefined) action.fail("it has no {{end}}");
    let otherwise: readonly Node[] = [];
    if (end.word === "else") {
      const next = end.take("name");
      if (next !== undefined) {
        const { text } = next;
        if (text !== "if" && text !== "with") return end.fail(`else ${printable(text)} means nothing`);
        // Its own end is this one's too.
        otherwise = [branch(text, end, scope(), depth + 1)];
      } else {
        end.end();
        const last = block(scope(), depth);
        if (last.end?.word !== "end") action.fail("it has no {{end}}");
        last.end.end();
        otherwise = last.nodes;
      }
    } else end.end();
    return { kind, source, value, variables, body, otherwise };
  }

  const { nodes, end } = block({ dotIsRoot: true, variables: new Set() }, 0);
  if (end !== undefined) end.fail(`there is nothing that {{${end.word}}} belongs to`);
  return nodes;
}
