/**
 * Stand-in for `jsr:@std/cli` where JSR can't be reached.
 *
 * @module
 */
export { type Args, parseArgs, type ParseOptions } from "./parse_args.ts";
