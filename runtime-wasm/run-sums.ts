/**
 * What weights of either sign add up to in the runs of a layer (compiler/channels/run-order.ts), in the module of linear-algebra.ts. In float32; `rows` are
 * multiples of 4.
 *
 *   sums of a run     [2][rows]: the positive weights, the magnitudes of the negative ones
 *   weights           [rows] of a channel
 *   limits            [rows]: what either sum may come to
 */

/** Rows after which it is looked whether there is a gain left. */
const STRETCH_BYTES: usize = 128;

/** Σ max(0, sum − limit)² over the sums of a run. */
export function excess(run: usize, limits: usize, rows: i32): f32 {
  const bytes = <usize>rows << 2;
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const limit = v128.load(limits + at);
    total = f32x4.add(total, excessOf(v128.load(run + at), limit));
    total = f32x4.add(total, excessOf(v128.load(run + at + bytes), limit));
  }
  return across(total);
}

/**
 * The excess of two runs once the first has given away the weights `left` for `taken`, and the second the other way round; infinite where it comes to `most`.
 */
export function excessAfter(first: usize, second: usize, left: usize, taken: usize, limits: usize, rows: i32, most: f32): f32 {
  const bytes = <usize>rows << 2;
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; ) {
    for (const end = min(bytes, at + STRETCH_BYTES); at < end; at += 16) {
      const v = v128.load(left + at);
      const w = v128.load(taken + at);
      const more = moreOf(v, w);
      const less = f32x4.sub(more, f32x4.sub(w, v));
      const p = first + at;
      const q = second + at;
      const limit = v128.load(limits + at);
      total = f32x4.add(total, excessOf(f32x4.add(v128.load(p), more), limit));
      total = f32x4.add(total, excessOf(f32x4.sub(v128.load(q), more), limit));
      total = f32x4.add(total, excessOf(f32x4.add(v128.load(p + bytes), less), limit));
      total = f32x4.add(total, excessOf(f32x4.sub(v128.load(q + bytes), less), limit));
    }
    if (across(total) >= most) return Infinity;
  }
  return across(total);
}

/** Exchanges the weights `left` of the first run for the weights `taken` of the second. */
export function exchange(first: usize, second: usize, left: usize, taken: usize, rows: i32): void {
  const bytes = <usize>rows << 2;
  for (let at: usize = 0; at < bytes; at += 16) {
    const v = v128.load(left + at);
    const w = v128.load(taken + at);
    const more = moreOf(v, w);
    const less = f32x4.sub(more, f32x4.sub(w, v));
    const p = first + at;
    const q = second + at;
    v128.store(p, f32x4.add(v128.load(p), more));
    v128.store(q, f32x4.sub(v128.load(q), more));
    v128.store(p + bytes, f32x4.add(v128.load(p + bytes), less));
    v128.store(q + bytes, f32x4.sub(v128.load(q + bytes), less));
  }
}

/** What the positive part grows by from `v` to `w`. */
// @ts-ignore: decorator
@inline
function moreOf(v: v128, w: v128): v128 {
  const zero = f32x4.splat(0);
  return f32x4.sub(f32x4.max(w, zero), f32x4.max(v, zero));
}

// @ts-ignore: decorator
@inline
function excessOf(sums: v128, limit: v128): v128 {
  const over = f32x4.max(f32x4.sub(sums, limit), f32x4.splat(0));
  return f32x4.mul(over, over);
}

// @ts-ignore: decorator
@inline
function across(total: v128): f32 {
  return f32x4.extract_lane(total, 0) + f32x4.extract_lane(total, 1) + (f32x4.extract_lane(total, 2) + f32x4.extract_lane(total, 3));
}
