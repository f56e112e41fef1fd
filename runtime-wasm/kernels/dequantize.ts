/** DEQUANTIZE (format/steps/dequantize.ts): runs of elements under one scale, or under scales that lie beside each other. */
import { elementBytes, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Dequantize from "../../format/steps/dequantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, word } from "../words.ts";
import { RUN } from "./run-length.ts";

/** Runs one DEQUANTIZE step. */
export function dequantize(step: usize, data: usize): void {
  const dtype = word(step, Dequantize.DTYPE);
  const bytes = elementBytes(dtype);
  const scale = address(step, Dequantize.SCALE, data);
  const zero: usize = word(step, Dequantize.ZERO) == -1 ? 0 : address(step, Dequantize.ZERO, data);
  const outer = word(step, Dequantize.OUTER);
  const axis = word(step, Dequantize.AXIS);
  const inner = word(step, Dequantize.INNER);
  const size = word(step, Dequantize.BLOCK);
  const scaleOuter = word(step, Dequantize.SCALE_OUTER);
  const scaleAxis = word(step, Dequantize.SCALE_AXIS);
  const scaleInner = word(step, Dequantize.SCALE_INNER);
  let src = address(step, Dequantize.SRC, data);
  let dst = address(step, Dequantize.DST, data);
  if ((scaleOuter | scaleAxis | scaleInner) == 0) {
    const count = outer * axis * inner;
    for (let i = 0; i < count; i += RUN) dequantizeRun(src + <usize>(i * bytes), dst + (<usize>i << 2), min(RUN, count - i), scale, zero, dtype);
    return;
  }
  for (let o = 0; o < outer; o++) {
    const at = o * scaleOuter;
    if (inner == 1 && scaleAxis == 1 && size == 1) {
      dequantizeRow(src, dst, axis, scale + (at << 2), zero ? zero + at * bytes : 0, dtype);
      src += axis * bytes;
      dst += axis << 2;
      continue;
    }
    for (let a = 0; a < axis; a += size) {
      const rows = min(size, axis - a);
      const index = at + (a / size) * scaleAxis;
      if (scaleInner == 0) {
        dequantizeRun(src, dst, rows * inner, scale + (index << 2), zero ? zero + index * bytes : 0, dtype);
        src += rows * inner * bytes;
        dst += (rows * inner) << 2;
      } else {
        for (let r = 0; r < rows; r++) {
          if (scaleInner == 1) {
            dequantizeRow(src, dst, inner, scale + (index << 2), zero ? zero + index * bytes : 0, dtype);
          } else {
            for (let i = 0; i < inner; i++) {
              const element = index + i * scaleInner;
              dequantizeRun(src + i * bytes, dst + (i << 2), 1, scale + (element << 2), zero ? zero + element * bytes : 0, dtype);
            }
          }
          src += inner * bytes;
          dst += inner << 2;
        }
      }
    }
  }
}

/** Four elements of type `dtype` as int32. */
// @ts-ignore: decorator
@inline
function loadFour(p: usize, dtype: i32): v128 {
  if (dtype == INT8) return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)));
  if (dtype == UINT8) return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
  return v128.load(p);
}

/** The zero point of type `dtype` at `p`, or 0 where `p` is 0. */
function loadZero(p: usize, dtype: i32): i32 {
  if (p == 0) return 0;
  if (dtype == INT8) return load<i8>(p);
  if (dtype == UINT8) return load<u8>(p);
  return load<i32>(p);
}

/** `count` elements under one scale; the address of the zero point is 0 for none. */
export function dequantizeRun(src: usize, dst: usize, count: i32, scale: usize, zero: usize, dtype: i32): void {
  const factor = v128.load32_splat(scale);
  const offset = i32x4.splat(loadZero(zero, dtype));
  const bytes = elementBytes(dtype) << 2;
  while (count > 0) {
    storeFloats(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(loadFour(src, dtype), offset)), factor), count);
    src += bytes;
    dst += 16;
    count -= 4;
  }
}

/** `count` elements, each under its own scale and zero point. */
function dequantizeRow(src: usize, dst: usize, count: i32, scale: usize, zero: usize, dtype: i32): void {
  const bytes = elementBytes(dtype) << 2;
  while (count > 0) {
    const offset = zero ? loadFour(zero, dtype) : i32x4.splat(0);
    storeFloats(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(loadFour(src, dtype), offset)), v128.load(scale)), count);
    src += bytes;
    scale += 16;
    if (zero) zero += bytes;
    dst += 16;
    count -= 4;
  }
}
