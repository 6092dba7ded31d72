/**
 * What libflux's own system calls are for, and what it takes for the kernel to allow them.
 *
 * @module
 */

/** A call that a kernel may refuse with EPERM. */
export interface Refusal {
  /** As an infinitive without "to". */
  readonly step: string;
  /** What to do. */
  readonly hint: string;
}

const ASK = "is libflux itself in a container? 'libflux info' tells what is missing";

const REFUSALS: Readonly<Record<string, Refusal>> = {
  clone3: { step: "make namespaces", hint: `this takes CAP_SYS_ADMIN: ${ASK}` },
  unshare: { step: "make namespaces", hint: `this takes CAP_SYS_ADMIN: ${ASK}` },
  setns: {
    step: "come back to its own network from another one",
    hint:
      "this takes CAP_SYS_ADMIN, and where that network belongs to: is libflux in a container or a user namespace? " +
      "'libflux info' tells what is missing",
  },
  ioctl: { step: "bring up lo in a new network namespace", hint: `this takes CAP_NET_ADMIN: ${ASK}` },
};

/** What a refused call was for; nothing where that can't be told. */
export function refusalOf(syscall: string): Refusal | undefined {
  return Object.hasOwn(REFUSALS, syscall) ? REFUSALS[syscall] : undefined;
}
