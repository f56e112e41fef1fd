/**
 * ConvTranspose as one convolution: result position t = q·s + r is reached by the weights w[r + m·s] from input position q − m only, so
 * each of the s phases r is a convolution by ⌈k/s⌉ weights, and the phases are further output channels that are interleaved afterwards.
 *
 *   y[q·s + r] = Σₘ x[q − m] · w[r + m·s]
 *
 * The work is that of the transposed convolution, but for weights that pad k to a multiple of s. Pads of the result are cut off by
 * choosing which q are computed. Dilated weights are spread with zeros first.
 */
import { elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";
import { knownIntegers, knownReals } from "./known-operands.ts";

interface Axis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly output: number;
}

function axesOf(node: Node): readonly Axis[] {
  const x = typeOf(requiredInput(node, 0)).shape;
  const w = typeOf(requiredInput(node, 1)).shape;
  const group = numberAttribute(node, "group", 1);
  if (x.length < 3 || x.length > 5 || w.length !== x.length || w[0] !== x[1] || x[1]! % group !== 0)
    throw badOperands(node, `weights [${w.join(", ")}] in ${group} groups do not fit an image [${x.join(", ")}].`);
  const ones = x.slice(2).map(() => 1);
  const zeros = ones.map(() => 0);
  const strides = numbersAttribute(node, "strides", ones);
  const dilations = numbersAttribute(node, "dilations", ones);
  const extra = numbersAttribute(node, "output_padding", zeros);
  const pads = numbersAttribute(node, "pads", [...zeros, ...zeros]);
  const asked = numbersAttribute(node, "output_shape", null)?.slice(-ones.length) ?? null;
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  return ones.map((_, i): Axis => {
    const [input, kernel, stride, dilation] = [x[i + 2]!, w[i + 2]!, strides[i]!, dilations[i]!];
    const full = (input - 1) * stride + extra[i]! + (kernel - 1) * dilation + 1;
    const isSame = autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER";
    if (!asked && !isSame) {
      const [begin, end] = autoPad === "VALID" ? [0, 0] : [pads[i]!, pads[i + ones.length]!];
      return { input, kernel, stride, dilation, padBegin: begin, output: full - begin - end };
    }
    const output = asked ? asked[i]! : input * stride;
    const total = full - output;
    const half = Math.floor(total / 2);
    return { input, kernel, stride, dilation, padBegin: autoPad === "SAME_UPPER" ? half : total - half, output };
  });
}

/** ConvTranspose over 1 to 3 spatial axes. */
export const CONV_TRANSPOSE: Decomposition = {
  name: "ConvTranspose",
  infer: (node) => {
    const x = typeOf(requiredInput(node, 0));
    const channels = typeOf(requiredInput(node, 1)).shape[1]! * numberAttribute(node, "group", 1);
    const sizes = axesOf(node).map(({ output }) => output);
    if (sizes.some((size) => size < 1)) throw badOperands(node, `its result would be [${sizes.join(", ")}].`);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, channels, ...sizes] }];
  },
  build: (c) => {
    const axes = axesOf(c.node);
    const group = numberAttribute(c.node, "group", 1);
    const taps = axes.map(({ kernel, dilation, stride }) => Math.ceil(((kernel - 1) * dilation + 1) / stride));
    const strides = axes.map(({ stride }) => stride);
    const weights = phaseWeights(c, axes, group, taps, strides);
    const phaseCount = elementCount(strides);
    const given = c.optional(2);
    const knownBias = given && knownReals(given);
    const bias = knownBias ? c.constant(knownBias) : given;
    const channels = shapeOf(c.input(1))[1]! * group;
    const spreadBias = bias ? c.reshape(c.expand(c.reshape(bias, [channels, 1]), [channels, phaseCount]), [channels * phaseCount]) : null;

    // Positions q from floor(begin / s) to the last one that a kept result lies in.
    const first = axes.map(({ padBegin, stride }) => Math.floor(padBegin / stride));
    const last = axes.map(({ padBegin, output, stride }) => Math.ceil((padBegin + output) / stride));
    const before = axes.map((_, i) => taps[i]! - 1 - first[i]!);
    const after = axes.map(({ input }, i) => last[i]! - input);
    const cut = c.pad(c.input(0), [0, 0, ...before.map((d) => Math.min(0, d))], [0, 0, ...after.map((d) => Math.min(0, d))]);
    const pads = [...before, ...after].map((d) => Math.max(0, d));
    const sums = c.op("Conv", [cut, weights, ...(spreadBias ? [spreadBias] : [])], { pads, group, kernel_shape: taps });
    return [interleave(c, sums, channels, axes, first)];
  },
};

/** The convolution's weights; quantized ones stay quantized, with the scales of their output channels. */
function phaseWeights(c: Composer, axes: readonly Axis[], group: number, taps: readonly number[], strides: readonly number[]): Value {
  const arranged = (w: Value): Value => phases(c, spreadWeights(c, w, axes, taps), group, taps, strides);
  const known = knownIntegers(c.input(1));
  if (!known || (known.scales.length > 1 && known.axis !== 1)) return arranged(c.input(1));
  const weights = arranged(c.constant(known.integers));
  const results = shapeOf(c.input(1))[1]!;
  const scales = Array.from({ length: shapeOf(weights)[0]! }, (_, row) => {
    const channel = Math.floor(row / elementCount(strides)) % results;
    return known.scales[known.scales.length === 1 ? 0 : channel]!;
  });
  return c.op("DequantizeLinear", [weights, c.numbers(scales, [scales.length])], { axis: 0 });
}

/** Weights [C, K/g, taps·s …]: dilation as zeros between them, zeros behind up to a multiple of the stride. */
function spreadWeights(c: Composer, given: Value, axes: readonly Axis[], taps: readonly number[]): Value {
  let w = given;
  axes.forEach(({ kernel, dilation }, i) => {
    if (dilation === 1) return;
    const shape = shapeOf(w);
    const axis = i + 2;
    const apart = c.reshape(w, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]);
    const after = shapeOf(apart).map((_, at) => (at === axis + 1 ? dilation - 1 : 0));
    const spread = c.pad(
      apart,
      after.map(() => 0),
      after,
    );
    w = c.reshape(spread, [...shape.slice(0, axis), kernel * dilation, ...shape.slice(axis + 1)]);
  });
  const missing = axes.map(({ stride }, i) => taps[i]! * stride - shapeOf(w)[i + 2]!);
  const zeros = missing.map(() => 0);
  return c.pad(w, [0, 0, ...zeros], [0, 0, ...missing]);
}

/** [C, K/g, taps·s …] to the convolution's [K·∏s, C/g, taps …], each tap axis reversed, phases innermost. */
function phases(c: Composer, w: Value, group: number, taps: readonly number[], strides: readonly number[]): Value {
  const [channels, results] = shapeOf(w) as readonly [number, number];
  const perGroup = channels / group;
  const split = c.reshape(w, [group, perGroup, results, ...taps.flatMap((tap, i) => [tap, strides[i]!])]);
  const tapAxes = taps.map((_, i) => 3 + 2 * i);
  const phaseAxes = taps.map((_, i) => 4 + 2 * i);
  const ordered = c.transpose(c.flip(split, tapAxes), [0, 2, ...phaseAxes, 1, ...tapAxes]);
  return c.reshape(ordered, [group * results * elementCount(strides), perGroup, ...taps]);
}

/** [N, K·∏s, q …] to [N, K, q·s …], without what lies before the first and behind the last kept result. */
function interleave(c: Composer, sums: Value, channels: number, axes: readonly Axis[], first: readonly number[]): Value {
  const [batch, , ...counts] = shapeOf(sums) as readonly [number, number, ...number[]];
  const strides = axes.map(({ stride }) => stride);
  const rank = axes.length;
  const apart = c.reshape(sums, [batch, channels, ...strides, ...counts]);
  const perm = [0, 1, ...axes.flatMap((_, i) => [2 + rank + i, 2 + i])];
  let y = c.reshape(c.transpose(apart, perm), [batch, channels, ...counts.map((count, i) => count * strides[i]!)]);
  axes.forEach(({ padBegin, output, stride }, i) => {
    const start = padBegin - first[i]! * stride;
    y = c.slice(y, i + 2, start, start + output);
  });
  return y;
}
