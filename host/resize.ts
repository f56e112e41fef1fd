/**
 * Bilinear resizing of 8-bit images, antialiased when shrinking, with the arithmetic of Pillow's `Image.resize(size, BILINEAR)`
 * (src/libImaging/Resample.c, Pillow 10): a triangle filter widened by the scale, weights as integers of 22 bits, one rounding to
 * 8 bits after the horizontal pass and one after the vertical. A pass that keeps the length is left out.
 */

/** An 8-bit image, rows from top to bottom, channels interleaved. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

const PRECISION_BITS = 22;

interface Filter {
  /** First source position of each destination position. */
  readonly first: Int32Array;
  /** How many source positions it takes. */
  readonly count: Int32Array;
  /** [length][taps] */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** Resizes to `width` × `height`. */
export function resizeBilinear(image: Pixels, width: number, height: number): Pixels {
  const { channels } = image;
  let { data } = image;
  if (width !== image.width) data = resample(data, image.height, image.width, width, channels);
  if (height !== image.height) data = resample(data, 1, image.height, height, width * channels);
  return { data, width, height, channels };
}

/** One axis of [outer][from][inner] → [outer][to][inner]. */
function resample(source: Uint8Array | Uint8ClampedArray, outer: number, from: number, to: number, inner: number): Uint8Array {
  const { first, count, weights, taps } = triangleFilter(from, to);
  const target = new Uint8Array(outer * to * inner);
  for (let o = 0; o < outer; o++) {
    for (let t = 0; t < to; t++) {
      const start = (o * from + first[t]!) * inner;
      for (let i = 0; i < inner; i++) {
        let sum = 1 << (PRECISION_BITS - 1);
        for (let k = 0; k < count[t]!; k++) sum += source[start + k * inner + i]! * weights[t * taps + k]!;
        target[(o * to + t) * inner + i] = Math.min(sum >> PRECISION_BITS, 255);
      }
    }
  }
  return target;
}

function triangleFilter(from: number, to: number): Filter {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  for (let t = 0; t < to; t++) {
    const center = (t + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    const exact = Array.from({ length: end - start }, (_, k) => Math.max(0, 1 - Math.abs((k + start - center + 0.5) * (1 / support))));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    first[t] = start;
    count[t] = end - start;
    for (const [k, weight] of exact.entries())
      weights[t * taps + k] = Math.trunc(0.5 + (sum === 0 ? weight : weight / sum) * (1 << PRECISION_BITS));
  }
  return { first, count, weights, taps };
}
