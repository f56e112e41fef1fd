/**
 * QUANTIZE (format/steps/quantize.ts): runs of elements under one scale, or under scales that lie beside each other.
 *
 * The quotient is cut off at the int16 range before it is rounded: with a zero point in [−128, 255] that changes no saturated result.
 */
import { UINT8 } from "../../format/dtypes.ts";
import * as Quantize from "../../format/steps/quantize.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { addZero, clampFloat, roundAround, roundBounded, roundingOffset, zeroNaN } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { address, word } from "../words.ts";
import { quantizePlanes } from "./quantize-planes.ts";
import { RUN } from "./run-length.ts";

/** Runs one QUANTIZE step. */
export function quantize(step: usize, data: usize): void {
  const unsigned = word(step, Quantize.DTYPE) == UINT8;
  const scale = address(step, Quantize.SCALE, data);
  const zero: usize = word(step, Quantize.ZERO) == -1 ? 0 : address(step, Quantize.ZERO, data);
  const axis = word(step, Quantize.AXIS);
  const inner = word(step, Quantize.INNER);
  const size = word(step, Quantize.BLOCK);
  const scaleOuter = word(step, Quantize.SCALE_OUTER);
  const scaleAxis = word(step, Quantize.SCALE_AXIS);
  const scaleInner = word(step, Quantize.SCALE_INNER);
  const outer = word(step, Quantize.OUTER);
  let src = address(step, Quantize.SRC, data);
  let dst = address(step, Quantize.DST, data);
  if (word(step, Quantize.TRANSPOSED)) {
    for (let o = 0; o < outer; o++) {
      quantizePlanes(src, axis, inner, dst, scale, zero, unsigned);
      src += (axis * inner) << 2;
      dst += axis * inner;
    }
    return;
  }
  if ((scaleOuter | scaleAxis | scaleInner) == 0) {
    const count = outer * axis * inner;
    for (let i = 0; i < count; i += RUN) quantizeRun(src + (<usize>i << 2), dst + <usize>i, min(RUN, count - i), scale, zero, unsigned);
    return;
  }
  for (let o = 0; o < outer; o++) {
    const at = o * scaleOuter;
    if (inner == 1 && scaleAxis == 1 && size == 1) {
      quantizeRow(src, dst, axis, scale + (at << 2), zero ? zero + at : 0, unsigned);
      src += axis << 2;
      dst += axis;
      continue;
    }
    for (let a = 0; a < axis; a += size) {
      const rows = min(size, axis - a);
      const index = at + (a / size) * scaleAxis;
      if (scaleInner == 0) {
        quantizeRun(src, dst, rows * inner, scale + (index << 2), zero ? zero + index : 0, unsigned);
        src += (rows * inner) << 2;
        dst += rows * inner;
      } else {
        for (let r = 0; r < rows; r++) {
          if (scaleInner == 1) {
            quantizeRow(src, dst, inner, scale + (index << 2), zero ? zero + index : 0, unsigned);
          } else {
            for (let i = 0; i < inner; i++) {
              const element = index + i * scaleInner;
              quantizeRun(src + (i << 2), dst + i, 1, scale + (element << 2), zero ? zero + element : 0, unsigned);
            }
          }
          src += inner << 2;
          dst += inner;
        }
      }
    }
  }
}

/** `count` elements under one scale; the address of the zero point is 0 for none. */
export function quantizeRun(src: usize, dst: usize, count: i32, scale: usize, zero: usize, unsigned: bool): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const low = v128.load(INT16_LOW);
  const high = v128.load(INT16_HIGH);
  const divisor = v128.load32_splat(scale);
  const offset = roundingOffset(zero ? (unsigned ? <i32>load<u8>(zero) : <i32>load<i8>(zero)) : 0);
  while (count >= 16) {
    const r0 = quantizeEight(v128.load(src), v128.load(src, 16), divisor, low, high, magic, offset);
    const r1 = quantizeEight(v128.load(src, 32), v128.load(src, 48), divisor, low, high, magic, offset);
    v128.store(dst, unsigned ? i8x16.narrow_i16x8_u(r0, r1) : i8x16.narrow_i16x8_s(r0, r1));
    src += 64;
    dst += 16;
    count -= 16;
  }
  while (count > 0) {
    const r = quantizeEight(v128.load(src), v128.load(src, 16), divisor, low, high, magic, offset);
    storeUpTo8(dst, unsigned ? i8x16.narrow_i16x8_u(r, r) : i8x16.narrow_i16x8_s(r, r), count);
    src += 32;
    dst += 8;
    count -= 8;
  }
}

/** Eight values divided, rounded and shifted by the zero point, as int16. */
// @ts-ignore: decorator
@inline
export function quantizeEight(x0: v128, x1: v128, divisor: v128, low: v128, high: v128, magic: v128, offset: v128): v128 {
  return i16x8.narrow_i32x4_s(
    roundAround(clampFloat(zeroNaN(f32x4.div(x0, divisor)), low, high), magic, offset),
    roundAround(clampFloat(zeroNaN(f32x4.div(x1, divisor)), low, high), magic, offset),
  );
}

/** `count` elements, each under its own scale and zero point. */
function quantizeRow(src: usize, dst: usize, count: i32, scale: usize, zero: usize, unsigned: bool): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const low = v128.load(INT16_LOW);
  const high = v128.load(INT16_HIGH);
  while (count > 0) {
    const offset = zero ? (unsigned ? v128.load_ext<u8>(zero) : v128.load_ext<i8>(zero)) : i64x2.splat(0);
    const sum = addZero(
      roundBounded(clampFloat(zeroNaN(f32x4.div(v128.load(src), v128.load(scale))), low, high), magic),
      roundBounded(clampFloat(zeroNaN(f32x4.div(v128.load(src, 16), v128.load(scale, 16))), low, high), magic),
      offset,
    );
    storeUpTo8(dst, unsigned ? i8x16.narrow_i16x8_u(sum, sum) : i8x16.narrow_i16x8_s(sum, sum), count);
    src += 32;
    scale += 32;
    if (zero) zero += 8;
    dst += 8;
    count -= 8;
  }
}
