/**
 * Templates in Go's notation, as docker and podman have them: `{{.Name}} {{range .Ports}}{{.}} {{end}}`. Pure.
 *
 * What comes from outside is shown so that it can't drive a terminal; what the template's author wrote is shown as it is.
 *
 * @module
 */
import { printable, UsageError } from "./errors.ts";
import { FUNCTIONS, isTrue, kindOf, raw, show, Shown, TemplateError } from "./template/functions.ts";
import { type Expression, type Node, parse } from "./template/parse.ts";

/** A template that was read: makes a text of a value. Throws a `UsageError` where the value isn't as the template has it. */
export type Template = (value: unknown) => string;

/** What is known of the values that a template will be given. */
export interface TemplateOptions {
  /** Their fields: others are refused when the template is read, names in other case are taken for these. */
  readonly fields?: readonly string[];
}

/** Variables, the innermost block's first. */
type Variables = { readonly own: Map<string, unknown>; readonly outer?: Variables };

function holder(variables: Variables | undefined, name: string): Map<string, unknown> | undefined {
  return variables === undefined || variables.own.has(name) ? variables?.own : holder(variables.outer, name);
}

/** A field of a value, as its methods have it: with its own name, or in other case where that isn't there. */
function field(value: unknown, name: string): unknown {
  const from = raw(value);
  if (from === undefined || from === null) throw new TemplateError(`nothing has no field ${printable(name)}`);
  if (typeof from !== "object" || Array.isArray(from)) {
    throw new TemplateError(`${kindOf(from)} has no field ${printable(name)}`);
  }
  // Not copied: a field may be a getter, for what isn't asked for where it isn't shown.
  const object: Readonly<Record<string, unknown>> = from as Record<string, unknown>;
  if (Object.hasOwn(object, name)) return object[name];
  const other = Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase());
  return other === undefined ? undefined : object[other];
}

class Execution {
  /** @param root What `$` is. */
  constructor(readonly root: unknown) {}

  value(expression: Expression, dot: unknown, variables: Variables): unknown {
    switch (expression.kind) {
      case "literal":
        return typeof expression.value === "string" ? new Shown(expression.value) : expression.value;
      case "call": {
        // Go stops at the first that decides.
        const { name } = expression;
        if (name === "and" || name === "or") {
          let last: unknown;
          for (const arg of expression.args) {
            last = this.value(arg, dot, variables);
            if (isTrue(last) === (name === "or")) break;
          }
          return last;
        }
        return FUNCTIONS[name]?.call(...expression.args.map((arg) => this.value(arg, dot, variables)));
      }
      case "chain": {
        const { of, fields, args } = expression;
        const first = of === "dot"
          ? dot
          : !("variable" in of)
          ? this.value(of, dot, variables)
          : of.variable === ""
          ? this.root
          : holder(variables, of.variable)?.get(of.variable);
        const given = args.map((arg) => raw(this.value(arg, dot, variables)));
        return fields.reduce((value, name, index) => {
          const found = field(value, name);
          const last = index === fields.length - 1;
          if (typeof found === "function") return found(...(last ? given : []));
          if (last && given.length > 0) throw new TemplateError(`the field ${printable(name)} takes no arguments`);
          return found;
        }, first);
      }
    }
  }

  run(nodes: readonly Node[], dot: unknown, variables: Variables): string {
    let text = "";
    for (const node of nodes) {
      if (node.kind === "text") text += node.text;
      else text += this.#node(node, dot, variables);
    }
    return text;
  }

  #node(node: Exclude<Node, { kind: "text" }>, dot: unknown, variables: Variables): string {
    let value: unknown;
    try {
      value = this.value(node.value, dot, variables);
    } catch (cause) {
      if (!(cause instanceof TemplateError)) throw cause;
      throw new UsageError(`the template can't be filled in at ${printable(node.source)}: ${cause.message}`, { cause });
    }
    switch (node.kind) {
      case "show":
        return show(value);
      case "set":
        (node.declares ? variables.own : holder(variables, node.name))?.set(node.name, value);
        return "";
      case "range":
        return this.#range(node, value, dot, variables);
      default: {
        const inner: Variables = { own: new Map(node.variables.map((name) => [name, value])), outer: variables };
        if (!isTrue(value)) return this.run(node.otherwise, dot, inner);
        return this.run(node.body, node.kind === "with" ? value : dot, inner);
      }
    }
  }

  #range(
    node: Node & { readonly kind: "if" | "with" | "range" },
    value: unknown,
    dot: unknown,
    outer: Variables,
  ): string {
    const list = raw(value);
    if (list !== undefined && list !== null && typeof list !== "object") {
      throw new UsageError(
        `the template can't be filled in at ${printable(node.source)}: range takes a list or an object, not ${
          kindOf(list)
        }`,
      );
    }
    const entries: (readonly [unknown, unknown])[] = Array.isArray(list)
      ? list.map((one, index) => [index, one] as const)
      : Object.entries(list ?? {}).toSorted(([a], [b]) => a < b ? -1 : 1);
    if (entries.length === 0) return this.run(node.otherwise, dot, { own: new Map(), outer });
    return entries.map(([key, one]) => {
      const [first, second] = node.variables;
      const own = new Map<string, unknown>();
      if (first !== undefined) own.set(first, second === undefined ? one : key);
      if (second !== undefined) own.set(second, one);
      return this.run(node.body, one, { own, outer });
    }).join("");
  }
}

/** A template as it was typed: what a shell leaves of `\\t` and `\\n` is meant as a tab and a new line, as docker has it. */
export function typed(template: string): string {
  return template.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

/** Reads a template. Throws a `UsageError` that shows where it can't be read, and why. */
export function readTemplate(template: string, { fields }: TemplateOptions = {}): Template {
  const isField = (name: string): boolean => fields?.some((one) => one.toLowerCase() === name.toLowerCase()) === true;
  const onField = (name: string, source: string): void => {
    if (fields === undefined || isField(name)) return;
    throw new UsageError(`there is no field ${printable(name)}, which the template has in ${printable(source)}`, {
      hint: `use ${fields.map((one) => `{{.${one}}}`).join(" ")}`,
    });
  };
  const nodes = parse(template, { isField, onField });
  return (value) => new Execution(value).run(nodes, value, { own: new Map() });
}
