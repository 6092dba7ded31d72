/**
 * The format of an encoded instruction, for those who write it and those who read it.
 *
 * @module
 */

/** Bytes of an encoded instruction. */
export const INSTRUCTION_SIZE = 72;

/** Bytes of a call in a block of the sequence: number, six arguments, where to put the result. */
export const SEQUENCE_CALL_SIZE = 64;
