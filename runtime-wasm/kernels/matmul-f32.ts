/** MATMUL_F32: packs B (or reads it in place for a few rows), then multiplies panels of six rows of A. SCRATCH: packed B, one panel, zeros. */
import * as MatMul from "../../format/steps/matmul-f32.ts";
import { packGemmF32, packGemmF32Transposed } from "../pack/pack-f32.ts";
import { multiplyPanels, multiplyRow } from "../simd/gemm-f32.ts";
import { clampScalar, setLimits } from "../simd/limits.ts";
import { packRows } from "../simd/panel-f32.ts";
import { clampFloat } from "../simd/requantize.ts";
import { address, floatWord, word } from "../words.ts";

export function matmulF32(step: usize, data: usize): void {
  const m = word(step, MatMul.M);
  const n = word(step, MatMul.N);
  const k = word(step, MatMul.K);
  const inner = word(step, MatMul.BATCH_INNER);
  const transposed = word(step, MatMul.B_TRANSPOSED) != 0;
  const inPlace = m <= 2 && !transposed;
  const alpha = floatWord(step, MatMul.ALPHA);
  const packed = address(step, MatMul.SCRATCH, data);
  const padded = <usize>((n + 7) & ~7) << 2;
  const panel = packed + padded * <usize>k;
  const zeros = panel + <usize>k * 24;
  const depthBytes = <usize>k << 2;
  const pitch = <usize>n << 2;
  memory.fill(zeros, 0, padded);
  if (alpha == 1) setLimits(floatWord(step, MatMul.MIN), floatWord(step, MatMul.MAX));
  else setLimits(-Infinity, Infinity);
  let dst = address(step, MatMul.DST, data);
  let packedFrom: usize = 0;
  for (let i = 0; i < word(step, MatMul.BATCH_OUTER); i++) {
    for (let j = 0; j < inner; j++) {
      const a = address(step, MatMul.A, data) + (<usize>(i * word(step, MatMul.A_OUTER) + j * word(step, MatMul.A_INNER)) << 2);
      const b = address(step, MatMul.B, data) + (<usize>(i * word(step, MatMul.B_OUTER) + j * word(step, MatMul.B_INNER)) << 2);
      if (inPlace) {
        multiplyRow(a, k, b, 32, pitch, n, zeros, dst);
        if (m == 2) multiplyRow(a + depthBytes, k, b, 32, pitch, n, zeros, dst + pitch);
      } else {
        if (b != packedFrom) {
          if (transposed) packGemmF32(b, packed, n, k);
          else packGemmF32Transposed(b, packed, n, k);
          packedFrom = b;
        }
        multiplyPacked(a, packed, panel, zeros, dst, m, n, k);
      }
      dst += pitch * <usize>m;
    }
  }
  if (alpha != 1) {
    const count = word(step, MatMul.BATCH_OUTER) * inner * m * n;
    scale(address(step, MatMul.DST, data), count, alpha, floatWord(step, MatMul.MIN), floatWord(step, MatMul.MAX));
  }
}

/** DST [m][n] = A [m][k] · packed B. The sum is never −0, so that adding the bias of zeros keeps its bits. */
function multiplyPacked(a: usize, packed: usize, panel: usize, zeros: usize, dst: usize, m: i32, n: i32, k: i32): void {
  const depthBytes = <usize>k << 2;
  const pitch = <usize>n << 2;
  for (let row = 0; row < m; row += 6) {
    const rows = min(6, m - row);
    if (rows == 1) {
      multiplyRow(a, k, packed, depthBytes << 3, 32, n, zeros, dst);
    } else {
      const last = a + <usize>(rows - 1) * depthBytes;
      const a1 = a + depthBytes;
      const a2 = min(a1 + depthBytes, last);
      const a3 = min(a2 + depthBytes, last);
      const a4 = min(a3 + depthBytes, last);
      const a5 = min(a4 + depthBytes, last);
      packRows(panel, a, a1, a2, a3, a4, a5, k);
      multiplyPanels(panel, rows, k, packed, n, zeros, dst, pitch);
    }
    a += depthBytes * 6;
    dst += pitch * 6;
  }
}

/** y = clampFloat(alpha·y, low, high) of `count` values. */
function scale(p: usize, count: i32, alpha: f32, low: f32, high: f32): void {
  const factor = f32x4.splat(alpha);
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  for (; count >= 4; count -= 4) {
    v128.store(p, clampFloat(f32x4.mul(factor, v128.load(p)), lows, highs));
    p += 16;
  }
  for (; count > 0; count--) {
    store<f32>(p, clampScalar(alpha * load<f32>(p), low, high));
    p += 4;
  }
}
