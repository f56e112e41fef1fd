/**
 * A streamed histogram of fixed size: memory does not grow with the data.
 *
 * BINS bins of equal width cover [−R, R); R is a power of two and doubles, merging bins in pairs, when a value falls outside. Exact
 * zeros are counted apart, for they cost nothing in any quantization and there are many after a ReLU. NaN and infinities are
 * counted apart, too.
 */

const BINS = 8192;

/** A histogram as plain data. */
export interface HistogramData {
  readonly counts: Float64Array<ArrayBuffer>;
  readonly zeros: number;
  readonly notFinite: number;
  readonly min: number;
  readonly max: number;
  readonly reach: number;
}

/** The distribution of one value over all samples; the same in whatever order and by whatever parts they come. */
export class Histogram {
  /** Counts of the non-zero finite values. */
  counts = new Float64Array(BINS);
  zeros = 0;
  notFinite = 0;
  min = Infinity;
  max = -Infinity;
  /** Half of the covered range, 0 while nothing but zeros was seen. */
  private reach = 0;

  /** Adds values. */
  add(values: Float32Array): void {
    let low = this.min;
    let high = this.max;
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!;
      if (x < low) {
        if (x === -Infinity) continue;
        low = x;
      }
      if (x > high && x !== Infinity) high = x;
    }
    this.min = low;
    this.max = high;
    this.cover(Math.max(-low, high));
    const { counts, reach } = this;
    const scale = BINS / (2 * reach);
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!;
      if (x === 0) this.zeros++;
      else if (x - x !== 0) this.notFinite++;
      else {
        // The product is exact, and so the bin that which a wider range would give after merging.
        const bin = BINS / 2 + Math.floor(x * scale);
        counts[bin] = counts[bin]! + 1;
      }
    }
  }

  /** All that was counted. */
  get data(): HistogramData {
    const { counts, zeros, notFinite, min, max, reach } = this;
    return { counts, zeros, notFinite, min, max, reach };
  }

  /** Adds what another histogram counted. */
  merge(other: HistogramData): void {
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
    this.zeros += other.zeros;
    this.notFinite += other.notFinite;
    if (other.reach === 0) return;
    if (this.reach === 0) this.reach = other.reach;
    while (this.reach < other.reach) this.widen();
    const rest = new Histogram();
    rest.counts = other.counts;
    rest.reach = other.reach;
    while (rest.reach < this.reach) rest.widen();
    this.counts = this.counts.map((count, bin) => count + rest.counts[bin]!);
  }

  /** Number of finite values. */
  get total(): number {
    let n = this.zeros;
    for (const count of this.counts) n += count;
    return n;
  }

  /** The real number in the middle of a bin. */
  centre(bin: number): number {
    return ((bin + 0.5) / BINS) * 2 * this.reach - this.reach;
  }

  /** Non-empty bins, ascending: their centres and counts. */
  points(): { readonly x: Float64Array; readonly count: Float64Array } {
    const bins: number[] = [];
    for (let bin = 0; bin < BINS; bin++) if (this.counts[bin]! > 0) bins.push(bin);
    return {
      x: Float64Array.from(bins, (bin) => Math.max(this.min, Math.min(this.max, this.centre(bin)))),
      count: Float64Array.from(bins, (bin) => this.counts[bin]!),
    };
  }

  private cover(magnitude: number): void {
    if (!(magnitude > 0)) return;
    if (this.reach === 0) {
      this.reach = 2 ** -100;
      while (this.reach <= magnitude) this.reach *= 2;
    }
    while (this.reach <= magnitude) this.widen();
  }

  private widen(): void {
    const merged = new Float64Array(BINS);
    for (let bin = 0; bin < BINS; bin++) merged[BINS / 4 + (bin >> 1)]! += this.counts[bin]!;
    this.counts = merged;
    this.reach *= 2;
  }
}
