/**
 * Whether several threads pay here, found out while a model runs: small models and busy machines are faster on one. Every so often, ever more
 * rarely, a few runs are made in turns on all threads and on the caller's alone, and the faster way is kept until the next time. Results are
 * the same bytes either way.
 */

/** Runs of each way in a trial: the median counts, neither the luckiest run nor one that something else came in between. */
const TRIES = 5;
/** Runs before the first trial, while the engine still compiles; each trial that changes nothing doubles it, up to the most. */
const FIRST_INTERVAL = 8;
const LONGEST_INTERVAL = 2048;
/** All threads have to win by this much: they take the processor from others. */
const MARGIN = 0.98;

/** Decides run by run. */
export class Pace {
  #together = true;
  #interval = FIRST_INTERVAL;
  /** Runs until the trial; in a trial 0 and below. */
  #left = FIRST_INTERVAL;
  readonly #tried: { readonly together: number[]; readonly alone: number[] } = { together: [], alone: [] };

  /** Whether the next run is to be made on all threads. */
  get together(): boolean {
    return this.#left > 0 ? this.#together : this.#left % 2 === 0;
  }

  /** Tells how long that run took, in ms. */
  ran(ms: number): void {
    if (this.#left <= 0) this.#tried[this.together ? "together" : "alone"].push(ms);
    if (--this.#left > -2 * TRIES) return;
    const { together, alone } = this.#tried;
    const before = this.#together;
    this.#together = median(together) < median(alone) * MARGIN;
    together.length = alone.length = 0;
    this.#interval = this.#together === before ? Math.min(2 * this.#interval, LONGEST_INTERVAL) : 2 * FIRST_INTERVAL;
    this.#left = this.#interval;
  }
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}
