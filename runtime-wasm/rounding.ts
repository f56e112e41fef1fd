/**
 * Rounding of weights (compiler/quantize/gptq.ts), in the module of linear-algebra.ts.
 *
 * Columns may be bound to three others at most, `mates`, int32 [size][3], −1 behind the last one: of such a set of weights the positive ones
 * add up to `limit` at most, and so do the magnitudes of the negative ones; where not `bySign`, all magnitudes together do. `mates` 0: none is.
 *
 * Each column belongs to a group, `groupOf`, int32 [size]. In a group of a row weights are multiples, up to `levels` times, of the scale times a factor.
 */
import { accumulate, LANE_BYTES, LANES } from "./lanes.ts";

/** Scales that are tried for a row. */
const TRIED: i32 = 4;
/** Of the mates of a column. */
const MATES_BYTES: usize = 12;

/**
 * Rounds rows of weights in order, each with TRIED scales, and keeps the integers of the largest whose error is small enough, else of the one with the
 * least error.
 *
 *   lower     Rᵀ, [size][size]                          rows      w', [count][size]
 *   enough    [count]: errors that are small enough     scales    [count][TRIED]
 *   support   one byte a weight, [count][size]; 0: all  factors   uint8 [count][TRIED][groups]; 0: all are 1
 *   integers  int8, [count][size]: the result, codes times factors
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
  groupOf: usize,
  groups: i32,
  factors: usize,
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
      const bound = mates + <usize>k * MATES_BYTES;
      const group = load<i32>(groupOf + ((<usize>k) << 2));
      for (let b = 0; b < taken; b++) {
        const at = (first + b) * size;
        const weight = load<f64>(rows + ((<usize>(at + k)) << 3));
        const isFixed = support != 0 && load<u8>(support + <usize>(at + k)) == 0;
        for (let c = 0; c < TRIED; c++) {
          const lane = b * TRIED + c;
          const scale = load<f64>(scales + ((<usize>((first + b) * TRIED + c)) << 3));
          const target = weight + load<f64>(sums + ((<usize>lane) << 3)) / pivot;
          const t = target / scale;
          const factor: f64 = factors == 0 ? 1 : <f64>load<u8>(factors + <usize>(((first + b) * TRIED + c) * groups + group));
          let most = levels;
          if (isFixed) {
            most = 0;
          } else if (mates != 0) {
            let room = limit;
            let wanted = Math.abs(t);
            let sharing: f64 = 1;
            for (let i: usize = 0; i < MATES_BYTES; i += 4) {
              const mate = load<i32>(bound + i);
              if (mate < 0) break;
              const other = mate < k ? <f64>load<i8>(rounded + <usize>(mate * LANES + lane)) : load<f64>(rows + ((<usize>(at + mate)) << 3)) / scale;
              if (bySign && !(other * t > 0)) continue;
              if (mate < k) {
                room -= Math.abs(other);
              } else {
                wanted += Math.abs(other);
                sharing++;
              }
            }
            most = min(levels, Math.floor(share(Math.abs(t), room, wanted, sharing) / factor));
          }
          const q = factor * max(-most, min(most, nearest(t / factor)));
          const error = target - q * scale;
          store<i8>(rounded + <usize>(k * LANES + lane), <i8>(<i32>q));
          store<f64>(left + <usize>k * LANE_BYTES + ((<usize>lane) << 3), weight - q * scale);
          const sum = errors + ((<usize>lane) << 3);
          store<f64>(sum, load<f64>(sum) + error * error * pivot * pivot);
        }
      }
    }
    for (let b = 0; b < taken; b++) {
      const small = load<f64>(enough + ((<usize>(first + b)) << 3));
      let index = 0;
      for (let c = 1; c < TRIED; c++) {
        const own = load<f64>(errors + ((<usize>(b * TRIED + c)) << 3));
        const least = load<f64>(errors + ((<usize>(b * TRIED + index)) << 3));
        const tried = scales + ((<usize>((first + b) * TRIED)) << 3);
        const isLarger = load<f64>(tried + ((<usize>c) << 3)) > load<f64>(tried + ((<usize>index) << 3));
        if (own <= small && least <= small ? isLarger : own < least) index = c;
      }
      const to = best + ((<usize>(first + b)) << 4);
      store<f64>(to, <f64>index);
      store<f64>(to, load<f64>(errors + ((<usize>(b * TRIED + index)) << 3)), 8);
      for (let k = 0; k < size; k++) store<i8>(integers + <usize>((first + b) * size + k), load<i8>(rounded + <usize>(k * LANES + b * TRIED + index)));
    }
  }
}

/**
 * The errors of rounding rows, [count][size], with `tried` scales each, [count][tried], an even number, each weight by itself, and each group by the
 * factor of 1 … `mostFactor` with the least of them: Σ (q·scale − w)²·pivot, to `errors`, [count][tried]; the factors to `factors`, uint8 [count][tried][groups],
 * unless that is 0. `scratch`: groups times mostFactor times tried float64.
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
  groupOf: usize,
  groups: i32,
  mostFactor: i32,
  errors: usize,
  factors: usize,
  scratch: usize,
): void {
  const pitch = (<usize>tried) << 3;
  const groupBytes = pitch * <usize>mostFactor;
  for (let o = 0; o < count; o++) {
    const row = rows + ((<usize>(o * size)) << 3);
    memory.fill(scratch, 0, groupBytes * <usize>groups);
    for (let k = 0; k < size; k++) {
      const own = load<f64>(row + ((<usize>k) << 3));
      const weight = f64x2.splat(own);
      const pivot = v128.load64_splat(pivots + ((<usize>k) << 3));
      // What the weight and its mates add up to: with a scale that it fits, none of them has to be clipped.
      let all = Math.abs(own);
      const bound = mates + <usize>k * MATES_BYTES;
      for (let i: usize = 0; i < MATES_BYTES && mates != 0; i += 4) {
        const mate = load<i32>(bound + i);
        if (mate < 0) break;
        const other = load<f64>(row + ((<usize>mate) << 3));
        if (!bySign || other * own > 0) all += Math.abs(other);
      }
      let sums = scratch + <usize>load<i32>(groupOf + ((<usize>k) << 2)) * groupBytes;
      for (let f = 1; f <= mostFactor; f++) {
        const factor = f64x2.splat(<f64>f);
        for (let c: usize = 0; c < pitch; c += 16) {
          const scale = v128.load(scales + c);
          const step = f64x2.mul(scale, factor);
          const t = f64x2.div(weight, step);
          let most = f64x2.splat(levels);
          if (mates != 0 && v128.any_true(f64x2.gt(f64x2.splat(all), f64x2.mul(scale, f64x2.splat(limit))))) {
            const low = shareOf(row, k, bound, f64x2.extract_lane(scale, 0), limit, bySign);
            const high = shareOf(row, k, bound, f64x2.extract_lane(scale, 1), limit, bySign);
            most = f64x2.min(most, f64x2.floor(f64x2.div(f64x2.replace_lane(f64x2.splat(low), 1, high), factor)));
          }
          const q = f64x2.max(f64x2.neg(most), f64x2.min(most, f64x2.nearest(t)));
          const d = f64x2.sub(f64x2.mul(q, step), weight);
          v128.store(sums + c, f64x2.add(v128.load(sums + c), f64x2.mul(f64x2.mul(d, d), pivot)));
        }
        sums += pitch;
      }
    }
    for (let c = 0; c < tried; c++) {
      let error: f64 = 0;
      let sums = scratch + ((<usize>c) << 3);
      for (let g = 0; g < groups; g++) {
        let best = 1;
        let least = load<f64>(sums);
        for (let f = 2; f <= mostFactor; f++) {
          const sum = load<f64>(sums + <usize>(f - 1) * pitch);
          if (sum >= least) continue;
          least = sum;
          best = f;
        }
        error += least;
        if (factors) store<u8>(factors + <usize>(c * groups + g), best);
        sums += groupBytes;
      }
      store<f64>(errors + ((<usize>c) << 3), error);
    }
    scales += pitch;
    errors += pitch;
    if (factors) factors += <usize>(tried * groups);
  }
}

/** What weight k of a row may be where no mate of it is rounded yet. */
function shareOf(row: usize, k: i32, bound: usize, scale: f64, limit: f64, bySign: i32): f64 {
  const t = load<f64>(row + ((<usize>k) << 3)) / scale;
  let wanted = Math.abs(t);
  let sharing: f64 = 1;
  for (let i: usize = 0; i < MATES_BYTES; i += 4) {
    const mate = load<i32>(bound + i);
    if (mate < 0) break;
    const other = load<f64>(row + ((<usize>mate) << 3)) / scale;
    if (bySign && !(other * t > 0)) continue;
    wanted += Math.abs(other);
    sharing++;
  }
  return share(Math.abs(t), limit, wanted, sharing);
}

/** What a magnitude may be, an integer, of `sharing` ones that want `wanted` together and have `room`: what it is, less its share of what is too much. */
function share(own: f64, room: f64, wanted: f64, sharing: f64): f64 {
  const excess = wanted - room;
  if (excess <= 0) return room;
  return min(room, Math.floor(max<f64>(0, own - excess / sharing) + 0.5));
}
