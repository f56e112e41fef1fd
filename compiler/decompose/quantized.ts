/**
 * Operators on quantized tensors, as DequantizeLinear, the operator on real numbers, and QuantizeLinear: ONNX's QLinear operators and those of
 * onnxruntime's domain. Lowering makes one int8 step of the three, whose arithmetic is theirs.
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import type { Attribute, Value } from "../ir/graph.ts";
import { axisOf, type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** x as real numbers; scale and zero point are one for all, or one for each place of `axis`. A zero point that is left out is 0. */
export function dequantized(c: Composer, x: Value, scale: Value, zero: Value | null, axis = 0): Value {
  return c.op("DequantizeLinear", [x, scalarOf(c, scale), zero && scalarOf(c, zero)], { axis });
}

/** x to 8 bits of the type of `zero`, which stands for a zero point of `like`'s type where it is left out. */
function quantized(c: Composer, x: Value, scale: Value, zero: Value | null, like: Value): Value {
  return c.op("QuantizeLinear", [x, scalarOf(c, scale), zero ? scalarOf(c, zero) : c.scalar(0, like)]);
}

/** A tensor of one element as a scalar; others as they are. */
function scalarOf(c: Composer, value: Value): Value {
  return elementCount(shapeOf(value)) === 1 ? c.reshape(value, []) : value;
}

/** The operand at `index`, with its scale and zero point behind it. */
function operand(c: Composer, index: number, axis = 0): Value {
  return dequantized(c, c.input(index), c.input(index + 1), c.optional(index + 2), axis);
}

/** The result in the scale at `index` and the zero point behind that. */
function result(c: Composer, x: Value, index: number): readonly Value[] {
  return [quantized(c, x, c.input(index), c.optional(index + 1), c.input(0))];
}

/** Sums of products, in units of operand scale · weight scale. */
function integerBias(c: Composer, bias: Value, scale: Value, weightScale: Value): Value {
  return dequantized(c, bias, c.mul(c.reshape(scale, []), scalarOf(c, weightScale)), null, shapeOf(bias).length - 1);
}

const QLINEAR_CONV: Decomposition = {
  name: "QLinearConv",
  build: (c) => {
    const bias = c.optional(8);
    const inputs = [operand(c, 0), operand(c, 3), ...(bias ? [integerBias(c, bias, c.input(1), c.input(4))] : [])];
    return result(c, c.op("Conv", inputs, c.node.attributes), 6);
  },
};

const QLINEAR_MATMUL: Decomposition = {
  name: "QLinearMatMul",
  build: (c) => {
    const rows = Math.max(0, shapeOf(c.input(0)).length - 2);
    return result(c, c.op("MatMul", [operand(c, 0, rows), operand(c, 3, shapeOf(c.input(3)).length - 1)]), 6);
  },
};

const DOMAIN = "com.microsoft";

/** One operand: x, its scale and zero point, the result's. Attributes for a few layouts that no exporter writes are refused. */
function unary(name: string, compute: (c: Composer, x: Value) => Value): Decomposition {
  return {
    name: `${DOMAIN}:${name}`,
    build: (c) => {
      if (numberAttribute(c.node, "channels_last", 0) !== 0)
        throw c.fault("channels_last is not supported; export it with channels first.");
      return result(c, compute(c, operand(c, 0)), 3);
    },
  };
}

/** Two operands that broadcast, each with its scale and zero point, then the result's. */
function binary(name: string, op: string): Decomposition {
  return { name: `${DOMAIN}:${name}`, build: (c) => result(c, c.op(op, [operand(c, 0), operand(c, 3)]), 6) };
}

/** The node's attributes of these names. */
function attributes(c: Composer, ...names: readonly string[]): Readonly<Record<string, Attribute>> {
  return Object.fromEntries(names.flatMap((name) => (c.node.attributes[name] === undefined ? [] : [[name, c.node.attributes[name]]])));
}

const POOLING = ["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"] as const;

/** Softmax; before opset 13 over all axes from `axis` on. */
function softmax(c: Composer, x: Value): Value {
  const shape = shapeOf(x);
  const axis = axisOf(numberAttribute(c.node, "axis", -1), shape.length);
  if (numberAttribute(c.node, "opset", 13) >= 13 || axis === shape.length - 1) return c.op("Softmax", [x], { axis });
  const rows = elementCount(shape.slice(0, axis));
  return c.reshape(c.op("Softmax", [c.reshape(x, [rows, elementCount(shape.slice(axis))])], { axis: 1 }), shape);
}

/** Each operand in the result's scale, then side by side. */
const QLINEAR_CONCAT: Decomposition = {
  name: `${DOMAIN}:QLinearConcat`,
  build: (c) => {
    const [scale, zero] = [c.input(0), c.input(1)];
    const parts: Value[] = [];
    for (let i = 2; i < c.node.inputs.length; i += 3) {
      parts.push(dequantized(c, quantized(c, operand(c, i), scale, zero, zero), scale, zero));
    }
    if (parts.length === 0) throw c.fault("it has no operands.");
    return [quantized(c, c.op("Concat", parts, attributes(c, "axis")), scale, zero, zero)];
  },
};

/** alpha · A · B + C, C in units of alpha · scale A · scale B; without a scale for the result it stays real. */
const QGEMM: Decomposition = {
  name: `${DOMAIN}:QGemm`,
  build: (c) => {
    const transposed = numberAttribute(c.node, "transB", 0) !== 0;
    const weightScale = c.scale(c.input(4), numberAttribute(c.node, "alpha", 1));
    const weights = dequantized(c, c.input(3), weightScale, c.optional(5), transposed ? 0 : 1);
    const bias = c.optional(6);
    const inputs = [operand(c, 0), weights, ...(bias ? [integerBias(c, bias, c.input(1), weightScale)] : [])];
    const real = c.op("Gemm", inputs, attributes(c, "transA", "transB"));
    return c.optional(7) ? result(c, real, 7) : [real];
  },
};

const QLINEAR_WHERE: Decomposition = {
  name: `${DOMAIN}:QLinearWhere`,
  build: (c) => [quantized(c, c.where(c.input(0), operand(c, 1), operand(c, 4)), c.input(7), c.optional(8), c.input(1))],
};

function reduceMean(c: Composer, x: Value): Value {
  const rank = shapeOf(x).length;
  const axes = numbersAttribute(
    c.node,
    "axes",
    shapeOf(x).map((_, i) => i),
  );
  return c.reduce(
    "Mean",
    x,
    axes.map((axis) => axisOf(axis, rank)),
    numberAttribute(c.node, "keepdims", 1) !== 0,
  );
}

/** QuantizeLinear and DequantizeLinear as onnxruntime had them before ONNX took all of their types. */
function renamed(op: "QuantizeLinear" | "DequantizeLinear"): Decomposition {
  return {
    name: `${DOMAIN}:${op}`,
    build: (c) => {
      const [x, scale, zero] = [c.input(0), c.input(1), c.optional(2)];
      const axis = numberAttribute(c.node, "axis", 1);
      return [
        op === "QuantizeLinear"
          ? c.op(op, [x, scalarOf(c, scale), zero ? scalarOf(c, zero) : c.scalar(0, "uint8")], { axis })
          : dequantized(c, x, scale, zero, axis),
      ];
    },
  };
}

/** Every decomposition of this file. */
export const QUANTIZED_FORMS: readonly Decomposition[] = [
  QLINEAR_CONV,
  QLINEAR_MATMUL,
  QLINEAR_CONCAT,
  QGEMM,
  QLINEAR_WHERE,
  binary("QLinearAdd", "Add"),
  binary("QLinearMul", "Mul"),
  unary("QLinearSigmoid", (c, x) => c.op("Sigmoid", [x])),
  unary("QLinearLeakyRelu", (c, x) => c.op("LeakyRelu", [x], attributes(c, "alpha"))),
  unary("QLinearGlobalAveragePool", (c, x) => c.op("GlobalAveragePool", [x])),
  unary("QLinearAveragePool", (c, x) => c.op("AveragePool", [x], attributes(c, ...POOLING))),
  unary("QLinearSoftmax", softmax),
  unary("QLinearReduceMean", reduceMean),
  renamed("QuantizeLinear"),
  renamed("DequantizeLinear"),
];
