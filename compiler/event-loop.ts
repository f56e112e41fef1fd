/**
 * Turns of the surrounding event loop in the midst of long work: Ctrl-C, a tab's clicks and the abort of a signal wait for one.
 */

/** Longest stretch of work between two turns. */
const BUSY_MS = 50;

/** To be awaited between pieces of work. Throws the signal's reason once it is aborted. */
export type Pause = () => Promise<void>;

/** A pause that gives the event loop its turn the first time and where the last turn is 50 ms ago, and costs next to nothing otherwise. */
export function createPause(signal: AbortSignal | undefined): Pause {
  let lastTurn = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - lastTurn >= BUSY_MS) {
      await turn();
      lastTurn = performance.now();
    }
    signal?.throwIfAborted();
  };
}

/** One turn. Messages, unlike timers, are not held back in a tab that is out of sight. */
function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
