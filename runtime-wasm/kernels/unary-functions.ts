/** UNARY: the functions that few models use. One loop with the choice inside, for their size rather than for speed. */
import * as Unary from "../../format/steps/unary.ts";
import { sigmoid, tanh } from "../simd/math.ts";
import { acosh, arctangent, asinh, atanh, circular, cosh, expm1, sinh, softplus, tangent } from "../simd/math-one.ts";
import { storeFloats } from "../simd/tail.ts";

/** Functions of four values. */
export function mapVectors(src: usize, dst: usize, count: i32, op: i32, alpha: f32, beta: f32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, apply(op, v128.load(src), alpha, beta), count);
    src += 16;
    dst += 16;
  }
}

function apply(op: i32, x: v128, alpha: f32, beta: f32): v128 {
  const zero = f32x4.splat(0);
  const a = f32x4.splat(alpha);
  const b = f32x4.splat(beta);
  switch (op) {
    case Unary.ELU: return f32x4.mul(b, v128.bitselect(f32x4.mul(a, expm1(x)), x, f32x4.lt(x, zero)));
    case Unary.SOFTPLUS: return softplus(x);
    case Unary.MISH: return f32x4.mul(x, tanh(softplus(x)));
    case Unary.SWISH: return f32x4.mul(x, sigmoid(f32x4.mul(a, x)));
    case Unary.SOFTSIGN: return f32x4.div(x, f32x4.add(f32x4.splat(1), f32x4.abs(x)));
    case Unary.THRESHOLDED_RELU: return v128.andnot(x, f32x4.le(x, a));
    case Unary.SHRINK: {
      const raised = v128.and(f32x4.add(x, b), f32x4.lt(x, f32x4.neg(a)));
      return v128.bitselect(f32x4.sub(x, b), raised, f32x4.gt(x, a));
    }
    case Unary.SIGN: {
      const one = v128.or(f32x4.splat(1), v128.and(x, f32x4.splat(-0)));
      return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), zero));
    }
    case Unary.SINH: return sinh(x);
    case Unary.COSH: return cosh(x);
    case Unary.ASINH: return asinh(x);
    case Unary.ACOSH: return acosh(x);
    case Unary.ATANH: return atanh(x);
    default: unreachable();
  }
  return x;
}

/** Functions of one value at a time. */
export function mapScalars(src: usize, dst: usize, count: i32, op: i32): void {
  for (; count > 0; count--) {
    store<f32>(dst, applyOne(op, load<f32>(src)));
    src += 4;
    dst += 4;
  }
}

function applyOne(op: i32, x: f32): f32 {
  switch (op) {
    case Unary.SIN: return x == 0 ? x : circular(x, 0);
    case Unary.COS: return circular(x, 1);
    case Unary.TAN: return x == 0 ? x : tangent(x);
    case Unary.ASIN: return x == 0 ? x : <f32>arctangent(<f64>x / sqrt<f64>((1 - <f64>x) * (1 + <f64>x)));
    case Unary.ACOS: return <f32>(2 * arctangent(sqrt<f64>((1 - <f64>x) / (1 + <f64>x))));
    case Unary.ATAN: return <f32>arctangent(<f64>x);
    default: unreachable();
  }
  return x;
}
