/** LAYER_NORM_I8: a row at a time, so that what one pass leaves is still in the first cache for the next. */
import { INT8 } from "../../format/dtypes.ts";
import * as LayerNormI8 from "../../format/steps/layer-norm-i8.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { roundingOffset } from "../simd/requantize.ts";
import { storeFloats, storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { dequantizeRun } from "./dequantize.ts";
import { inverseDeviation, normalizeRow, rowMean } from "./layer-norm.ts";
import { quantizeEight, quantizeRun } from "./quantize.ts";

/** Runs one LAYER_NORM_I8 step. */
export function layerNormI8(step: usize, data: usize): void {
  const count = word(step, LayerNormI8.COUNT);
  const epsilon = floatWord(step, LayerNormI8.EPSILON);
  const isCentred = word(step, LayerNormI8.CENTRED) != 0;
  const isInt8 = word(step, LayerNormI8.SRC_SCALE) != -1;
  const hasAddend = word(step, LayerNormI8.ADDEND) != -1;
  const hasSum = word(step, LayerNormI8.SUM) != -1;
  const hasFloats = word(step, LayerNormI8.DST) != -1;
  const srcScale = address(step, LayerNormI8.SRC_SCALE, data);
  const srcZero = given(step, LayerNormI8.SRC_ZERO, data);
  const outScale = address(step, LayerNormI8.OUT_SCALE, data);
  const outZero = given(step, LayerNormI8.OUT_ZERO, data);
  const scale = given(step, LayerNormI8.SCALE, data);
  const bias = given(step, LayerNormI8.BIAS, data);
  const scratch = address(step, LayerNormI8.SCRATCH, data);
  const pitch = <usize>count << 2;
  let src = address(step, LayerNormI8.SRC, data);
  let addend = address(step, LayerNormI8.ADDEND, data);
  let sums = address(step, LayerNormI8.SUM, data);
  let floats = address(step, LayerNormI8.DST, data);
  let dst = address(step, LayerNormI8.DST_I8, data);
  for (let row = word(step, LayerNormI8.ROWS); row > 0; row--) {
    const sum = hasSum ? sums : scratch;
    let x = src;
    if (isInt8) {
      dequantizeRun(src, sum, count, srcScale, srcZero, INT8);
      x = sum;
    }
    if (hasAddend) {
      addRow(x, addend, sum, count);
      x = sum;
    }
    const mean: f32 = isCentred ? rowMean(x, count) : 0;
    const inverse = inverseDeviation(x, mean, count, epsilon);
    if (scale != 0 && bias != 0) {
      scaledRow(x, hasFloats ? floats : 0, dst, mean, inverse, scale, bias, outScale, outZero, count);
    } else {
      const y = hasFloats ? floats : scratch;
      normalizeRow(x, y, mean, inverse, scale, bias, count);
      quantizeRun(y, dst, count, outScale, outZero, false);
    }
    src += isInt8 ? <usize>count : pitch;
    addend += pitch;
    sums += pitch;
    floats += pitch;
    dst += <usize>count;
  }
}

/** The address that word `index` names, or 0 where it is −1. */
function given(step: usize, index: i32, data: usize): usize {
  return word(step, index) == -1 ? 0 : address(step, index, data);
}

/** normalizeRow with scale and bias, and quantizeRun, in one pass; `floats` is 0 where nobody reads them. */
function scaledRow(x: usize, floats: usize, dst: usize, mean: f32, inverse: f32, scale: usize, bias: usize, outScale: usize, outZero: usize, count: i32): void {
  const m = f32x4.splat(mean);
  const factor = f32x4.splat(inverse);
  const divisor = v128.load32_splat(outScale);
  const magic = v128.load(ROUNDING_MAGIC);
  const low = v128.load(INT16_LOW);
  const high = v128.load(INT16_HIGH);
  const offset = roundingOffset(outZero ? <i32>load<i8>(outZero) : 0);
  for (; count > 0; count -= 8) {
    const y0 = f32x4.add(f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x), m), factor), v128.load(scale)), v128.load(bias));
    const y1 = f32x4.add(f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x, 16), m), factor), v128.load(scale, 16)), v128.load(bias, 16));
    if (floats != 0) {
      storeFloats(floats, y0, count);
      if (count > 4) storeFloats(floats + 16, y1, count - 4);
      floats += 32;
    }
    const words = quantizeEight(y0, y1, divisor, low, high, magic, offset);
    storeUpTo8(dst, i8x16.narrow_i16x8_s(words, words), count);
    x += 32;
    scale += 32;
    bias += 32;
    dst += 8;
  }
}

/** out = a + b; `out` may be either. */
function addRow(a: usize, b: usize, out: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(out, f32x4.add(v128.load(a), v128.load(b)), count);
    a += 16;
    b += 16;
    out += 16;
  }
}
