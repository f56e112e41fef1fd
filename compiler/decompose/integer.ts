/**
 * Operators on quantized tensors, between DequantizeLinear and QuantizeLinear; and those whose results are the sums themselves.
 *
 * Sums of int8 products are exact in float32 below 2²⁴, which is what int32 results are computed with: a longer sum is taken in pieces.
 */
import { elementCount } from "../../host/tensor.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** Products of bytes that a float32 sums exactly: 2²⁴ / 255². */
const EXACT_SUM = 258;

/** x − zero in float32; the zero is one number, or one for each of `rows` at axis `axis`. */
function centred(c: Composer, x: Value, zero: Value | null, axis: number): Value {
  const real = c.cast(x, "float32");
  if (!zero) return real;
  const shape = shapeOf(x).map((d, i) => (i === axis ? d : 1));
  const offset = c.cast(zero, "float32");
  const isVector = elementCount(shapeOf(zero)) > 1 && shapeOf(zero).length <= 1;
  return c.sub(real, isVector ? c.reshape(offset, shape) : elementCount(shapeOf(zero)) === 1 ? c.reshape(offset, []) : offset);
}

/** a · b as int32: the sum over the inner axis in pieces that float32 holds. */
function exactProduct(c: Composer, a: Value, b: Value): Value {
  const inner = shapeOf(a).at(-1)!;
  const innerAxis = shapeOf(b).length === 1 ? 0 : shapeOf(b).length - 2;
  const pieces: Value[] = [];
  for (let at = 0; at < inner; at += EXACT_SUM) {
    const end = Math.min(inner, at + EXACT_SUM);
    const part = c.op("MatMul", [c.slice(a, shapeOf(a).length - 1, at, end), c.slice(b, innerAxis, at, end)]);
    pieces.push(c.cast(part, "int32"));
  }
  return pieces.reduce((x, y) => c.add(x, y));
}

const MATMUL_INTEGER: Decomposition = {
  name: "MatMulInteger",
  build: (c) => {
    const [a, b] = [c.input(0), c.input(1)];
    const rows = shapeOf(a).length === 1 ? -1 : shapeOf(a).length - 2;
    return [exactProduct(c, centred(c, a, c.optional(2), rows), centred(c, b, c.optional(3), shapeOf(b).length - 1))];
  },
};

const CONV_INTEGER: Decomposition = {
  name: "ConvInteger",
  build: (c) => {
    const x = centred(c, c.input(0), c.optional(2), -1);
    const w = centred(c, c.input(1), c.optional(3), 0);
    const [, perGroup, ...kernel] = shapeOf(w) as readonly [number, number, ...number[]];
    if (perGroup * elementCount(kernel) <= EXACT_SUM || c.node.attributes["group"] !== undefined)
      return [c.cast(c.op("Conv", [x, w], c.node.attributes), "int32")];
    const step = Math.max(1, Math.floor(EXACT_SUM / elementCount(kernel)));
    const pieces: Value[] = [];
    for (let at = 0; at < perGroup; at += step) {
      const part = c.op("Conv", [c.slice(x, 1, at, at + step), c.slice(w, 1, at, at + step)], c.node.attributes);
      pieces.push(c.cast(part, "int32"));
    }
    return [pieces.reduce((p, q) => c.add(p, q))];
  },
};

const QLINEAR_CONV: Decomposition = {
  name: "QLinearConv",
  build: (c) => {
    const x = c.op("DequantizeLinear", [c.input(0), c.input(1), c.input(2)]);
    const w = c.op("DequantizeLinear", [c.input(3), c.input(4), c.input(5)], { axis: 0 });
    const bias = c.optional(8);
    const scale = c.mul(c.reshape(c.input(1), []), c.input(4));
    const real = bias ? [c.mul(c.cast(bias, "float32"), scale)] : [];
    return [c.op("QuantizeLinear", [c.op("Conv", [x, w, ...real], c.node.attributes), c.input(6), c.input(7)])];
  },
};

const QLINEAR_MATMUL: Decomposition = {
  name: "QLinearMatMul",
  build: (c) => {
    const real = (index: number, axis: number): Value => {
      const [x, scale, zero] = [c.input(index), c.input(index + 1), c.input(index + 2)];
      const isOne = elementCount(shapeOf(scale)) === 1;
      return c.op("DequantizeLinear", [x, isOne ? c.reshape(scale, []) : scale, isOne ? c.reshape(zero, []) : zero], { axis });
    };
    const product = c.op("MatMul", [real(0, Math.max(0, shapeOf(c.input(0)).length - 2)), real(3, shapeOf(c.input(3)).length - 1)]);
    return [c.op("QuantizeLinear", [product, c.reshape(c.input(6), []), c.reshape(c.input(7), [])])];
  },
};

/** To uint8 by the range of the values with 0: scale = (max − min)/255, zero = round(−min/scale). */
const DYNAMIC_QUANTIZE: Decomposition = {
  name: "DynamicQuantizeLinear",
  build: (c) => {
    const x = c.input(0);
    const axes = shapeOf(x).map((_, i) => i);
    const zero = c.scalar(0);
    const high = c.op("Max", [c.reduce("Max", x, axes, false), zero]);
    const low = c.op("Min", [c.reduce("Min", x, axes, false), zero]);
    const scale = c.div(c.sub(high, low), c.scalar(255));
    const place = c.op("Round", [c.op("Clip", [c.div(c.op("Neg", [low]), scale), zero, c.scalar(255)])]);
    const zeroPoint = c.cast(place, "uint8");
    return [c.op("QuantizeLinear", [x, scale, zeroPoint]), scale, zeroPoint].slice(0, c.node.outputs.length);
  },
};

/** Every decomposition of this file. */
export const INTEGER_FORMS: readonly Decomposition[] = [MATMUL_INTEGER, CONV_INTEGER, QLINEAR_CONV, QLINEAR_MATMUL, DYNAMIC_QUANTIZE];
