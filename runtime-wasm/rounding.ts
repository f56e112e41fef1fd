/**
 * Rounding of weights (compiler/quantize/gptq.ts), in the module of linear-algebra.ts.
 *
 * Columns may be bound to MATES others at most, each by `mates`, int32 [size][MATES], −1 where there are fewer: of such a set of weights the positive ones
 * add up to `limit` at most, and so do the magnitudes of the negative ones; where not `bySign`, all magnitudes together do. `mates` 0: none is.
 */
import { accumulate, LANE_BYTES, LANES } from "./lanes.ts";

/** Scales that are tried for a row. */
const TRIED: i32 = 4;
const MATES: i32 = 3;

/**
 * Rounds rows of weights in order, each with TRIED scales, and keeps the integers of the largest whose error is small enough, else of the one with the
 * least error.
 *
 *   lower     Rᵀ, [size][size]                          rows      w', [count][size]
 *   enough    [count]: errors that are small enough     scales    [count][TRIED]
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
  limit: f64,
  bySign: i32,
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
      for (let b = 0; b < taken; b++) {
        const at = (first + b) * size;
        const weight = load<f64>(rows + ((<usize>(at + k)) << 3));
        const isFixed = support != 0 && load<u8>(support + <usize>(at + k)) == 0;
        for (let c = 0; c < TRIED; c++) {
          const lane = b * TRIED + c;
          const scale = load<f64>(scales + ((<usize>((first + b) * TRIED + c)) << 3));
          const target = weight + load<f64>(sums + ((<usize>lane) << 3)) / pivot;
          const t = target / scale;
          let most = levels;
          if (isFixed) {
            most = 0;
          } else if (mates != 0) {
            begin(t, limit);
            for (let i = 0; i < MATES; i++) {
              const mate = load<i32>(mates + ((<usize>(k * MATES + i)) << 2));
              if (mate >= k) meet(load<f64>(rows + ((<usize>(at + mate)) << 3)) / scale, false, bySign);
              else if (mate >= 0) meet(<f64>load<i8>(rounded + <usize>(mate * LANES + lane)), true, bySign);
            }
            most = min(levels, share());
          }
          const q = max(-most, min(most, nearest(t)));
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
 * to `errors`, [count][tried].
 */
export function scaleErrors(
  rows: usize,
  count: i32,
  size: i32,
  scales: usize,
  tried: i32,
  pivots: usize,
  levels: f64,
  limit: f64,
  bySign: i32,
  mates: usize,
  errors: usize,
): void {
  const pitch = (<usize>tried) << 3;
  memory.fill(errors, 0, <usize>count * pitch);
  for (let o = 0; o < count; o++) {
    const row = rows + ((<usize>(o * size)) << 3);
    for (let k = 0; k < size; k++) {
      const own = load<f64>(row + ((<usize>k) << 3));
      const weight = f64x2.splat(own);
      const pivot = v128.load64_splat(pivots + ((<usize>k) << 3));
      // The sum of the magnitudes of all that may meet this weight: with a scale that it fits, no weight of them has to be clipped.
      let all = Math.abs(own);
      const bound = mates + ((<usize>(k * MATES)) << 2);
      for (let i = 0; i < MATES && mates != 0; i++) {
        const mate = load<i32>(bound + ((<usize>i) << 2));
        if (mate >= 0) all += Math.abs(load<f64>(row + ((<usize>mate) << 3)));
      }
      for (let c: usize = 0; c < pitch; c += 16) {
        const scale = v128.load(scales + c);
        const t = f64x2.div(weight, scale);
        let most = f64x2.splat(levels);
        if (mates != 0 && v128.any_true(f64x2.gt(f64x2.splat(all), f64x2.mul(scale, f64x2.splat(limit))))) {
          const low = shareOf(row, k, bound, f64x2.extract_lane(scale, 0), limit, bySign);
          const high = shareOf(row, k, bound, f64x2.extract_lane(scale, 1), limit, bySign);
          most = f64x2.min(most, f64x2.replace_lane(f64x2.splat(low), 1, high));
        }
        const q = f64x2.max(f64x2.neg(most), f64x2.min(most, f64x2.nearest(t)));
        const d = f64x2.sub(f64x2.mul(q, scale), weight);
        v128.store(errors + c, f64x2.add(v128.load(errors + c), f64x2.mul(f64x2.mul(d, d), pivot)));
      }
    }
    scales += pitch;
    errors += pitch;
  }
}

/** What weight k of a row may be where none that it meets is rounded yet. */
function shareOf(row: usize, k: i32, bound: usize, scale: f64, limit: f64, bySign: i32): f64 {
  begin(load<f64>(row + ((<usize>k) << 3)) / scale, limit);
  for (let i = 0; i < MATES; i++) {
    const mate = load<i32>(bound + ((<usize>i) << 2));
    if (mate >= 0) meet(load<f64>(row + ((<usize>mate) << 3)) / scale, false, bySign);
  }
  return share();
}

/** What is known of a weight that is about to be rounded: what it would be, the limit less what others took of it, what others will want, and how many. */
let own: f64 = 0;
let room: f64 = 0;
let wanted: f64 = 0;
let sharing: f64 = 0;

function begin(t: f64, limit: f64): void {
  own = t;
  room = limit;
  wanted = Math.abs(t);
  sharing = 1;
}

/** Another one of the set, that is rounded or to come. */
function meet(t: f64, isRounded: bool, bySign: i32): void {
  if (bySign && !(t * own > 0)) return;
  if (isRounded) {
    room -= Math.abs(t);
  } else {
    wanted += Math.abs(t);
    sharing++;
  }
}

/** What the weight's magnitude may be, an integer: what it would be, less its share of what all together want too much. */
function share(): f64 {
  const excess = wanted - room;
  if (excess <= 0) return room;
  return min(room, Math.floor(max<f64>(0, Math.abs(own) - excess / sharing) + 0.5));
}
