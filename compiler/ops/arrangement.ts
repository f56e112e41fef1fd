/** Operators that rearrange a tensor's elements: Transpose, Concat, Slice, Split, Expand, Tile, DepthToSpace, SpaceToDepth. */
import { DTYPES, type DTypeArrays, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Node, ValueType } from "../ir/graph.ts";
import { broadcastShape, broadcastStrides, frontAxes, frontAxis, rowMajorStrides, stridedIndices } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { checkRank, commonType, constantIntegers, operandType, pick, requiredIntegers, requiredTensor } from "./operands.ts";

/** Element (i, j, …) of a result is the operand's at offset + i·strides[0] + j·strides[1] + …; `walked` is the result in finer axes. */
interface Gathered {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
  readonly walked?: readonly number[];
}

function gathering(name: string, results: (node: Node, x: readonly number[]) => readonly Gathered[]): OpDefinition {
  return {
    name,
    infer: (node) => {
      const { dtype, shape } = operandType(node, 0);
      return results(node, shape).map((result): ValueType => ({ dtype, shape: result.shape }));
    },
    evaluate: (node, inputs) => {
      const x = requiredTensor(inputs, 0);
      return results(node, x.shape).map(({ shape, strides, offset, walked }) =>
        pick(x, shape, stridedIndices(walked ?? shape, strides, offset)),
      );
    },
  };
}

function transposed(node: Node, x: readonly number[]): readonly Gathered[] {
  const perm = numbersAttribute(
    node,
    "perm",
    x.map((_, i) => x.length - 1 - i),
  );
  if (perm.length !== x.length || frontAxes(node, perm, x.length).length !== x.length)
    throw badOperands(node, `perm [${perm.join(", ")}] is not one of [${x.join(", ")}].`);
  const strides = rowMajorStrides(x);
  return [{ shape: perm.map((axis) => x[axis]!), strides: perm.map((axis) => strides[axis]!) }];
}

function sliced(node: Node, x: readonly number[]): readonly Gathered[] {
  const starts = requiredIntegers(node, 1, "starts");
  const ends = requiredIntegers(node, 2, "ends");
  const axes = frontAxes(node, constantIntegers(node, 3, "axes") ?? starts.map((_, i) => i), x.length);
  const steps = constantIntegers(node, 4, "steps") ?? starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    throw badOperands(node, "starts, ends, axes and steps differ in length.");
  if (steps.includes(0)) throw badOperands(node, "a step is 0.");
  const shape = [...x];
  const own = rowMajorStrides(x);
  const strides = [...own];
  let offset = 0;
  axes.forEach((axis, i) => {
    const [size, step] = [x[axis]!, steps[i]!];
    const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
    const bound = (value: number): number => Math.max(least, Math.min(most, value < 0 ? value + size : value));
    const start = Math.max(0, bound(starts[i]!));
    shape[axis] = Math.max(0, Math.ceil((bound(ends[i]!) - bound(starts[i]!)) / step));
    offset += start * own[axis]!;
    strides[axis] = step * own[axis]!;
  });
  return [{ shape, strides, offset }];
}

function split(node: Node, x: readonly number[]): readonly Gathered[] {
  const axis = frontAxis(node, numberAttribute(node, "axis", 0), x.length);
  const size = x[axis]!;
  const strides = rowMajorStrides(x);
  let at = 0;
  return partSizes(node, size).map((part) => {
    const offset = at * strides[axis]!;
    at += part;
    return { shape: x.map((d, i) => (i === axis ? part : d)), strides, offset };
  });
}

function partSizes(node: Node, size: number): readonly number[] {
  const given = constantIntegers(node, 1, "the sizes of its parts");
  const count = node.outputs.length;
  if (given) {
    if (given.length !== count || given.some((d) => d < 0) || given.reduce((a, b) => a + b, 0) !== size)
      throw badOperands(node, `parts of [${given.join(", ")}] are not ${count} parts of ${size}.`);
    return given;
  }
  if (numberAttribute(node, "num_outputs", count) !== count) throw badOperands(node, `num_outputs is not its ${count} outputs.`);
  // All alike, but for a smaller last one.
  const part = Math.ceil(size / count);
  if (part * (count - 1) > size) throw badOperands(node, `an axis of ${size} does not make ${count} parts.`);
  return Array.from({ length: count }, (_, i) => (i < count - 1 ? part : size - part * (count - 1)));
}

function expanded(node: Node, x: readonly number[]): readonly Gathered[] {
  const asked = requiredIntegers(node, 1, "the new shape");
  if (asked.some((d) => d < 0)) throw badOperands(node, `the shape [${asked.join(", ")}] has a negative size.`);
  const shape = broadcastShape(node, [x, asked]);
  return [{ shape, strides: broadcastStrides(x, shape) }];
}

function tiled(node: Node, x: readonly number[]): readonly Gathered[] {
  const repeats = requiredIntegers(node, 1, "repeats");
  if (repeats.length !== x.length || repeats.some((r) => r < 0))
    throw badOperands(node, `repeats [${repeats.join(", ")}] do not fit [${x.join(", ")}].`);
  const own = rowMajorStrides(x);
  return [
    { shape: x.map((d, i) => d * repeats[i]!), walked: x.flatMap((d, i) => [repeats[i]!, d]), strides: x.flatMap((_, i) => [0, own[i]!]) },
  ];
}

function blockSize(node: Node): number {
  const block = numberAttribute(node, "blocksize", 0);
  if (!Number.isInteger(block) || block < 1) throw badOperands(node, `blocksize is ${block}.`);
  return block;
}

function depthToSpace(node: Node, x: readonly number[]): readonly Gathered[] {
  checkRank(node, "the image", x, 4, 4);
  const [n, c, h, w] = x as readonly [number, number, number, number];
  const block = blockSize(node);
  const mode = stringAttribute(node, "mode", "DCR");
  if (c % (block * block) !== 0 || (mode !== "DCR" && mode !== "CRD"))
    throw badOperands(node, `${c} channels in mode ${mode} do not make blocks of ${block}.`);
  const depth = c / (block * block);
  const plane = h * w;
  const [stepC, stepY, stepX] =
    mode === "DCR" ? [plane, block * depth * plane, depth * plane] : [block * block * plane, block * plane, plane];
  return [
    { shape: [n, depth, h * block, w * block], walked: [n, depth, h, block, w, block], strides: [c * plane, stepC, w, stepY, 1, stepX] },
  ];
}

function spaceToDepth(node: Node, x: readonly number[]): readonly Gathered[] {
  checkRank(node, "the image", x, 4, 4);
  const [n, c, h, w] = x as readonly [number, number, number, number];
  const block = blockSize(node);
  if (h % block !== 0 || w % block !== 0) throw badOperands(node, `an image of ${h} × ${w} does not divide into blocks of ${block}.`);
  const [oh, ow] = [h / block, w / block];
  return [
    { shape: [n, c * block * block, oh, ow], walked: [n, block, block, c, oh, ow], strides: [c * h * w, w, 1, h * w, block * w, block] },
  ];
}

/** Concat. */
const CONCAT: OpDefinition = {
  name: "Concat",
  infer: (node) => {
    const dtype = commonType(node, DTYPES);
    return [
      {
        dtype,
        shape: concatenated(
          node,
          node.inputs.map((_, i) => operandType(node, i).shape),
        ).shape,
      },
    ];
  },
  evaluate: (node, inputs) => {
    const tensors = inputs.map((_, i) => requiredTensor(inputs, i));
    const { dtype } = tensors[0]!;
    const { shape, axis } = concatenated(
      node,
      tensors.map((tensor) => tensor.shape),
    );
    const data = newArray(dtype, elementCount(shape)) as DTypeArrays["float32"];
    const outer = elementCount(shape.slice(0, axis));
    const row = elementCount(shape.slice(axis));
    let at = 0;
    for (const tensor of tensors) {
      const part = elementCount(tensor.shape.slice(axis));
      for (let o = 0; o < outer; o++) data.set((tensor.data as Float32Array).subarray(o * part, (o + 1) * part), o * row + at);
      at += part;
    }
    return [{ dtype, shape, data } satisfies Tensor];
  },
};

function concatenated(node: Node, shapes: readonly (readonly number[])[]): { readonly shape: readonly number[]; readonly axis: number } {
  const first = shapes[0]!;
  const axis = frontAxis(node, numberAttribute(node, "axis", 0), first.length);
  for (const shape of shapes) {
    if (shape.length !== first.length || shape.some((d, i) => i !== axis && d !== first[i])) {
      throw badOperands(node, `[${first.join(", ")}] and [${shape.join(", ")}] do not join along axis ${axis}.`);
    }
  }
  const total = shapes.reduce((sum, shape) => sum + shape[axis]!, 0);
  return { shape: first.map((d, i) => (i === axis ? total : d)), axis };
}

/** Every operator of this file. */
export const ARRANGEMENT: readonly OpDefinition[] = [
  gathering("Transpose", transposed),
  gathering("Slice", sliced),
  gathering("Split", split),
  gathering("Expand", expanded),
  gathering("Tile", tiled),
  gathering("DepthToSpace", depthToSpace),
  gathering("SpaceToDepth", spaceToDepth),
  CONCAT,
];
