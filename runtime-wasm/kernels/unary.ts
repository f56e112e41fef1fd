/** UNARY: four values at a time; what the last vector reads past the end is not stored. */
import * as Unary from "../../format/steps/unary.ts";
import { erf, exp, gelu, geluTanh, log, sigmoid, tanh } from "../simd/math.ts";
import { clampFloat } from "../simd/requantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { mapScalars, mapVectors } from "./unary-functions.ts";

export function unary(step: usize, data: usize): void {
  const src = address(step, Unary.SRC, data);
  const dst = address(step, Unary.DST, data);
  const count = word(step, Unary.COUNT);
  switch (word(step, Unary.OP)) {
    case Unary.SIGMOID: mapSigmoid(src, dst, count); break;
    case Unary.TANH: mapTanh(src, dst, count); break;
    case Unary.EXP: mapExp(src, dst, count); break;
    case Unary.LOG: mapLog(src, dst, count); break;
    case Unary.ERF: mapErf(src, dst, count); break;
    case Unary.GELU: mapGelu(src, dst, count); break;
    case Unary.GELU_TANH: mapGeluTanh(src, dst, count); break;
    case Unary.SILU: mapSilu(src, dst, count); break;
    default: {
      const op = word(step, Unary.OP);
      if (op >= Unary.SIN) mapScalars(src, dst, count, op);
      else if (op >= Unary.ELU) mapVectors(src, dst, count, op, floatWord(step, Unary.ALPHA), floatWord(step, Unary.BETA));
      else mapSimple(src, dst, count, op, floatWord(step, Unary.ALPHA), floatWord(step, Unary.BETA));
    }
  }
}

function mapSigmoid(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, sigmoid(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapTanh(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, tanh(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapExp(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, exp(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapLog(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, log(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapErf(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, erf(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapSilu(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    const x = v128.load(src);
    storeFloats(dst, f32x4.mul(x, sigmoid(x)), count);
    src += 16;
    dst += 16;
  }
}

function mapGelu(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, gelu(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapGeluTanh(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    storeFloats(dst, geluTanh(v128.load(src)), count);
    src += 16;
    dst += 16;
  }
}

function mapSimple(src: usize, dst: usize, count: i32, op: i32, alpha: f32, beta: f32): void {
  const a = f32x4.splat(alpha);
  const b = f32x4.splat(beta);
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  switch (op) {
    case Unary.CLAMP:
      for (; count > 0; count -= 4) {
        storeFloats(dst, clampFloat(v128.load(src), a, b), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.LEAKY_RELU:
      for (; count > 0; count -= 4) {
        const x = v128.load(src);
        storeFloats(dst, v128.bitselect(f32x4.mul(a, x), x, f32x4.lt(x, zero)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.HARD_SIGMOID:
      for (; count > 0; count -= 4) {
        storeFloats(dst, clampFloat(f32x4.add(f32x4.mul(a, v128.load(src)), b), zero, one), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.HARD_SWISH: {
      const six = f32x4.splat(6);
      const half = f32x4.splat(0.5);
      for (; count > 0; count -= 4) {
        const x = v128.load(src);
        storeFloats(dst, f32x4.mul(x, clampFloat(f32x4.add(f32x4.div(x, six), half), zero, one)), count);
        src += 16;
        dst += 16;
      }
      break;
    }
    case Unary.SQRT:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.sqrt(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.RECIPROCAL:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.div(one, v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.NEG:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.neg(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.ABS:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.abs(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.FLOOR:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.floor(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.CEIL:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.ceil(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    case Unary.ROUND:
      for (; count > 0; count -= 4) {
        storeFloats(dst, f32x4.nearest(v128.load(src)), count);
        src += 16;
        dst += 16;
      }
      break;
    default:
      unreachable();
  }
}
