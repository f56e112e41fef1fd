/**
 * The linear algebra of compiling, in float64: with rounding.ts a module of its own, which only the compiler carries. The caller lays out the memory.
 *
 * Sums are in fixed order, of + − × ÷ and square roots alone: the same bits on every engine.
 */
import { accumulate, interleave, LANE_BYTES, LANES, separate } from "./lanes.ts";

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
