/**
 * The format of an encoded instruction, for those who write it and those who read it.
 *
 * @module
 */

/** Bytes of an encoded instruction. */
export const INSTRUCTION_SIZE = 72;
