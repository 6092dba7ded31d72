/** Thrown by every assertion that doesn't hold. */
export class AssertionError extends Error {
  /** @param message What was expected and what was there. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
