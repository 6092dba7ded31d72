/**
 * The launch program: syscalls with labels, built by TypeScript, run by the interpreter of `routines/`.
 *
 * A program is data until it is linked (`link.ts`), so it can be listed (`listing.ts`), tested and compared without a
 * kernel.
 *
 * @module
 */
import type { Named } from "./abi/constants.ts";
import type { Architecture, SyscallName } from "./abi/syscalls.ts";

/** Eight bytes that hold a result. As an operand it stands for the value in it. */
export interface Slot {
  readonly kind: "slot";
  readonly index: number;
  readonly name: string;
}

/** A place in the program's own data. As an operand it stands for its address. */
export interface Reference {
  readonly kind: "reference";
  readonly block: number;
  readonly offset: number;
}

/** Where a branch goes; placed by {@link ProgramBuilder.place}. */
export interface Target {
  readonly kind: "target";
  readonly index: number;
}

/** The address of a slot, for syscalls that write into it. */
export interface SlotAddress {
  readonly kind: "slotAddress";
  readonly slot: Slot;
}

/** What an instruction may be given. */
export type Operand = number | bigint | Named | Slot | Reference | SlotAddress;

/** What an instruction is to its reader: all of it ends up in an error message or a listing. */
export interface Meaning {
  /** In the user's words, as an infinitive without "to": "mount proc on /proc". */
  readonly label: string;
  /** The path that it is about, where there is one. */
  readonly path?: string;
  /** Where in the spec it came from: "mounts[0]". */
  readonly field?: string;
  /** What to do when it fails. */
  readonly hint?: string;
  /** Marks the instruction by what it does, for errors that need more than words. */
  readonly role?: "execve" | "notFound";
}

/** `result = name(args)`; an error ends the program unless it is tolerated. */
export interface SyscallInstruction extends Meaning {
  readonly op: "syscall";
  readonly name: SyscallName;
  readonly args: readonly Operand[];
  readonly result?: Slot;
  /** Any error is passed over. */
  readonly optional?: boolean;
  /** This one errno is passed over. */
  readonly tolerate?: number;
}

/** A place in memory: of the program's data, or at the address that a slot holds. */
export type Place = Reference | SlotAddress | Slot;

/** Copies `width` bytes, the first one first: also to a place before, of which the old bytes are part. */
export interface CopyInstruction extends Meaning {
  readonly op: "copy";
  readonly destination: Place;
  readonly source: Place;
  readonly width: Operand;
}

/** Comparisons of {@link BranchInstruction}, signed, 64 bits. */
export type Condition = "<" | "==" | ">" | "!=" | "<=" | ">=" | "always";

/** Goes on at `target` when `a condition b`. */
export interface BranchInstruction extends Meaning {
  readonly op: "branch";
  readonly condition: Condition;
  readonly a: Operand;
  readonly b: Operand;
  readonly target: Target;
}

/** Ends the process as a wait status says: its code, or 128 + its signal. */
export interface ExitInstruction extends Meaning {
  readonly op: "exit";
  readonly status: Operand;
}

/** `result = a + b - minus`, of 64 bits: what is left of a buffer that was written in part has no other way to be known. */
export interface AddInstruction extends Meaning {
  readonly op: "add";
  readonly a: Operand;
  readonly b: Operand;
  readonly minus: Operand;
  readonly result: Slot;
}

/** The address of the first such byte from an address on, or `limit`: daemons take a log by the line. */
export interface FindInstruction extends Meaning {
  readonly op: "find";
  readonly from: Operand;
  readonly limit: Operand;
  readonly byte: Operand;
  readonly result: Slot;
}

/** One of the six instructions. */
export type Instruction =
  | SyscallInstruction
  | CopyInstruction
  | BranchInstruction
  | ExitInstruction
  | AddInstruction
  | FindInstruction;

/** A piece of the program's data. */
export type DataBlock =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer>; readonly text?: string }
  | { readonly kind: "words"; readonly words: readonly (Reference | number)[] }
  | { readonly kind: "zeroes"; readonly size: number };

/** A finished program. */
export interface LaunchProgram {
  readonly architecture: Architecture;
  readonly instructions: readonly Instruction[];
  readonly data: readonly DataBlock[];
  readonly slots: number;
  /** For each target the index of the instruction it stands before. */
  readonly targets: readonly number[];
}

const encoder = new TextEncoder();

/** Collects instructions and data in order. */
export class ProgramBuilder {
  readonly #instructions: Instruction[] = [];
  readonly #data: DataBlock[] = [];
  readonly #strings = new Map<string, Reference>();
  readonly #targets: number[] = [];
  #slots = 0;

  constructor(readonly architecture: Architecture) {}

  /** A new slot, holding 0 until a result is stored. @param name How the listing calls it. */
  slot(name: string): Slot {
    return { kind: "slot", index: this.#slots++, name };
  }

  /** A C string; the same text is stored once. Throws a `TypeError` on a NUL inside. */
  string(text: string): Reference {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) throw new TypeError("a NUL byte can't be passed to the kernel");
    const reference = this.#add({ kind: "bytes", bytes: encoder.encode(text + "\0"), text });
    this.#strings.set(text, reference);
    return reference;
  }

  /** Bytes that the program may also write to. */
  bytes(bytes: Uint8Array<ArrayBuffer>): Reference {
    return this.#add({ kind: "bytes", bytes });
  }

  /** A zeroed buffer of `size` bytes; takes no room in the image's file. */
  buffer(size: number): Reference {
    return this.#add({ kind: "zeroes", size });
  }

  /** A NULL-terminated array of C strings, such as `argv`. */
  strings(texts: readonly string[]): Reference {
    return this.words([...texts.map((text) => this.string(text)), 0]);
  }

  /** An array of 64-bit words; a reference stands for its address. */
  words(words: readonly (Reference | number)[]): Reference {
    return this.#add({ kind: "words", words });
  }

  /** The same place, `offset` bytes on. */
  at(reference: Reference, offset: number): Reference {
    return { ...reference, offset: reference.offset + offset };
  }

  /** A slot's own address. */
  addressOf(slot: Slot): SlotAddress {
    return { kind: "slotAddress", slot };
  }

  /** Adds a syscall. */
  syscall(
    name: SyscallName,
    args: readonly Operand[],
    meaning: Meaning & Pick<SyscallInstruction, "result" | "optional" | "tolerate">,
  ): void {
    this.#instructions.push({ op: "syscall", name, args, ...meaning });
  }

  /** Adds a syscall whose result is kept; returns the slot. */
  call(
    name: SyscallName,
    args: readonly Operand[],
    resultName: string,
    meaning: Meaning & Pick<SyscallInstruction, "optional" | "tolerate">,
  ): Slot {
    const result = this.slot(resultName);
    this.syscall(name, args, { ...meaning, result });
    return result;
  }

  /** Adds a copy. */
  copy(destination: Place, source: Place, width: Operand, label: string): void {
    this.#instructions.push({ op: "copy", destination, source, width, label });
  }

  /** Adds `result = a + b - minus`. */
  add(result: Slot, a: Operand, b: Operand, label: string, minus: Operand = 0): void {
    this.#instructions.push({ op: "add", a, b, minus, result, label });
  }

  /** Adds a search: `result` becomes the address of the first such byte from one address to before another, or that. */
  find(result: Slot, byte: Operand, from: Operand, limit: Operand, label: string): void {
    this.#instructions.push({ op: "find", from, limit, byte, result, label });
  }

  /** A target that is placed later. */
  target(): Target {
    this.#targets.push(-1);
    return { kind: "target", index: this.#targets.length - 1 };
  }

  /** Puts a target before the next instruction; returns it. */
  place(target: Target = this.target()): Target {
    this.#targets[target.index] = this.#instructions.length;
    return target;
  }

  /** Adds a branch. */
  branch(a: Operand, condition: Condition, b: Operand, target: Target, label: string): void {
    this.#instructions.push({ op: "branch", condition, a, b, target, label });
  }

  /** Adds an unconditional branch. */
  goto(target: Target, label: string): void {
    this.branch(0, "always", 0, target, label);
  }

  /** Ends with a decoded wait status. */
  exit(status: Operand, label: string): void {
    this.#instructions.push({ op: "exit", status, label });
  }

  /** Goes on only if `a condition b`, and fails with this meaning otherwise (as an impossible syscall: ENOSYS). */
  require(a: Operand, condition: Condition, b: Operand, meaning: Meaning): void {
    const held = this.target();
    this.branch(a, condition, b, held, `check: ${meaning.label}`);
    this.syscall("fail", [], meaning);
    this.place(held);
  }

  /** The program; throws where a target was never placed. */
  build(): LaunchProgram {
    if (this.#targets.includes(-1)) throw new Error("a branch target was never placed");
    return {
      architecture: this.architecture,
      instructions: this.#instructions,
      data: this.#data,
      slots: this.#slots,
      targets: this.#targets,
    };
  }

  #add(block: DataBlock): Reference {
    this.#data.push(block);
    return { kind: "reference", block: this.#data.length - 1, offset: 0 };
  }
}
