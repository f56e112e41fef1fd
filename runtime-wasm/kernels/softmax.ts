/**
 * SOFTMAX. Rows of adjacent values (INNER = 1): the exponentials of one row in SCRATCH, their sum in ascending order. Other axes: four
 * neighbouring columns at a time, each lane with a sum of its own, the exponentials computed twice.
 */
import { INT8 } from "../../format/dtypes.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { storeLanes } from "../simd/limits.ts";
import { exp, log } from "../simd/math.ts";
import { address, floatWord, word } from "../words.ts";

export function softmax(step: usize, data: usize): void {
  const count = word(step, Softmax.COUNT);
  const inner = word(step, Softmax.INNER);
  const inBytes: usize = word(step, Softmax.DTYPE) == INT8 ? 1 : 4;
  const outBytes: usize = word(step, Softmax.OUT_DTYPE) == INT8 ? 1 : 4;
  let src = address(step, Softmax.SRC, data);
  let dst = address(step, Softmax.DST, data);
  const scratch = address(step, Softmax.SCRATCH, data);
  for (let outer = word(step, Softmax.OUTER); outer > 0; outer--) {
    if (inner == 1) {
      softmaxRow(step, src, dst, scratch, count);
    } else {
      for (let i = 0; i < inner; i += 4) softmaxColumns(step, src + <usize>i * inBytes, dst + <usize>i * outBytes, count, inner, min(4, inner - i));
    }
    src += <usize>(count * inner) * inBytes;
    dst += <usize>(count * inner) * outBytes;
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
  if (isInt8) {
    writeInt8(step, dst, y, left);
  } else if (left >= 4) {
    v128.store(dst, y);
  } else {
    storeLanes(dst, y, left);
  }
}

function writeInt8(step: usize, dst: usize, y: v128, left: i32): void {
  const ratio = f32x4.div(y, f32x4.splat(floatWord(step, Softmax.OUT_SCALE)));
  const numbers = v128.and(ratio, f32x4.eq(ratio, ratio));
  const bounded = f32x4.pmin(f32x4.pmax(numbers, f32x4.splat(-32768)), f32x4.splat(32767));
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(bounded));
  const sum = i32x4.add(rounded, i32x4.splat(word(step, Softmax.OUT_ZERO)));
  const words = i16x8.narrow_i32x4_s(sum, sum);
  let bytes = i32x4.extract_lane(i8x16.narrow_i16x8_s(words, words), 0);
  if (left >= 4) {
    store<i32>(dst, bytes);
    return;
  }
  for (; left > 0; left--) {
    store<u8>(dst, bytes);
    bytes >>= 8;
    dst++;
  }
}

function softmaxRow(step: usize, src: usize, dst: usize, scratch: usize, count: i32): void {
  const isInt8 = word(step, Softmax.DTYPE) == INT8;
  const toInt8 = word(step, Softmax.OUT_DTYPE) == INT8;
  const isLog = word(step, Softmax.LOG) != 0;
  const inStep: usize = isInt8 ? 4 : 16;
  const outStep: usize = toInt8 ? 4 : 16;
  const scale = f32x4.splat(floatWord(step, Softmax.SCALE));
  let largest = f32x4.splat(-Infinity);
  let p = src;
  let left = count;
  for (; left >= 4; left -= 4) {
    largest = f32x4.pmax(largest, read(p, isInt8, scale));
    p += inStep;
  }
  let greatest = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  let last = read(p, isInt8, scale);
  for (; left > 0; left--) {
    const x = f32x4.extract_lane(last, 0);
    greatest = x > greatest ? x : greatest;
    last = v128.shuffle<i32>(last, last, 1, 2, 3, 0);
  }
  const peak = f32x4.splat(greatest);
  p = src;
  let e = scratch;
  for (left = count; left > 0; left -= 4) {
    v128.store(e, exp(f32x4.sub(read(p, isInt8, scale), peak)));
    p += inStep;
    e += 16;
  }
  let total: f32 = 0;
  e = scratch;
  for (left = count; left > 0; left--) {
    total += load<f32>(e);
    e += 4;
  }
  if (isLog) {
    const logTotal = log(f32x4.splat(total));
    p = src;
    for (left = count; left > 0; left -= 4) {
      write(step, dst, f32x4.sub(f32x4.sub(read(p, isInt8, scale), peak), logTotal), toInt8, left);
      p += inStep;
      dst += outStep;
    }
    return;
  }
  const divisor = f32x4.splat(total);
  e = scratch;
  for (left = count; left > 0; left -= 4) {
    write(step, dst, f32x4.div(v128.load(e), divisor), toInt8, left);
    e += 16;
    dst += outStep;
  }
}

/** Columns of `count` values, `inner` elements apart, of which the first `width` (1…4) exist. */
function softmaxColumns(step: usize, src: usize, dst: usize, count: i32, inner: i32, width: i32): void {
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
