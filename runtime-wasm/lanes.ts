/**
 * Rows of float64 that have nothing to do with each other, LANES of them side by side, [size][LANES], so that what they are all multiplied by is read
 * once.
 */

/** Rows side by side: eight vectors. */
export const LANES: i32 = 16;
export const LANE_BYTES: usize = 128;

/** Adds Σ left[k]·row[k] over k from `from` up to `to` to the sums of LANES: `left` is [·][LANES]. */
export function accumulate(sums: usize, left: usize, row: usize, from: i32, to: i32): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let s2 = v128.load(sums, 32);
  let s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64);
  let s5 = v128.load(sums, 80);
  let s6 = v128.load(sums, 96);
  let s7 = v128.load(sums, 112);
  let p = left + <usize>from * LANE_BYTES;
  const end = row + ((<usize>to) << 3);
  for (let r = row + ((<usize>from) << 3); r < end; r += 8) {
    const x = v128.load64_splat(r);
    s0 = f64x2.add(s0, f64x2.mul(v128.load(p), x));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(p, 16), x));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(p, 32), x));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(p, 48), x));
    s4 = f64x2.add(s4, f64x2.mul(v128.load(p, 64), x));
    s5 = f64x2.add(s5, f64x2.mul(v128.load(p, 80), x));
    s6 = f64x2.add(s6, f64x2.mul(v128.load(p, 96), x));
    s7 = f64x2.add(s7, f64x2.mul(v128.load(p, 112), x));
    p += LANE_BYTES;
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
  v128.store(sums, s4, 64);
  v128.store(sums, s5, 80);
  v128.store(sums, s6, 96);
  v128.store(sums, s7, 112);
}

/** Lays `count` rows of `size` side by side, the lanes behind them 0. */
export function interleave(rows: usize, count: i32, size: i32, into: usize): void {
  for (let b = 0; b < LANES; b++) {
    let to = into + ((<usize>b) << 3);
    const from = rows + ((<usize>(b * size)) << 3);
    for (let k = 0; k < size; k++) {
      store<f64>(to, b < count ? load<f64>(from + ((<usize>k) << 3)) : 0);
      to += LANE_BYTES;
    }
  }
}

export function separate(lanes: usize, count: i32, size: i32, rows: usize): void {
  for (let b = 0; b < count; b++) {
    let from = lanes + ((<usize>b) << 3);
    const to = rows + ((<usize>(b * size)) << 3);
    for (let k = 0; k < size; k++) {
      store<f64>(to + ((<usize>k) << 3), load<f64>(from));
      from += LANE_BYTES;
    }
  }
}
