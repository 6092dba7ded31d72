/**
 * A launch program in words and as syscalls, for `libflux explain`, error reports and tests.
 *
 * @module
 */
import { E } from "./abi/constants.ts";
import type { DataBlock, Instruction, LaunchProgram, Operand, Reference, SlotAddress } from "./program.ts";

const MAX_TEXT = 60;
const errnoName = (errno: number): string =>
  Object.entries(E).find(([, value]) => value === errno)?.[0] ?? `error ${errno}`;

function quote(text: string): string {
  const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return JSON.stringify(shown);
}

function block(program: LaunchProgram, data: DataBlock | undefined, offset: number): string {
  if (data === undefined) return "?";
  const at = offset === 0 ? "" : `+${offset}`;
  if (data.kind === "zeroes") return `buffer[${data.size}]${at}`;
  if (data.kind === "words") {
    return `{${
      data.words.map((word) => typeof word === "number" ? number(word) : operand(program, word)).join(", ")
    }}${at}`;
  }
  if (data.text !== undefined) return quote(data.text) + at;
  const text = new TextDecoder().decode(data.bytes);
  // deno-lint-ignore no-control-regex
  return (/^[^\x00-\x08\x0e-\x1f\ufffd]*$/.test(text) ? quote(text) : `bytes[${data.bytes.length}]`) + at;
}

const number = (value: number | bigint): string => value > 0xffff ? `0x${value.toString(16)}` : String(value);

function operand(program: LaunchProgram, value: Operand | Reference | SlotAddress): string {
  if (typeof value !== "object") return number(value);
  if (value.kind === "named") return value.text;
  if (value.kind === "slot") return `$${value.name}`;
  if (value.kind === "slotAddress") return `&$${value.slot.name}`;
  return block(program, program.data[value.block], value.offset);
}

/** One instruction as a line of pseudo-C. @param line Which line of the listing an instruction's index is on. */
function code(program: LaunchProgram, instruction: Instruction): string {
  const show = (value: Operand): string => operand(program, value);
  switch (instruction.op) {
    case "syscall": {
      if (instruction.name === "fail") return "fail";
      const result = instruction.result === undefined ? "" : `$${instruction.result.name} = `;
      const note = instruction.optional === true
        ? "  // any error is passed over"
        : instruction.tolerate === undefined
        ? ""
        : `  // ${errnoName(instruction.tolerate)} is passed over`;
      return `${result}${instruction.name}(${instruction.args.map(show).join(", ")})${note}`;
    }
    case "copy":
      return `copy ${show(instruction.width)} bytes from ${show(instruction.source)} to ${
        show(instruction.destination)
      }`;
    case "branch": {
      const target = `go to ${(program.targets[instruction.target.index] ?? 0) + 1}`;
      return instruction.condition === "always"
        ? target
        : `if ${show(instruction.a)} ${instruction.condition} ${show(instruction.b)}, ${target}`;
    }
    case "exit":
      return `exit with the wait status ${show(instruction.status)}`;
    case "add": {
      const { a, b, minus, result } = instruction;
      const sum = [a, b].filter((value) => value !== 0).map(show).join(" + ");
      return `$${result.name} = ${sum === "" ? "0" : sum}${minus === 0 ? "" : ` - ${show(minus)}`}`;
    }
    case "find": {
      const { from, limit, byte, result } = instruction;
      return `$${result.name} = find ${show(byte)} from ${show(from)} to ${show(limit)}`;
    }
  }
}

/** The whole program: each step in words, below it its instructions, numbered. */
export function listing(program: LaunchProgram): string {
  const width = String(program.instructions.length).length;
  let label = "";
  return program.instructions.map((instruction, index) => {
    const heading = instruction.label === label ? "" : `${instruction.label}\n`;
    label = instruction.label;
    return `${heading}  ${String(index + 1).padStart(width)}  ${code(program, instruction)}\n`;
  }).join("");
}
