/**
 * Stand-in for `jsr:@david/dax` where JSR can't be reached: `npm:dax` is the same author's build of the same source.
 *
 * @module
 */
export * from "npm:dax@^0.49.0";
export { default } from "npm:dax@^0.49.0";
