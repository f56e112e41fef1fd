/**
 * UNARY: a function of each float32; DST may be SRC. ALPHA and BETA are float32 bits.
 *
 *   CLAMP min(max(x, ALPHA), BETA), a NaN stays · LEAKY_RELU x < 0 ? ALPHA·x : x · SIGMOID 1/(1 + exp(−x)) · TANH · EXP · LOG · SQRT · NEG · ABS · ERF
 *   HARD_SIGMOID max(0, min(1, ALPHA·x + BETA)) · HARD_SWISH x·max(0, min(1, x/6 + 0.5)) · SILU x·sigmoid(x) · RECIPROCAL · FLOOR · CEIL · ROUND (half even)
 *   GELU x·(½ + ½·erf(x/√2)) · GELU_TANH x·sigmoid(2·√(2/π)·(x + 0.044715·x³))
 *   ELU BETA·(x < 0 ? ALPHA·(eˣ − 1) : x) · SOFTPLUS log(1 + eˣ) · MISH x·tanh(softplus x) · SWISH x·sigmoid(ALPHA·x) · SOFTSIGN x/(1 + |x|)
 *   THRESHOLDED_RELU x > ALPHA ? x : 0 · SHRINK x < −ALPHA ? x + BETA : x > ALPHA ? x − BETA : 0 · SIGN · SINH COSH ASINH ACOSH ATANH
 *   SIN COS TAN ASIN ACOS ATAN
 *
 * exp, log, tanh, erf and the normal distribution of GELU are the runtime's own polynomials, the same bits on every machine.
 */
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const OP = 4;
export const COUNT = 5;
export const ALPHA = 6;
export const BETA = 7;
export const WORDS = 8;

export const CLAMP = 1;
export const LEAKY_RELU = 2;
export const SIGMOID = 3;
export const TANH = 4;
export const EXP = 5;
export const LOG = 6;
export const SQRT = 7;
export const NEG = 8;
export const ABS = 9;
export const ERF = 10;
export const HARD_SIGMOID = 11;
export const HARD_SWISH = 12;
export const SILU = 13;
export const RECIPROCAL = 14;
export const FLOOR = 15;
export const CEIL = 16;
export const ROUND = 17;
export const GELU = 18;
export const GELU_TANH = 19;
export const ELU = 20;
export const SOFTPLUS = 21;
export const MISH = 22;
export const SWISH = 23;
export const SOFTSIGN = 24;
export const THRESHOLDED_RELU = 25;
export const SHRINK = 26;
export const SIGN = 27;
export const SINH = 28;
export const COSH = 29;
export const ASINH = 30;
export const ACOSH = 31;
export const ATANH = 32;
export const SIN = 33;
export const COS = 34;
export const TAN = 35;
export const ASIN = 36;
export const ACOS = 37;
export const ATAN = 38;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[OP]! >= CLAMP && w[OP]! <= ATAN, "OP is CLAMP to ATAN");
  e.check(w[COUNT]! > 0, "COUNT is positive");
  e.read(w[SRC]!, w[COUNT]! * 4);
  e.write(w[DST]!, w[COUNT]! * 4);
}
