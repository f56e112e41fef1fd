/**
 * Normalisations over some axes, (x − μ)/√(σ² + ε), and what is like them, in reductions and arithmetic.
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** 1/√(x + ε). */
function inverseRoot(c: Composer, x: Value, epsilon: number): Value {
  return c.op("Reciprocal", [c.op("Sqrt", [c.add(x, c.scalar(epsilon))])]);
}

/** x with mean 0 and variance 1 over `axes`. */
function standardized(c: Composer, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = c.sub(x, c.reduce("Mean", x, axes));
  return c.mul(centred, inverseRoot(c, c.reduce("Mean", c.mul(centred, centred), axes), epsilon));
}

/** A vector along axis 1 of a tensor of `rank`. */
function alongChannels(c: Composer, vector: Value, rank: number): Value {
  return c.reshape(vector, [1, elementCount(shapeOf(vector)), ...Array.from({ length: rank - 2 }, () => 1)]);
}

function from(first: number, rank: number): readonly number[] {
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

const INSTANCE: Decomposition = {
  name: "InstanceNormalization",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const rank = shapeOf(x).length;
    const y = standardized(c, x, from(2, rank), numberAttribute(c.node, "epsilon", 1e-5));
    return [c.add(c.mul(y, alongChannels(c, c.input(1), rank)), alongChannels(c, c.input(2), rank))];
  },
};

const GROUP: Decomposition = {
  name: "GroupNormalization",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const groups = numberAttribute(c.node, "num_groups", 1);
    if (groups < 1 || shape[1]! % groups !== 0) throw c.fault(`${shape[1]} channels are not ${groups} groups.`);
    const grouped = c.reshape(x, [shape[0]!, groups, elementCount(shape.slice(1)) / groups]);
    const y = standardized(c, grouped, [2], numberAttribute(c.node, "epsilon", 1e-5));
    const back = c.reshape(y, shape);
    return [c.add(c.mul(back, alongChannels(c, c.input(1), shape.length)), alongChannels(c, c.input(2), shape.length))];
  },
};

/** (x − μ)/(σ + 10⁻⁹), as ONNX's function body has it. */
const MEAN_VARIANCE: Decomposition = {
  name: "MeanVarianceNormalization",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const axes = numbersAttribute(c.node, "axes", [0, 2, 3]);
    const centred = c.sub(x, c.reduce("Mean", x, axes));
    const deviation = c.op("Sqrt", [c.reduce("Mean", c.mul(centred, centred), axes)]);
    return [c.div(centred, c.add(deviation, c.scalar(1e-9)))];
  },
};

/** x/‖x‖ along one axis; 0 where the norm is. */
const LP: Decomposition = {
  name: "LpNormalization",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const axes = [numberAttribute(c.node, "axis", -1)];
    const norm = c.reduce(numberAttribute(c.node, "p", 2) === 1 ? "L1" : "L2", x, axes);
    return [c.where(c.op("Equal", [norm, c.scalar(0)]), c.scalar(0), c.div(x, norm))];
  },
};

/** x / (bias + alpha/size · Σ x²)^beta, the sum over `size` neighbouring channels. */
const LRN: Decomposition = {
  name: "LRN",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const size = numberAttribute(c.node, "size", 1);
    const rows = c.reshape(c.mul(x, x), [shape[0]!, 1, shape[1]!, elementCount(shape.slice(2))]);
    const before = Math.floor((size - 1) / 2);
    const pads = [before, 0, size - 1 - before, 0];
    const mean = c.op("AveragePool", [rows], { kernel_shape: [size, 1], pads, count_include_pad: 1 });
    const base = c.add(
      c.scale(c.reshape(mean, shape), numberAttribute(c.node, "alpha", 1e-4)),
      c.scalar(numberAttribute(c.node, "bias", 1)),
    );
    return [c.div(x, c.op("Pow", [base, c.scalar(numberAttribute(c.node, "beta", 0.75))]))];
  },
};

/** Every decomposition of this file. */
export const NORMALIZATIONS: readonly Decomposition[] = [INSTANCE, GROUP, MEAN_VARIANCE, LP, LRN];
