/**
 * UNARY: a function of each float32; DST may be SRC. ALPHA and BETA are float32 bits.
 *
 *   CLAMP min(max(x, ALPHA), BETA), a NaN stays · LEAKY_RELU x < 0 ? ALPHA·x : x · SIGMOID 1/(1 + exp(−x)) · TANH · EXP · LOG · SQRT · NEG · ABS · ERF
 *   HARD_SIGMOID max(0, min(1, ALPHA·x + BETA)) · HARD_SWISH x·max(0, min(1, x/6 + 0.5)) · SILU x·sigmoid(x) · RECIPROCAL · FLOOR · CEIL · ROUND (half even)
 *   GELU x·(½ + ½·erf(x/√2)) · GELU_TANH x·sigmoid(2·√(2/π)·(x + 0.044715·x³))
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

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[OP]! >= CLAMP && w[OP]! <= GELU_TANH, "OP is CLAMP to GELU_TANH");
  e.check(w[COUNT]! > 0, "COUNT is positive");
  e.read(w[SRC]!, w[COUNT]! * 4);
  e.write(w[DST]!, w[COUNT]! * 4);
}
