/**
 * The files of a container's directory that more than one program has to do with.
 *
 * @module
 */

/** Written by the monitor: how the container has ended. There, and zeroes, from the beginning. */
export const EXIT_FILE = "exit";
/** Where in it what is, and how long it is: words of 64 bits, but for the report. */
export const EXIT = { reportSize: 0, report: 8, status: 24, seconds: 32, nanoseconds: 40, size: 48 } as const;
/**
 * Locked by who ends the container, and cleans up after it in the monitor's place: it isn't to start again by itself. Of no
 * meaning once that has gone.
 */
export const STOPPING_FILE = "stopping";
/** The monitor's socket: who connects is given the command's input, or its terminal. */
export const ATTACH_SOCKET = "attach";
