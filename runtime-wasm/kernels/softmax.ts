/**
 * SOFTMAX. Rows of adjacent values (INNER = 1): four side by side, since a sum in ascending order waits for itself, or one. Other axes: four
 * neighbouring columns at a time, each lane with a sum of its own; int8 outputs compute the exponentials twice.
 */
import { INT8 } from "../../format/dtypes.ts";
import { SUM } from "../../format/steps/reduce.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { exp, log } from "../simd/math.ts";
import { clampFloat, zeroNaN } from "../simd/requantize.ts";
import { storeFloats, storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { quantizeRun } from "./quantize.ts";
import { reduceRows } from "./reduce.ts";

export function softmax(step: usize, data: usize): void {
  const count = word(step, Softmax.COUNT);
  const inner = word(step, Softmax.INNER);
  const inBytes: usize = word(step, Softmax.DTYPE) == INT8 ? 1 : 4;
  const toInt8 = word(step, Softmax.OUT_DTYPE) == INT8;
  const outBytes: usize = toInt8 ? 1 : 4;
  const inPitch = <usize>count * inBytes;
  const outPitch = <usize>count * outBytes;
  let src = address(step, Softmax.SRC, data);
  let dst = address(step, Softmax.DST, data);
  let outer = word(step, Softmax.OUTER);
  if (inner == 1) {
    if (!toInt8 && !word(step, Softmax.LOG)) {
      for (; outer >= 4; outer -= 4) {
        fourRows(step, src, inPitch, dst, count);
        src += inPitch << 2;
        dst += outPitch << 2;
      }
    }
    for (; outer > 0; outer--) {
      oneRow(step, src, dst, address(step, Softmax.SCRATCH, data), count);
      src += inPitch;
      dst += outPitch;
    }
    return;
  }
  for (; outer > 0; outer--) {
    for (let i = 0; i < inner; i += 4) columns(step, src + <usize>i * inBytes, dst + <usize>i * outBytes, count, inner, min(4, inner - i));
    src += inPitch * <usize>inner;
    dst += outPitch * <usize>inner;
  }
}

/** Four values of the input as float32. */
@inline
function read(src: usize, isInt8: bool, scale: v128): v128 {
  if (!isInt8) return v128.load(src);
  const bytes = v128.load32_zero(src);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes))), scale);
}

/** Stores the first `left` of four outputs, as int8 where `isInt8`. */
@inline
function write(step: usize, dst: usize, y: v128, isInt8: bool, left: i32): void {
  if (isInt8) writeInt8(step, dst, y, left);
  else storeFloats(dst, y, left);
}

function writeInt8(step: usize, dst: usize, y: v128, left: i32): void {
  const ratio = f32x4.div(y, f32x4.splat(floatWord(step, Softmax.OUT_SCALE)));
  const bounded = clampFloat(zeroNaN(ratio), f32x4.splat(-32768), f32x4.splat(32767));
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(bounded));
  const sum = i32x4.add(rounded, i32x4.splat(word(step, Softmax.OUT_ZERO)));
  const words = i16x8.narrow_i32x4_s(sum, sum);
  storeUpTo8(dst, i8x16.narrow_i16x8_s(words, words), min(4, left));
}

/** Four rows to float32: the exponentials stand in DST until their sums, a lane for each row, are known. */
function fourRows(step: usize, src: usize, inPitch: usize, dst: usize, count: i32): void {
  const pitch = <usize>count << 2;
  for (let row: usize = 0; row < 4; row++) {
    const from = src + row * inPitch;
    exponentials(step, from, largest(step, from, count), dst + row * pitch, count);
  }
  const totals = reduceRows(SUM, dst, pitch, count);
  divideRow(dst, dst, v128.shuffle<i32>(totals, totals, 0, 0, 0, 0), count);
  divideRow(dst + pitch, dst + pitch, v128.shuffle<i32>(totals, totals, 1, 1, 1, 1), count);
  divideRow(dst + (pitch << 1), dst + (pitch << 1), v128.shuffle<i32>(totals, totals, 2, 2, 2, 2), count);
  divideRow(dst + pitch * 3, dst + pitch * 3, v128.shuffle<i32>(totals, totals, 3, 3, 3, 3), count);
}

function divideRow(src: usize, dst: usize, divisor: v128, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, f32x4.div(v128.load(src), divisor), count);
    src += 16;
    dst += 16;
  }
}

/** The largest of a row's values, NaN apart; −∞ where there is none. */
function largest(step: usize, p: usize, count: i32): f32 {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const inStep: usize = isInt8 ? 4 : 16;
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  let lanes = f32x4.splat(-Infinity);
  for (; count >= 4; count -= 4) {
    lanes = f32x4.pmax(lanes, read(p, isInt8, scale));
    p += inStep;
  }
  let greatest = max(max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)), max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)));
  let last = read(p, isInt8, scale);
  for (; count > 0; count--) {
    const x = f32x4.extract_lane(last, 0);
    greatest = x > greatest ? x : greatest;
    last = v128.shuffle<i32>(last, last, 1, 2, 3, 0);
  }
  return greatest;
}

/** e^(x − peak) of a row, to float32 at `out`. */
function exponentials(step: usize, p: usize, peak: f32, out: usize, count: i32): void {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const inStep: usize = isInt8 ? 4 : 16;
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  const peaks = f32x4.splat(peak);
  for (; count > 0; count -= 4) {
    storeFloats(out, exp(f32x4.sub(read(p, isInt8, scale), peaks)), count);
    p += inStep;
    out += 16;
  }
}

/** Likewise, and their sum: it waits for itself, so that it runs beside the exponentials of the next four. */
function summedExponentials(step: usize, p: usize, peak: f32, out: usize, count: i32): f32 {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const inStep: usize = isInt8 ? 4 : 16;
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  const peaks = f32x4.splat(peak);
  let total: f32 = 0;
  for (; count > 0; count -= 4) {
    const e = exp(f32x4.sub(read(p, isInt8, scale), peaks));
    storeFloats(out, e, count);
    total += f32x4.extract_lane(e, 0);
    if (count > 1) total += f32x4.extract_lane(e, 1);
    if (count > 2) total += f32x4.extract_lane(e, 2);
    if (count > 3) total += f32x4.extract_lane(e, 3);
    p += inStep;
    out += 16;
  }
  return total;
}

function oneRow(step: usize, src: usize, dst: usize, scratch: usize, count: i32): void {
  const peak = largest(step, src, count);
  const total = f32x4.splat(summedExponentials(step, src, peak, scratch, count));
  if (word(step, Softmax.LOG)) {
    logRow(step, src, dst, peak, log(total), count);
    return;
  }
  const toInt8 = word(step, Softmax.OUT_DTYPE) == INT8;
  divideRow(scratch, toInt8 ? scratch : dst, total, count);
  if (toInt8) quantizeRun(scratch, dst, count, step + ((<usize>Softmax.OUT_SCALE) << 2), step + ((<usize>Softmax.OUT_ZERO) << 2), false);
}

/** (x − peak) − logTotal of a row. */
function logRow(step: usize, src: usize, dst: usize, peak: f32, logTotal: v128, count: i32): void {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const toInt8 = word(step, Softmax.OUT_DTYPE) == INT8;
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  const peaks = f32x4.splat(peak);
  for (; count > 0; count -= 4) {
    write(step, dst, f32x4.sub(f32x4.sub(read(src, isInt8, scale), peaks), logTotal), toInt8, count);
    src += isInt8 ? 4 : 16;
    dst += toInt8 ? 4 : 16;
  }
}

/** Columns of `count` values, `inner` elements apart, of which the first `width` (1…4) exist. */
function columns(step: usize, src: usize, dst: usize, count: i32, inner: i32, width: i32): void {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const toInt8 = word(step, Softmax.OUT_DTYPE) == INT8;
  const isLog = word(step, Softmax.LOG) != 0;
  const inStep = <usize>inner << (isInt8 ? 0 : 2);
  const outStep = <usize>inner << (toInt8 ? 0 : 2);
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  let peak = f32x4.splat(-Infinity);
  let p = src;
  for (let k = count; k > 0; k--) {
    peak = f32x4.pmax(peak, read(p, isInt8, scale));
    p += inStep;
  }
  let total = f32x4.splat(0);
  p = src;
  if (!toInt8 && !isLog) {
    let q = dst;
    for (let k = count; k > 0; k--) {
      const e = exp(f32x4.sub(read(p, isInt8, scale), peak));
      total = f32x4.add(total, e);
      storeFloats(q, e, width);
      p += inStep;
      q += outStep;
    }
    for (let k = count; k > 0; k--) {
      storeFloats(dst, f32x4.div(v128.load(dst), total), width);
      dst += outStep;
    }
    return;
  }
  for (let k = count; k > 0; k--) {
    total = f32x4.add(total, exp(f32x4.sub(read(p, isInt8, scale), peak)));
    p += inStep;
  }
  const logTotal = log(total);
  p = src;
  for (let k = count; k > 0; k--) {
    const x = f32x4.sub(read(p, isInt8, scale), peak);
    write(step, dst, isLog ? f32x4.sub(x, logTotal) : f32x4.div(exp(x), total), toInt8, width);
    p += inStep;
    dst += outStep;
  }
}
