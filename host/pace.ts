/**
 * Whether several threads pay here, found out while a model runs: small models and busy machines are faster on one. Every so often, ever more
 * rarely, a few runs are made in turns on all threads and on the caller's alone, and the faster way is kept until the next time. Results are
 * the same bytes either way.
 */

/** Runs of each way in a trial: the fastest counts, so that what else the machine does does not decide. */
const TRIES = 3;
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
  readonly #fastest = { together: Number.POSITIVE_INFINITY, alone: Number.POSITIVE_INFINITY };

  /** Whether the next run is to be made on all threads. */
  get together(): boolean {
    return this.#left > 0 ? this.#together : this.#left % 2 === 0;
  }

  /** Tells how long that run took, in ms. */
  ran(ms: number): void {
    if (this.#left <= 0) {
      const way = this.together ? "together" : "alone";
      this.#fastest[way] = Math.min(this.#fastest[way], ms);
    }
    if (--this.#left > -2 * TRIES) return;
    const { together, alone } = this.#fastest;
    const before = this.#together;
    this.#together = together < alone * MARGIN;
    this.#fastest.together = this.#fastest.alone = Number.POSITIVE_INFINITY;
    this.#interval = this.#together === before ? Math.min(2 * this.#interval, LONGEST_INTERVAL) : 2 * FIRST_INTERVAL;
    this.#left = this.#interval;
  }
}
