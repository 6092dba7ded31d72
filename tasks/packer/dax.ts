/**
 * The second bundle of a packed libflux: all of dax, in whatever way it is imported by name.
 *
 * @module
 */
export * from "@david/dax";
export { default } from "@david/dax";
