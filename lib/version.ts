/**
 * The version of libflux.
 *
 * @module
 */

/** As in `deno.json`; a test keeps the two equal. */
export const VERSION = "0.1.0";
