/** Transposes of small tiles in registers. */

/** Four rows of four 4-byte values at `src`, `srcRow` bytes apart, to four columns at `dst`, `dstRow` bytes apart. */
@inline
export function transpose4(src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  const second = src + srcRow;
  const third = second + srcRow;
  const r0 = v128.load(src);
  const r1 = v128.load(second);
  const r2 = v128.load(third);
  const r3 = v128.load(third + srcRow);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<i64>(low01, low23, 1, 3));
  dst += dstRow << 1;
  v128.store(dst, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<i64>(high01, high23, 1, 3));
}
