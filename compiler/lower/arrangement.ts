/**
 * Lowering rules of operators that only move elements: views, strided copies, fills, gathers. They work on any element type, so
 * on int8 as on float32: where operand and result have the same scale and zero point, the quantized form is moved.
 */
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import { dtypeBytes, elementCount } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute, tensorAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Builder, quantizedOperand, quantizedResult } from "./builder.ts";
import { tensorBytes } from "./lowered.ts";
import { constantIntegers, elementBytes, emitCopy, emitTranspose, type Moved, shifted } from "./movement.ts";
import { emitGather, pad } from "./pad.ts";
import { broadcastStrides, rowMajorStrides } from "./strides.ts";

function movedInt8(node: Node): Moved | null {
  const x = quantizedOperand(requiredInput(node, 0));
  if (!x) return null;
  const results: Value[] = [];
  for (const output of node.outputs) {
    const result = quantizedResult(output);
    if (result?.scale !== x.scale || result.zeroPoint !== x.zeroPoint) return null;
    results.push(result.value);
  }
  return { x: x.value, results };
}

type Rule = (builder: Builder, node: Node, moved: Moved, zeroPoint: number) => void;

const RULES: Readonly<Record<string, Rule>> = {
  Reshape: view,
  Flatten: view,
  Squeeze: view,
  Unsqueeze: view,
  Identity: view,
  Dropout: dropout,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Split: split,
  Pad: pad,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Gather: gather,
};

/** Operators that this file lowers, Concat included. */
export const ARRANGEMENT_OPS: readonly string[] = [...Object.keys(RULES), "Concat"];

/** Moves int8 values; false where the node's ends are not of one quantization, or a computed float32 value is padded with. */
export function lowerArrangementI8(builder: Builder, node: Node): boolean {
  if (node.op === "Concat") return concatI8(builder, node);
  const moved = movedInt8(node);
  if (!moved || (node.op === "Pad" && node.inputs[2]?.constant === null)) return false;
  RULES[node.op]!(builder, node, moved, quantizedOperand(requiredInput(node, 0))!.zeroPoint);
  return true;
}

/** Moves values of any type. */
export function lowerArrangement(builder: Builder, node: Node): void {
  if (node.op === "Concat") concat(builder, node, node.inputs as readonly Value[], node.outputs[0]!);
  else RULES[node.op]!(builder, node, { x: requiredInput(node, 0), results: node.outputs }, 0);
}

function view(builder: Builder, _node: Node, { x, results }: Moved): void {
  builder.place(results[0]!, builder.reference(x));
}

/** Inference: the operand itself; a mask that is asked for says that every element is kept. */
function dropout(builder: Builder, _node: Node, { x, results: [result, mask] }: Moved): void {
  builder.place(result!, builder.reference(x));
  const count = mask ? elementCount(typeOf(mask).shape) : 0;
  if (mask) builder.define(mask);
  if (mask && count > 0)
    builder.step(Opcode.FILL, Fill, { DST: builder.reference(mask), ELEMENT_BYTES: 1, COUNT: count, VALUE_LOW: 1, VALUE_HIGH: 0 });
}

function transpose(builder: Builder, node: Node, { x, results }: Moved): void {
  const perm = (node.attributes.perm as readonly number[] | undefined) ?? typeOf(x).shape.map((_, i, all) => all.length - 1 - i);
  const src = builder.reference(x);
  emitTranspose(builder, src, typeOf(x), perm, builder.define(results[0]!));
}

function expand(builder: Builder, _node: Node, { x, results }: Moved): void {
  const { shape } = typeOf(results[0]!);
  const src = builder.reference(x);
  emitCopy(
    builder,
    src,
    builder.define(results[0]!),
    elementBytes(x),
    shape,
    broadcastStrides(typeOf(x).shape, shape),
    rowMajorStrides(shape),
  );
}

/** One value, as often as the shape asks. */
export function lowerConstantOfShape(builder: Builder, node: Node): void {
  const y = node.outputs[0]!;
  const { dtype, shape } = typeOf(y);
  const dst = builder.define(y);
  const words = new Int32Array(2);
  const value = tensorAttribute(node, "value");
  if (value) new Uint8Array(words.buffer).set(tensorBytes(value));
  if (elementCount(shape) === 0) return;
  const count = elementCount(shape);
  builder.step(Opcode.FILL, Fill, {
    DST: dst,
    ELEMENT_BYTES: dtypeBytes(dtype),
    COUNT: count,
    VALUE_LOW: words[0]!,
    VALUE_HIGH: words[1]!,
  });
}

function tile(builder: Builder, _node: Node, { x, results }: Moved): void {
  const source = typeOf(x).shape;
  const { shape } = typeOf(results[0]!);
  // Each axis becomes two: the repetition, which the source does not move along, and the axis itself.
  const own = rowMajorStrides(source);
  const target = rowMajorStrides(shape);
  const dims = source.flatMap((d, i) => [d === 0 ? 0 : shape[i]! / d, d]);
  const src = builder.reference(x);
  emitCopy(
    builder,
    src,
    builder.define(results[0]!),
    elementBytes(x),
    dims,
    source.flatMap((_, i) => [0, own[i]!]),
    source.flatMap((d, i) => [target[i]! * d, target[i]!]),
  );
}

function slice(builder: Builder, node: Node, { x, results }: Moved): void {
  const { shape } = typeOf(x);
  const starts = constantIntegers(node.inputs[1])!;
  const axes = constantIntegers(node.inputs[3]) ?? starts.map((_, i) => i);
  const steps = constantIntegers(node.inputs[4]) ?? starts.map(() => 1);
  const strides = [...rowMajorStrides(shape)];
  const own = rowMajorStrides(shape);
  let offset = 0;
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + shape.length : given;
    const size = shape[axis]!;
    const raw = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
    const start = steps[i]! > 0 ? Math.max(0, Math.min(size, raw)) : Math.max(0, Math.min(size - 1, raw));
    offset += start * own[axis]!;
    strides[axis] = own[axis]! * steps[i]!;
  });
  const result = typeOf(results[0]!).shape;
  const src = builder.reference(x);
  emitCopy(
    builder,
    shifted(src, offset, elementBytes(x)),
    builder.define(results[0]!),
    elementBytes(x),
    result,
    strides,
    rowMajorStrides(result),
  );
}

function split(builder: Builder, node: Node, { x, results }: Moved): void {
  const { shape } = typeOf(x);
  const given = numberAttribute(node, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  const strides = rowMajorStrides(shape);
  const src = builder.reference(x);
  let at = 0;
  for (const result of results) {
    const part = typeOf(result).shape;
    emitCopy(
      builder,
      shifted(src, at * strides[axis]!, elementBytes(x)),
      builder.define(result),
      elementBytes(x),
      part,
      strides,
      rowMajorStrides(part),
    );
    at += part[axis]!;
  }
}

function depthToSpace(builder: Builder, node: Node, { x, results }: Moved): void {
  const [batch, height, width, depth] = typeOf(x).shape as readonly [number, number, number, number];
  const block = numberAttribute(node, "blocksize", 1);
  const channels = depth / (block * block);
  const isColumnRow = stringAttribute(node, "mode", "DCR") === "CRD";
  // N, H, by, W, bx, C in the result's order.
  const [stepY, stepX, stepC] = isColumnRow ? [block, 1, block * block] : [block * channels, channels, 1];
  const src = builder.reference(x);
  emitCopy(
    builder,
    src,
    builder.define(results[0]!),
    elementBytes(x),
    [batch, height, block, width, block, channels],
    [height * width * depth, width * depth, stepY, depth, stepX, stepC],
    rowMajorStrides([batch, height, block, width, block, channels]),
  );
}

function spaceToDepth(builder: Builder, node: Node, { x, results }: Moved): void {
  const [batch, height, width, channels] = typeOf(x).shape as readonly [number, number, number, number];
  const block = numberAttribute(node, "blocksize", 1);
  const dims = [batch, height / block, width / block, block, block, channels];
  const src = builder.reference(x);
  emitCopy(
    builder,
    src,
    builder.define(results[0]!),
    elementBytes(x),
    dims,
    [height * width * channels, block * width * channels, block * channels, width * channels, channels, 1],
    rowMajorStrides(dims),
  );
}

function gather(builder: Builder, node: Node, { x, results }: Moved): void {
  const { shape } = typeOf(x);
  const indices = requiredInput(node, 1);
  const given = numberAttribute(node, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  const src = builder.reference(x);
  const places = builder.reference(indices);
  const count = elementCount(typeOf(indices).shape);
  const dst = builder.define(results[0]!);
  if (elementCount(typeOf(results[0]!).shape) === 0) return;
  emitGather(builder, src, dst, places, typeOf(indices).dtype as "int32" | "int64", shape, axis, count, elementBytes(x));
}

function concat(builder: Builder, node: Node, operands: readonly Value[], result: Value): void {
  const { shape } = typeOf(result);
  const given = numberAttribute(node, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  const strides = rowMajorStrides(shape);
  const places = operands.map((value) => builder.reference(value));
  const dst = builder.define(result);
  let at = 0;
  operands.forEach((value, i) => {
    const part = typeOf(value).shape;
    emitCopy(
      builder,
      places[i]!,
      shifted(dst, at * strides[axis]!, elementBytes(result)),
      elementBytes(result),
      part,
      rowMajorStrides(part),
      strides,
    );
    at += part[axis]!;
  });
}

function concatI8(builder: Builder, node: Node): boolean {
  const result = quantizedResult(node.outputs[0]!);
  const operands = node.inputs.map((value) => quantizedOperand(value!));
  if (!result || operands.some((x) => x?.scale !== result.scale || x.zeroPoint !== result.zeroPoint)) return false;
  concat(
    builder,
    node,
    operands.map((x) => x!.value),
    result.value,
  );
  return true;
}
