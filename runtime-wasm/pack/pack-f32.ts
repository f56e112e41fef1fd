/** Packings of float32 constants (format/packings.ts); matrix products pack their second operand with the same functions. */
import { transpose4 } from "../simd/transpose.ts";

/** GEMM_F32: [outputs][depth] at `src` to [⌈outputs/8⌉][depth][8] at `dst`, zero padded. */
export function packGemmF32(src: usize, dst: usize, outputs: i32, depth: i32): void {
  const row = <usize>depth << 2;
  const blocks = depth & ~3;
  let n = 0;
  for (; n + 8 <= outputs; n += 8) {
    for (let k = 0; k < blocks; k += 4) {
      transpose4(src + (<usize>k << 2), row, dst + (<usize>k << 5), 32);
      transpose4(src + (<usize>k << 2) + (row << 2), row, dst + (<usize>k << 5) + 16, 32);
    }
    for (let k = blocks; k < depth; k++) packColumn(src + (<usize>k << 2), row, dst + (<usize>k << 5), 8);
    src += row << 3;
    dst += row << 3;
  }
  if (n == outputs) return;
  for (let k = 0; k < depth; k++) packColumn(src + (<usize>k << 2), row, dst + (<usize>k << 5), outputs - n);
}

/** Eight values, `stride` bytes apart, of which `count` exist. */
function packColumn(src: usize, stride: usize, dst: usize, count: i32): void {
  for (let i = 0; i < 8; i++) {
    let value: f32 = 0;
    if (i < count) value = load<f32>(src);
    store<f32>(dst, value);
    src += stride;
    dst += 4;
  }
}

/** A matrix [depth][outputs] at `src` to the layout of GEMM_F32. */
export function packGemmF32Transposed(src: usize, dst: usize, outputs: i32, depth: i32): void {
  const row = <usize>outputs << 2;
  for (let n = 0; n < outputs; n += 8) {
    let p = src + (<usize>n << 2);
    if (n + 8 <= outputs) {
      for (let k = 0; k < depth; k++) {
        v128.store(dst, v128.load(p));
        v128.store(dst, v128.load(p, 16), 16);
        p += row;
        dst += 32;
      }
    } else {
      for (let k = 0; k < depth; k++) {
        packColumn(p, 4, dst, outputs - n);
        p += row;
        dst += 32;
      }
    }
  }
}

/** DEPTHWISE_F32: [channels][taps] at `src` to [taps][⌈channels/4⌉·4] at `dst`, zero padded. */
export function packDepthwiseF32(src: usize, dst: usize, channels: i32, taps: i32): void {
  const padded = (channels + 3) & ~3;
  for (let t = 0; t < taps; t++) {
    let p = src + (<usize>t << 2);
    for (let c = 0; c < padded; c++) {
      let value: f32 = 0;
      if (c < channels) value = load<f32>(p);
      store<f32>(dst, value);
      p += <usize>taps << 2;
      dst += 4;
    }
  }
}

/** CHANNELS_32: `count` values of 4 bytes, zero padded to a multiple of 8. */
export function packChannels32(src: usize, dst: usize, count: i32): void {
  const bytes = <usize>count << 2;
  memory.copy(dst, src, bytes);
  memory.fill(dst + bytes, 0, (<usize>((count + 7) & ~7) << 2) - bytes);
}
