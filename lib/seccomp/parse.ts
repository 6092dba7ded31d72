/**
 * Reads a profile in docker's and podman's JSON format. Strict: a mistyped word would be a rule less.
 *
 * @module
 */
import { printable, UsageError } from "../errors.ts";
import type { Circumstances, Profile, ProfileRule } from "./profile.ts";
import {
  ACTIONS,
  ARCHITECTURES,
  FLAGS,
  OPERATORS,
  type SeccompAction,
  type SeccompArchitecture,
  type SeccompArgument,
  type SeccompFlag,
} from "./types.ts";

/** ABIs of machines that libflux doesn't run on: named in profiles, and never used. */
const FOREIGN = new Set(
  "MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB"
    .split(" ").map((name) => `SCMP_ARCH_${name}`),
);
/** `MAX_ERRNO`, `linux/err.h`: a filter can make calls fail with nothing above it. */
const MAX_ERRNO = 4095;

/** What is where in which file. */
class Reader {
  constructor(readonly file: string) {}

  /** Throws: what is wrong at a place. */
  fail(where: string, what: string, hint?: string): never {
    const place = where === "" ? "" : ` at ${where}`;
    throw new UsageError(`the seccomp profile ${printable(this.file)} is wrong${place}: ${what}`, {
      path: this.file,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** The fields of an object. Null stands for a field that isn't there. */
  fields(value: unknown, where: string, known: readonly string[]): ReadonlyMap<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail(where, "there must be an object", undefined);
    }
    const fields = new Map(Object.entries(value).filter(([, field]) => field !== null));
    for (const key of fields.keys()) {
      if (key !== "comment" && !known.includes(key)) {
        this.fail(where, `"${printable(key)}" is no field of the format`, `it has ${known.join(", ")}`);
      }
    }
    return fields;
  }

  /** The elements of an array, each as `read` takes it; none where it isn't there. */
  list<T>(value: unknown, where: string, read: (value: unknown, where: string) => T): T[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) this.fail(where, "there must be an array");
    return value.map((one, index) => read(one, `${where}[${index}]`));
  }

  text(value: unknown, where: string): string {
    if (typeof value !== "string" || value === "") this.fail(where, "there must be a text");
    return value;
  }

  choice<T extends string>(value: unknown, where: string, what: string, choices: readonly T[]): T {
    const text = this.text(value, where);
    const found = choices.find((one) => one === text);
    if (found === undefined) {
      this.fail(where, `there is no ${what} "${printable(text)}"`, `there are ${choices.join(", ")}`);
    }
    return found;
  }

  whole(value: unknown, where: string, most: bigint): number | bigint {
    if (
      typeof value !== "bigint" && !Number.isSafeInteger(value) || (value as bigint) < 0n || (value as bigint) > most
    ) {
      this.fail(where, `there must be a whole number from 0 to ${most}`);
    }
    return value as number | bigint;
  }

  optionalErrno(value: unknown, where: string): number | undefined {
    return value === undefined ? undefined : Number(this.whole(value, where, BigInt(MAX_ERRNO)));
  }

  action(value: unknown, where: string): SeccompAction {
    if (value === "SCMP_ACT_NOTIFY") {
      this.fail(where, "SCMP_ACT_NOTIFY leaves calls to another process, and libflux has none", "use another action");
    }
    return this.choice(value, where, "action", Object.keys(ACTIONS) as SeccompAction[]);
  }

  architecture(value: unknown, where: string): SeccompArchitecture | undefined {
    if (typeof value === "string" && FOREIGN.has(value)) return undefined;
    return this.choice(value, where, "architecture", ARCHITECTURES);
  }

  argument(value: unknown, where: string): SeccompArgument {
    const fields = this.fields(value, where, ["index", "value", "valueTwo", "op"]);
    const most = 2n ** 64n - 1n;
    return {
      index: Number(this.whole(fields.get("index"), `${where}.index`, 5n)),
      value: this.whole(fields.get("value"), `${where}.value`, most),
      valueTwo: this.whole(fields.get("valueTwo") ?? 0, `${where}.valueTwo`, most),
      op: this.choice(fields.get("op"), `${where}.op`, "comparison", OPERATORS),
    };
  }

  circumstances(value: unknown, where: string): Circumstances | undefined {
    if (value === undefined) return undefined;
    const fields = this.fields(value, where, ["caps", "arches", "minKernel"]);
    const minKernel = fields.get("minKernel");
    if (minKernel !== undefined && !(typeof minKernel === "string" && /^\d{1,6}\.\d{1,6}$/.test(minKernel))) {
      this.fail(`${where}.minKernel`, "there must be a kernel's version", 'write it as "4.8"');
    }
    const capability = (one: unknown, where: string): string => {
      const name = this.text(one, where);
      if (!/^CAP_[A-Z_]+$/.test(name)) this.fail(where, `there is no capability "${printable(name)}"`);
      return name;
    };
    return {
      caps: this.list(fields.get("caps"), `${where}.caps`, capability),
      arches: this.list(fields.get("arches"), `${where}.arches`, (one, where) => this.text(one, where)),
      ...(typeof minKernel === "string" ? { minKernel } : {}),
    };
  }

  rule(value: unknown, where: string): ProfileRule {
    // podman gives errors by name too, for people: "errno": "EPERM" beside "errnoRet": 1.
    const known = ["names", "name", "action", "errnoRet", "errno", "args", "includes", "excludes"];
    const fields = this.fields(value, where, known);
    const names = this.list(fields.get("names"), `${where}.names`, (one, where) => this.text(one, where));
    const name = fields.get("name");
    if (name !== undefined && name !== "") names.push(this.text(name, `${where}.name`));
    if (names.length === 0) this.fail(where, "the rule names no call", 'write "names": ["…"]');
    const errnoRet = this.optionalErrno(fields.get("errnoRet"), `${where}.errnoRet`);
    const args = this.list(fields.get("args"), `${where}.args`, (one, where) => this.argument(one, where));
    const includes = this.circumstances(fields.get("includes"), `${where}.includes`);
    const excludes = this.circumstances(fields.get("excludes"), `${where}.excludes`);
    return {
      names,
      action: this.action(fields.get("action"), `${where}.action`),
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args.length === 0 ? {} : { args }),
      ...(includes === undefined ? {} : { includes }),
      ...(excludes === undefined ? {} : { excludes }),
    };
  }

  profile(value: unknown): Profile {
    const fields = this.fields(value, "", [
      "defaultAction",
      "defaultErrnoRet",
      "defaultErrno",
      "architectures",
      "archMap",
      "flags",
      "syscalls",
    ]);
    const architectures = fields.get("architectures");
    const archMap = fields.get("archMap");
    if (Array.isArray(architectures) && architectures.length > 0 && Array.isArray(archMap) && archMap.length > 0) {
      this.fail("architectures", "the profile has an archMap too", "leave one of the two out");
    }
    const defaultErrnoRet = this.optionalErrno(fields.get("defaultErrnoRet"), "defaultErrnoRet");
    return {
      defaultAction: this.action(fields.get("defaultAction"), "defaultAction"),
      ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
      architectures: this.list(architectures, "architectures", (one, where) => this.architecture(one, where)),
      archMap: this.list(archMap, "archMap", (one, where) => {
        const entry = this.fields(one, where, ["architecture", "subArchitectures"]);
        return {
          architecture: this.architecture(entry.get("architecture"), `${where}.architecture`),
          subArchitectures: this.list(
            entry.get("subArchitectures"),
            `${where}.subArchitectures`,
            (one, where) => this.architecture(one, where),
          ),
        };
      }),
      flags: this.list(
        fields.get("flags"),
        "flags",
        (one, where) => this.choice(one, where, "flag", Object.keys(FLAGS) as SeccompFlag[]),
      ),
      syscalls: this.list(fields.get("syscalls"), "syscalls", (one, where) => this.rule(one, where)),
    };
  }
}

/** Reads a profile. Throws a `UsageError` that says in one sentence where in the file what is wrong. */
export function parseProfile(text: string, file: string): Profile {
  const reader = new Reader(file);
  let value: unknown;
  try {
    // Above 2^53 JSON.parse would round: the text of the number is what counts.
    value = JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
      const source = context?.source;
      if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
      return /^-?\d+$/.test(source) ? BigInt(source) : value;
    });
  } catch (error) {
    const why = error instanceof Error ? printable(error.message) : "it can't be parsed";
    throw new UsageError(`the seccomp profile ${printable(file)} is no JSON: ${why}`, { path: file, cause: error });
  }
  return reader.profile(value);
}
