/** GEMM_I8, plain form: one group [N][S][L] int8 to [⌈N/8⌉][K/2][8 outputs][2 k], zero padded. */
import { gemmDepth } from "../../format/packings.ts";

/** Packs one group of `outputs` rows of `segments` segments of `length` values. */
export function packGemmI8(src: usize, dst: usize, outputs: i32, segments: i32, length: i32): void {
  const depth = gemmDepth(segments, length);
  const pitch = <usize>(segments * length);
  memory.fill(dst, 0, ((outputs + 7) & ~7) * depth);
  for (let n = 0; n < outputs; n += 8) {
    packPanel(src + <usize>n * pitch, dst + <usize>(n * depth), min(8, outputs - n), pitch, segments, length);
  }
}

function packPanel(src: usize, dst: usize, rows: i32, pitch: usize, segments: i32, length: i32): void {
  for (let s = 0; s < segments; s++) {
    let k = 0;
    if (rows == 8) {
      while (k + 16 <= length) {
        packBlock(src + <usize>k, pitch, dst + (<usize>k << 3));
        k += 16;
      }
    }
    for (; k < length; k++) {
      const at = dst + (<usize>(k >> 1) << 4) + <usize>(k & 1);
      let p = src + <usize>k;
      for (let i = 0; i < rows; i++) {
        store<i8>(at + (i << 1), load<i8>(p));
        p += pitch;
      }
    }
    src += <usize>length;
    dst += <usize>((length + 1) & ~1) << 3;
  }
}

/** Sixteen values of eight rows: an 8×8 transpose of pairs. */
function packBlock(src: usize, pitch: usize, dst: usize): void {
  const r0 = v128.load(src);
  const r1 = v128.load(src + pitch);
  const r2 = v128.load(src + 2 * pitch);
  const r3 = v128.load(src + 3 * pitch);
  const r4 = v128.load(src + 4 * pitch);
  const r5 = v128.load(src + 5 * pitch);
  const r6 = v128.load(src + 6 * pitch);
  const r7 = v128.load(src + 7 * pitch);
  packHalf(
    v128.shuffle<i16>(r0, r1, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(r2, r3, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(r4, r5, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(r6, r7, 0, 8, 1, 9, 2, 10, 3, 11),
    dst,
  );
  packHalf(
    v128.shuffle<i16>(r0, r1, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(r2, r3, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(r4, r5, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(r6, r7, 4, 12, 5, 13, 6, 14, 7, 15),
    dst + 64,
  );
}

function packHalf(a: v128, b: v128, c: v128, d: v128, dst: usize): void {
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 1, 3), 16);
  v128.store(dst, v128.shuffle<i64>(ab1, cd1, 0, 2), 32);
  v128.store(dst, v128.shuffle<i64>(ab1, cd1, 1, 3), 48);
}
