/** Windows and pieces of images: LpPool, Col2Im, MaxUnpool, CenterCropPad, TensorScatter. */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { axisOf, type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** (Σ |x|ᵖ)^(1/p): `total` sums over whatever the operator does. */
function norm(c: Composer, p: number, total: (powers: Value) => Value): Value {
  const x = c.op("Abs", [c.input(0)]);
  const powers = p === 1 ? x : p === 2 ? c.mul(x, x) : c.op("Pow", [x, c.scalar(p)]);
  const sum = total(powers);
  return p === 1 ? sum : p === 2 ? c.op("Sqrt", [sum]) : c.op("Pow", [sum, c.scalar(1 / p)]);
}

/** The sum over a window is the convolution with ones, channel by channel. */
const LP_POOL: Decomposition = {
  name: "LpPool",
  build: (c) => {
    if (numberAttribute(c.node, "ceil_mode", 0) !== 0) throw c.fault("ceil_mode is 1, which eqm does not have for it.");
    const channels = shapeOf(c.input(0))[1]!;
    const kernel = numbersAttribute(c.node, "kernel_shape", []);
    const { p: _p, ceil_mode: _ceil, ...window } = c.node.attributes;
    const ones = c.expand(c.scalar(1), [channels, 1, ...kernel]);
    return [norm(c, numberAttribute(c.node, "p", 2), (powers) => c.op("Conv", [powers, ones], { ...window, group: channels }))];
  },
};

const GLOBAL_LP_POOL: Decomposition = {
  name: "GlobalLpPool",
  build: (c) => {
    const axes = shapeOf(c.input(0))
      .slice(2)
      .map((_, i) => i + 2);
    return [norm(c, numberAttribute(c.node, "p", 2), (powers) => c.reduce("Sum", powers, axes))];
  },
};

/** The blocks' columns [N, C·block, L] added up where they overlap: a transposed convolution that moves each entry to its place. */
const COL_2_IM: Decomposition = {
  name: "Col2Im",
  build: (c) => {
    const image = c.integers(1, "the image's shape")!;
    const block = c.integers(2, "the block's shape")!;
    const ones = image.map(() => 1);
    const strides = numbersAttribute(c.node, "strides", ones);
    const dilations = numbersAttribute(c.node, "dilations", ones);
    const zeros = image.map(() => 0);
    const pads = numbersAttribute(c.node, "pads", [...zeros, ...zeros]);
    const [batch, columns, length] = shapeOf(c.input(0)) as readonly [number, number, number];
    const size = elementCount(block);
    const channels = columns / size;
    const steps = image.map(
      (d, i) => Math.floor((d + pads[i]! + pads[i + image.length]! - dilations[i]! * (block[i]! - 1) - 1) / strides[i]!) + 1,
    );
    if (!Number.isInteger(channels) || elementCount(steps) !== length)
      throw c.fault(`columns [${columns}, ${length}] are not those of blocks [${block.join(", ")}].`);
    const x = c.reshape(c.input(0), [batch * channels, size, ...steps]);
    const identity = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const weights = c.numbers(identity, [size, 1, ...block]);
    const extra = image.map(
      (d, i) => d + pads[i]! + pads[i + image.length]! - (steps[i]! - 1) * strides[i]! - dilations[i]! * (block[i]! - 1) - 1,
    );
    const y = c.op("ConvTranspose", [x, weights], { strides, dilations, pads, output_padding: extra });
    return [c.reshape(y, [batch, channels, ...image])];
  },
};

/** Each maximum back to the place that MaxPool took it from. */
const MAX_UNPOOL: Decomposition = {
  name: "MaxUnpool",
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const kernel = numbersAttribute(c.node, "kernel_shape", []);
    const strides = numbersAttribute(
      c.node,
      "strides",
      kernel.map(() => 1),
    );
    const pads = numbersAttribute(
      c.node,
      "pads",
      [...kernel, ...kernel].map(() => 0),
    );
    const spatial = shape.slice(2).map((d, i) => (d - 1) * strides[i]! + kernel[i]! - pads[i]! - pads[i + kernel.length]!);
    const natural = [...shape.slice(0, 2), ...spatial];
    const asked = c.integers(2, "the output's shape") ?? natural;
    const count = elementCount(shape);
    const zeros = c.expand(c.scalar(0, dtypeOf(x)), [elementCount(natural)]);
    const flat = c.op("ScatterND", [zeros, c.reshape(c.input(1), [count, 1]), c.reshape(x, [count])]);
    const y = c.reshape(flat, natural);
    const after = asked.map((d, i) => d - natural[i]!);
    return [
      c.pad(
        y,
        after.map(() => 0),
        after,
      ),
    ];
  },
};

/** The middle of each axis, or zeros around it. */
const CENTER_CROP_PAD: Decomposition = {
  name: "CenterCropPad",
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const given = numbersAttribute(
      c.node,
      "axes",
      shape.map((_, i) => i),
    );
    const sizes = c.integers(1, "the shape")!;
    const before = shape.map(() => 0);
    const after = shape.map(() => 0);
    given.forEach((one, i) => {
      const axis = axisOf(one, shape.length);
      const more = sizes[i]! - shape[axis]!;
      // Cutting off leaves the extra position at the end, filling puts it there.
      before[axis] = more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2);
      after[axis] = more - before[axis];
    });
    return [c.pad(x, before, after)];
  },
};

/** New keys or values into a cache, each sequence's from its own place on; `circular` goes on at the front. */
const TENSOR_SCATTER: Decomposition = {
  name: "TensorScatter",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const [cache, update] = [c.input(0), c.input(1)];
    const shape = shapeOf(cache);
    const axis = axisOf(numberAttribute(c.node, "axis", -2), shape.length);
    const steps = shapeOf(update)[axis]!;
    const starts = c.optional(2) ? c.cast(c.input(2), "int64") : c.expand(c.scalar(0, "int64"), [shape[0]!]);
    const lead = shape.slice(0, axis).map((_, i) => (i === 0 ? shape[0]! : 1));
    const places = c.add(c.reshape(starts, [...lead, 1]), c.range(steps, [steps]));
    const isCircular = stringAttribute(c.node, "mode", "linear") === "circular";
    const wrapped = isCircular ? c.op("Mod", [places, c.scalar(shape[axis]!, "int64")]) : places;
    const indices = c.expand(c.reshape(wrapped, [...shapeOf(wrapped), ...shape.slice(axis + 1).map(() => 1)]), shapeOf(update));
    return [c.op("ScatterElements", [cache, indices, update], { axis })];
  },
};

/** Every decomposition of this file. */
export const PATCHES: readonly Decomposition[] = [LP_POOL, GLOBAL_LP_POOL, COL_2_IM, MAX_UNPOOL, CENTER_CROP_PAD, TENSOR_SCATTER];
