/** Signal to quantization noise, streamed; its logarithm is the compiler's own, for decisions hang on it. */
import { log } from "../ops/mathematics.ts";

/** What a meter knows, as plain data. */
export interface NoiseSums {
  readonly signal: number;
  readonly noise: number;
  readonly largest: number;
}

/** Sums of squares of a signal and of what was added to it. */
export class NoiseMeter {
  private signal = 0;
  private noise = 0;
  private largest = 0;

  /** Compares `measured` with `reference`, element by element. */
  add(reference: ArrayLike<number>, measured: ArrayLike<number>): void {
    let signal = 0;
    let noise = 0;
    for (let i = 0; i < reference.length; i++) {
      const x = reference[i]!;
      const d = measured[i]! - x;
      signal += x * x;
      noise += d * d;
      if (Math.abs(d) > this.largest || d !== d) this.largest = Math.abs(d);
    }
    this.signal += signal;
    this.noise += noise;
  }

  /** Compares int8 values, (q − zeroPoint)·scale, with `reference`. */
  addQuantized(reference: Float32Array, measured: Int8Array, scale: number, zeroPoint: number): void {
    let signal = 0;
    let noise = 0;
    let largest = this.largest;
    for (let i = 0; i < reference.length; i++) {
      const x = reference[i]!;
      const d = (measured[i]! - zeroPoint) * scale - x;
      signal += x * x;
      noise += d * d;
      if (d > largest || -d > largest) largest = Math.abs(d);
    }
    this.largest = largest;
    this.signal += signal;
    this.noise += noise;
  }

  /** What was measured so far. */
  get sums(): NoiseSums {
    return { signal: this.signal, noise: this.noise, largest: this.largest };
  }

  /** Adds what another meter measured. */
  addSums({ signal, noise, largest }: NoiseSums): void {
    this.signal += signal;
    this.noise += noise;
    if (largest > this.largest || largest !== largest) this.largest = largest;
  }

  /** 10·log10(Σx² / Σ(y − x)²) in dB; 200 where both are equal, −200 where nothing is left. */
  get sqnrDb(): number {
    if (this.noise === 0) return 200;
    if (!(this.signal > 0) || !Number.isFinite(this.noise)) return -200;
    return Math.max(-200, Math.min(200, (10 / Math.LN10) * log(this.signal / this.noise)));
  }

  /** Largest |y − x|. */
  get maxAbs(): number {
    return this.largest;
  }
}
