/**
 * A part of a launch program that is there once and is gone to from several places.
 *
 * @module
 */
import type { ProgramBuilder, Slot, Target } from "../../ffi/program.ts";

/** Instructions with a way in and as many ways back as there are callers. */
export class Routine {
  readonly #builder: ProgramBuilder;
  readonly #entry: Target;
  readonly #caller: Slot;
  readonly #returns: Target[] = [];

  /** @param name What it does, as an infinitive without "to". */
  constructor(builder: ProgramBuilder, readonly name: string) {
    this.#builder = builder;
    this.#entry = builder.target();
    this.#caller = builder.slot("caller");
  }

  /** Goes there, and comes back to what is added next. */
  call(): void {
    const b = this.#builder;
    b.add(this.#caller, this.#returns.length, 0, `${this.name}: come back here`);
    b.goto(this.#entry, this.name);
    this.#returns.push(b.place());
  }

  /**
   * Puts it here, where nothing but its callers leads to. To be called once, when all callers are known.
   *
   * @param body Adds its instructions; is told where to go at the end, if that isn't below the last.
   */
  place(body: (back: Target) => void): void {
    const b = this.#builder;
    const back = b.target();
    b.place(this.#entry);
    body(back);
    b.place(back);
    this.#returns.forEach((target, index) => {
      b.branch(this.#caller, "==", index, target, `${this.name}: back to caller ${index}`);
    });
  }
}
