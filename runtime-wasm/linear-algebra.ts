/**
 * The linear algebra of compiling, in float64: a module of its own, which only the compiler carries. The caller lays out the memory.
 *
 * Sums are in fixed order, of + − × ÷ and square roots alone: the same bits on every engine. Side by side are rows that have nothing to do with
 * each other, LANES of them, [size][LANES], so that what they are all multiplied by is read once.
 */

/** Rows side by side: eight vectors. */
const LANES: i32 = 16;
const LANE_BYTES: usize = 128;
/** Scales that are tried for a row. */
const TRIED: i32 = 4;

/** Adds Σ left[k]·row[k] over k from `from` up to `to` to the sums of LANES: `left` is [·][LANES]. */
function accumulate(sums: usize, left: usize, row: usize, from: i32, to: i32): void {
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
function interleave(rows: usize, count: i32, size: i32, into: usize): void {
  for (let b = 0; b < LANES; b++) {
    let to = into + ((<usize>b) << 3);
    const from = rows + ((<usize>(b * size)) << 3);
    for (let k = 0; k < size; k++) {
      store<f64>(to, b < count ? load<f64>(from + ((<usize>k) << 3)) : 0);
      to += LANE_BYTES;
    }
  }
}

function separate(lanes: usize, count: i32, size: i32, rows: usize): void {
  for (let b = 0; b < count; b++) {
    let from = lanes + ((<usize>b) << 3);
    const to = rows + ((<usize>(b * size)) << 3);
    for (let k = 0; k < size; k++) {
      store<f64>(to + ((<usize>k) << 3), load<f64>(from));
      from += LANE_BYTES;
    }
  }
}

/**
 * The factor R of a symmetric matrix H = R·Rᵀ, [size][size]: R to `upper`, Rᵀ to `lower`, both 0 beforehand. Returns 0 where H is not positive
 * definite, else 1.
 */
export function factor(matrix: usize, size: i32, upper: usize, lower: usize): i32 {
  const pitch = (<usize>size) << 3;
  for (let j = size - 1; j >= 0; j--) {
    const row = upper + <usize>j * pitch;
    const column = (<usize>j) << 3;
    const behind = column + 8;
    let pivot = load<f64>(matrix + <usize>j * pitch + column);
    for (let at = row + behind, end = row + pitch; at < end; at += 8) {
      const r = load<f64>(at);
      pivot -= r * r;
    }
    if (!(pivot > 0)) return 0;
    const diagonal = Math.sqrt(pivot);
    store<f64>(row + column, diagonal);
    store<f64>(lower + <usize>j * pitch + column, diagonal);
    const transposed = lower + <usize>j * pitch;
    let i = 0;
    for (; i + 4 <= j; i += 4) dotRows(upper + <usize>i * pitch + behind, pitch, row + behind, size - j - 1, transposed + ((<usize>i) << 3));
    for (; i < j; i++) store<f64>(transposed + ((<usize>i) << 3), dotRow(upper + <usize>i * pitch + behind, row + behind, size - j - 1));
    for (i = 0; i < j; i++) {
      const at = <usize>i * pitch + column;
      const value = (load<f64>(matrix + at) - load<f64>(transposed + ((<usize>i) << 3))) / diagonal;
      store<f64>(upper + at, value);
      store<f64>(transposed + ((<usize>i) << 3), value);
    }
  }
  return 1;
}

/** Products of four rows, `pitch` bytes apart, with one, each in four sums, to dst[4]. */
function dotRows(a: usize, pitch: usize, b: usize, count: i32, dst: usize): void {
  const p1 = pitch;
  const p2 = pitch << 1;
  const p3 = p1 + p2;
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let t0 = s0;
  let t1 = s0;
  let t2 = s0;
  let t3 = s0;
  let left = count;
  for (; left >= 4; left -= 4) {
    const x = v128.load(b);
    const y = v128.load(b, 16);
    s0 = f64x2.add(s0, f64x2.mul(v128.load(a), x));
    t0 = f64x2.add(t0, f64x2.mul(v128.load(a, 16), y));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(a + p1), x));
    t1 = f64x2.add(t1, f64x2.mul(v128.load(a + p1, 16), y));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(a + p2), x));
    t2 = f64x2.add(t2, f64x2.mul(v128.load(a + p2, 16), y));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(a + p3), x));
    t3 = f64x2.add(t3, f64x2.mul(v128.load(a + p3, 16), y));
    a += 32;
    b += 32;
  }
  store<f64>(dst, finishDot(s0, t0, a, b, left));
  store<f64>(dst, finishDot(s1, t1, a + p1, b, left), 8);
  store<f64>(dst, finishDot(s2, t2, a + p2, b, left), 16);
  store<f64>(dst, finishDot(s3, t3, a + p3, b, left), 24);
}

function dotRow(a: usize, b: usize, count: i32): f64 {
  let s = f64x2.splat(0);
  let t = s;
  let left = count;
  for (; left >= 4; left -= 4) {
    s = f64x2.add(s, f64x2.mul(v128.load(a), v128.load(b)));
    t = f64x2.add(t, f64x2.mul(v128.load(a, 16), v128.load(b, 16)));
    a += 32;
    b += 32;
  }
  return finishDot(s, t, a, b, left);
}

/** The last `left` products go into the first of the four sums. */
function finishDot(s: v128, t: v128, a: usize, b: usize, left: i32): f64 {
  let first = f64x2.extract_lane(s, 0);
  for (; left > 0; left--) {
    first += load<f64>(a) * load<f64>(b);
    a += 8;
    b += 8;
  }
  return first + f64x2.extract_lane(s, 1) + (f64x2.extract_lane(t, 0) + f64x2.extract_lane(t, 1));
}

/** Solves v·H = t for `count` rows t, [count][size], in place. `scratch`: size + 1 times LANES. */
export function solve(upper: usize, lower: usize, size: i32, rows: usize, count: i32, scratch: usize): void {
  const sums = scratch;
  const lanes = scratch + LANE_BYTES;
  const pitch = (<usize>size) << 3;
  for (let first = 0; first < count; first += LANES) {
    const from = rows + <usize>first * pitch;
    const taken = min(LANES, count - first);
    interleave(from, taken, size, lanes);
    for (let i = size - 1; i >= 0; i--) solveOne(sums, lanes, upper + <usize>i * pitch, i, i + 1, size);
    for (let k = 0; k < size; k++) solveOne(sums, lanes, lower + <usize>k * pitch, k, 0, k);
    separate(lanes, taken, size, from);
  }
}

/** t[at] ← (t[at] − Σ t[k]·row[k]) / row[at], with all signs turned. */
function solveOne(sums: usize, lanes: usize, row: usize, at: i32, from: i32, to: i32): void {
  const own = lanes + <usize>at * LANE_BYTES;
  for (let c: usize = 0; c < LANE_BYTES; c += 16) v128.store(sums + c, f64x2.neg(v128.load(own + c)));
  accumulate(sums, lanes, row, from, to);
  const pivot = v128.load64_splat(row + ((<usize>at) << 3));
  for (let c: usize = 0; c < LANE_BYTES; c += 16) v128.store(own + c, f64x2.neg(f64x2.div(v128.load(sums + c), pivot)));
}

/**
 * Products of `count` rows, [count][size], with the rows of a matrix, [height][size]: [count][height]. Where `isLower`, of row k of the matrix only what
 * is up to column k. `ridge` is added to the diagonal of the matrix, in a product of its own. `scratch`: size + 1 times LANES.
 */
export function multiply(
  matrix: usize,
  height: i32,
  size: i32,
  rows: usize,
  count: i32,
  products: usize,
  isLower: i32,
  ridge: f64,
  scratch: usize,
): void {
  const sums = scratch;
  const lanes = scratch + LANE_BYTES;
  const pitch = (<usize>size) << 3;
  for (let first = 0; first < count; first += LANES) {
    const taken = min(LANES, count - first);
    interleave(rows + <usize>first * pitch, taken, size, lanes);
    for (let k = 0; k < height; k++) {
      const row = matrix + <usize>k * pitch;
      memory.fill(sums, 0, LANE_BYTES);
      if (isLower) {
        accumulate(sums, lanes, row, 0, k + 1);
      } else if (ridge != 0) {
        accumulate(sums, lanes, row, 0, k + 1);
        const held = f64x2.splat(ridge);
        const own = lanes + <usize>k * LANE_BYTES;
        for (let c: usize = 0; c < LANE_BYTES; c += 16) v128.store(sums + c, f64x2.add(v128.load(sums + c), f64x2.mul(v128.load(own + c), held)));
        accumulate(sums, lanes, row, k + 1, size);
      } else {
        accumulate(sums, lanes, row, 0, size);
      }
      for (let b = 0; b < taken; b++)
        store<f64>(products + ((<usize>((first + b) * height + k)) << 3), load<f64>(sums + ((<usize>b) << 3)));
    }
  }
}

/**
 * Rounds rows of weights in order, each with TRIED scales, and keeps the integers of the largest whose error is small enough, else of the one with the
 * least error (compiler/quantize/gptq.ts).
 *
 *   lower     Rᵀ, [size][size]                          rows      w', [count][size]
 *   enough    [count]: errors that are small enough
 *   scales    [count][TRIED]                            mates     int32: the other of a pair, or −1; 0: there are no pairs
 *   support   one byte a weight, [count][size]; 0: all  integers  int8, [count][size]: the result
 *   best      [count][2]: which scale, and its error    scratch   LANES times (2 + size) float64, then size times LANES bytes
 */
export function sweep(
  lower: usize,
  size: i32,
  isDiagonal: i32,
  rows: usize,
  count: i32,
  scales: usize,
  enough: usize,
  levels: f64,
  pairLimit: f64,
  mates: usize,
  support: usize,
  integers: usize,
  best: usize,
  scratch: usize,
): void {
  const sums = scratch;
  const errors = scratch + LANE_BYTES;
  const left = errors + LANE_BYTES;
  const rounded = left + <usize>size * LANE_BYTES;
  const together = LANES / TRIED;
  for (let first = 0; first < count; first += together) {
    const taken = min(together, count - first);
    memory.fill(errors, 0, LANE_BYTES);
    memory.fill(left, 0, <usize>size * LANE_BYTES);
    for (let k = 0; k < size; k++) {
      const row = lower + ((<usize>(k * size)) << 3);
      memory.fill(sums, 0, LANE_BYTES);
      accumulate(sums, left, row, isDiagonal ? k : 0, k);
      const pivot = load<f64>(row + ((<usize>k) << 3));
      const mate = mates == 0 ? -1 : load<i32>(mates + ((<usize>k) << 2));
      for (let b = 0; b < taken; b++) {
        const at = (first + b) * size;
        const weight = load<f64>(rows + ((<usize>(at + k)) << 3));
        const isFixed = support != 0 && load<u8>(support + <usize>(at + k)) == 0;
        for (let c = 0; c < TRIED; c++) {
          const lane = b * TRIED + c;
          const scale = load<f64>(scales + ((<usize>((first + b) * TRIED + c)) << 3));
          const target = weight + load<f64>(sums + ((<usize>lane) << 3)) / pivot;
          const t = target / scale;
          let limit = levels;
          if (isFixed) {
            limit = 0;
          } else if (mate >= 0) {
            const room =
              mate < k
                ? pairLimit - Math.abs(<f64>load<i8>(rounded + <usize>(mate * LANES + lane)))
                : shareOfPair(Math.abs(t), Math.abs(load<f64>(rows + ((<usize>(at + mate)) << 3)) / scale), pairLimit);
            limit = min(levels, room);
          }
          const q = max(-limit, min(limit, nearest(t)));
          const error = target - q * scale;
          store<i8>(rounded + <usize>(k * LANES + lane), <i8>(<i32>q));
          store<f64>(left + <usize>k * LANE_BYTES + ((<usize>lane) << 3), weight - q * scale);
          const sum = errors + ((<usize>lane) << 3);
          store<f64>(sum, load<f64>(sum) + error * error * pivot * pivot);
        }
      }
    }
    for (let b = 0; b < taken; b++) {
      const limit = load<f64>(enough + ((<usize>(first + b)) << 3));
      let index = 0;
      for (let c = 1; c < TRIED; c++) {
        const own = load<f64>(errors + ((<usize>(b * TRIED + c)) << 3));
        const least = load<f64>(errors + ((<usize>(b * TRIED + index)) << 3));
        const tried = scales + ((<usize>((first + b) * TRIED)) << 3);
        const isLarger = load<f64>(tried + ((<usize>c) << 3)) > load<f64>(tried + ((<usize>index) << 3));
        if (own <= limit && least <= limit ? isLarger : own < least) index = c;
      }
      const to = best + ((<usize>(first + b)) << 4);
      store<f64>(to, <f64>index);
      store<f64>(to, load<f64>(errors + ((<usize>(b * TRIED + index)) << 3)), 8);
      for (let k = 0; k < size; k++) store<i8>(integers + <usize>((first + b) * size + k), load<i8>(rounded + <usize>(k * LANES + b * TRIED + index)));
    }
  }
}

/**
 * The errors of rounding rows, [count][size], to multiples of `tried` scales each, [count][tried], an even number, each weight by itself: Σ (q·scale − w)²·pivot,
 * to `errors`, [count][tried]. `mates` as in `sweep`.
 */
export function scaleErrors(
  rows: usize,
  count: i32,
  size: i32,
  scales: usize,
  tried: i32,
  pivots: usize,
  levels: f64,
  pairLimit: f64,
  mates: usize,
  errors: usize,
): void {
  const most = f64x2.splat(levels);
  const pitch = (<usize>tried) << 3;
  memory.fill(errors, 0, <usize>count * pitch);
  for (let o = 0; o < count; o++) {
    const row = rows + ((<usize>(o * size)) << 3);
    for (let k = 0; k < size; k++) {
      const weight = v128.load64_splat(row + ((<usize>k) << 3));
      const pivot = v128.load64_splat(pivots + ((<usize>k) << 3));
      const mate = mates == 0 ? -1 : load<i32>(mates + ((<usize>k) << 2));
      const other = v128.load64_splat(row + ((<usize>max(mate, 0)) << 3));
      for (let c: usize = 0; c < pitch; c += 16) {
        const scale = v128.load(scales + c);
        const t = f64x2.div(weight, scale);
        const limit = mate < 0 ? most : f64x2.min(most, sharesOfPair(f64x2.abs(t), f64x2.abs(f64x2.div(other, scale)), pairLimit));
        const q = f64x2.max(f64x2.neg(limit), f64x2.min(limit, f64x2.nearest(t)));
        const d = f64x2.sub(f64x2.mul(q, scale), weight);
        v128.store(errors + c, f64x2.add(v128.load(errors + c), f64x2.mul(f64x2.mul(d, d), pivot)));
      }
    }
    scales += pitch;
    errors += pitch;
  }
}

/** As shareOfPair. */
function sharesOfPair(own: v128, other: v128, pairLimit: f64): v128 {
  const none = f64x2.splat(0);
  const excess = f64x2.max(none, f64x2.sub(f64x2.add(own, other), f64x2.splat(pairLimit)));
  const share = f64x2.max(none, f64x2.sub(own, f64x2.div(excess, f64x2.splat(2))));
  const floor = f64x2.floor(share);
  const isUp = f64x2.ge(f64x2.sub(share, floor), f64x2.splat(0.5));
  return f64x2.add(floor, v128.and(isUp, f64x2.splat(1)));
}

/** What a magnitude may be beside another, as an integer: what it is, less half of what both are too much. */
function shareOfPair(own: f64, other: f64, pairLimit: f64): f64 {
  const share = max<f64>(0, own - max<f64>(0, own + other - pairLimit) / 2);
  const floor = Math.floor(share);
  return share - floor < 0.5 ? floor : floor + 1;
}

/** Takes eight vectors' outer products, [8][pitch], off the lower triangle of [live][pitch]. */
export function subtractOuter(triangle: usize, pitch: i32, live: i32, vectors: usize): void {
  const step = (<usize>pitch) << 3;
  const v1 = vectors + step;
  const v2 = v1 + step;
  const v3 = v2 + step;
  const v4 = v3 + step;
  const v5 = v4 + step;
  const v6 = v5 + step;
  const v7 = v6 + step;
  for (let i = 0; i < live; i++) {
    const own = (<usize>i) << 3;
    const a = v128.load64_splat(vectors + own);
    const b = v128.load64_splat(v1 + own);
    const c = v128.load64_splat(v2 + own);
    const d = v128.load64_splat(v3 + own);
    const e = v128.load64_splat(v4 + own);
    const f = v128.load64_splat(v5 + own);
    const g = v128.load64_splat(v6 + own);
    const h = v128.load64_splat(v7 + own);
    const row = triangle + <usize>i * step;
    // Of an even number of columns the last one stands above the diagonal, where nobody reads.
    for (let j: usize = 0; j <= own; j += 16) {
      const first = f64x2.add(
        f64x2.add(f64x2.mul(a, v128.load(vectors + j)), f64x2.mul(b, v128.load(v1 + j))),
        f64x2.add(f64x2.mul(c, v128.load(v2 + j)), f64x2.mul(d, v128.load(v3 + j))),
      );
      const second = f64x2.add(
        f64x2.add(f64x2.mul(e, v128.load(v4 + j)), f64x2.mul(f, v128.load(v5 + j))),
        f64x2.add(f64x2.mul(g, v128.load(v6 + j)), f64x2.mul(h, v128.load(v7 + j))),
      );
      v128.store(row + j, f64x2.sub(v128.load(row + j), f64x2.add(first, second)));
    }
  }
}
