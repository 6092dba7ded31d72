/**
 * Structures of network devices.
 *
 * @module
 */

/** `struct ifreq` (`linux/if.h`) that brings `lo` up: the name in 16 bytes, then the flags IFF_UP | IFF_RUNNING. */
export function loopbackUp(): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode("lo"));
  request[16] = 0x41;
  return request;
}
