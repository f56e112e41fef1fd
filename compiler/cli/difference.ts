/**
 * How far one list of numbers is from another, added up over any number of pieces.
 *
 *   SQNR = 10 · log10(Σ reference² / Σ (reference − value)²) dB
 */
import type { Scores } from "../report/classes.ts";

/** SQNR of numbers that are all equal, in place of infinity, which JSON lacks; minus that where nothing agrees. */
export const SQNR_LIMIT_DB = 300;

/** Sums that grow. */
export class Difference {
  #signal = 0;
  #noise = 0;
  #broken = false;
  #maxAbs = 0;

  /** Adds a piece; both of the same length. Where both are NaN, or the same infinity, they agree. */
  add(reference: Scores, values: Scores): void {
    for (let i = 0; i < reference.length; i++) {
      const wanted = Number(reference[i]);
      const got = Number(values[i]);
      if (Object.is(wanted, got) || wanted === got) {
        if (Number.isFinite(wanted)) this.#signal += wanted * wanted;
        continue;
      }
      const error = Math.abs(wanted - got);
      if (!Number.isFinite(error)) {
        this.#broken = true;
        continue;
      }
      this.#signal += wanted * wanted;
      this.#noise += error * error;
      if (error > this.#maxAbs) this.#maxAbs = error;
    }
  }

  /** In dB, within ±SQNR_LIMIT_DB; the lower limit where a number is missing or infinite on one side only. */
  get sqnrDb(): number {
    if (this.#broken) return -SQNR_LIMIT_DB;
    if (this.#noise === 0) return SQNR_LIMIT_DB;
    if (this.#signal === 0) return -SQNR_LIMIT_DB;
    return Math.max(-SQNR_LIMIT_DB, Math.min(SQNR_LIMIT_DB, 10 * Math.log10(this.#signal / this.#noise)));
  }

  /** The largest |reference − value|; null where a number is missing or infinite on one side only. */
  get maxAbs(): number | null {
    return this.#broken ? null : this.#maxAbs;
  }
}
