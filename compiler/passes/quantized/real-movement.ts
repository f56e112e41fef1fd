/**
 * Operators that move quantized integers, between QuantizeLinear and DequantizeLinear: they move real numbers instead, as in the form that
 * eqm quantizes to, so that the passes on real numbers apply and lowering finds its pattern.
 *
 *   dequantize(op(q)) = op(dequantize(q))                    for an op that moves elements, selects among them, or clamps them
 *   clip(quantize(x), a, b) = quantize(clip(x, a', b'))      a' = (a − zero)·scale: rounding keeps the order, and a' is rounded to a
 *
 * Runs before the passes that fuse. Declines where nothing behind dequantizes, and where scales are by axis or computed.
 */

import { stringAttribute } from "../../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../../ir/graph.ts";
import { castTensor } from "../../ops/cast.ts";
import { clampRange } from "../value-range.ts";
import { addDequantize, addQuantize, areEqual, type TensorParameters, tensorParameters } from "./parameters.ts";

/** Operators whose result's elements are those of operand 0 (of Concat: of all), perhaps not all of them. */
const MOVING: ReadonlySet<string> = new Set(
  "Reshape Flatten Squeeze Unsqueeze Identity Transpose Expand Slice Split Tile DepthToSpace SpaceToDepth Gather Concat MaxPool Pad".split(
    " ",
  ),
);

const CLAMPING: ReadonlySet<string> = new Set(["Clip", "Relu"]);

/** The operands that `node` moves, by index. */
export function movedInputs(node: Node): readonly number[] {
  return node.op === "Concat" ? node.inputs.map((_, i) => i) : [0];
}

/** Rewrites every operator on quantized integers that it can. Returns how many. */
export function moveReals(graph: Graph): number {
  const wanted = new Map<Node, TensorParameters>();
  for (const node of [...graph.nodes].reverse()) {
    const parameters = canMove(node) ? parametersBehind(node, wanted) : null;
    if (parameters) wanted.set(node, parameters);
  }
  const reals = new Map<Value, Value>();
  for (const node of [...graph.nodes]) {
    const parameters = wanted.get(node);
    if (parameters) onReals(graph, node, parameters, reals);
  }
  return wanted.size;
}

function canMove(node: Node): boolean {
  const [first] = node.inputs;
  if (!first || node.channelsLast) return false;
  const { dtype } = typeOf(first);
  if (dtype !== "int8" && dtype !== "uint8") return false;
  if (CLAMPING.has(node.op)) return clampRange(node) !== null;
  if (node.op === "Pad") return !node.inputs[2] || node.inputs[2].constant !== null;
  return isMoving(node);
}

/** Whether each element of the node's results is one of its operands', or what Pad pads with. */
export function isMoving(node: Node): boolean {
  if (node.op === "Resize") return stringAttribute(node, "mode", "nearest") === "nearest" && !hasCrop(node);
  return MOVING.has(node.op) && (node.op !== "MaxPool" || node.outputs.length === 1);
}

/** A Resize that can reach beyond its operand gives a constant there. */
function hasCrop(node: Node): boolean {
  return stringAttribute(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
}

/** What the node's results are dequantized with, perhaps behind further such nodes. */
function parametersBehind(node: Node, wanted: ReadonlyMap<Node, TensorParameters>): TensorParameters | null {
  for (const output of node.outputs) {
    for (const reader of output.readers) {
      if (reader.inputs[0] !== output && reader.op !== "Concat") continue;
      const found = reader.op === "DequantizeLinear" ? tensorParameters(reader) : wanted.get(reader);
      if (found) return found;
    }
  }
  return null;
}

/** `reals`: what was quantized here without rounding, for the next such node to take. */
function onReals(graph: Graph, node: Node, parameters: TensorParameters, reals: Map<Value, Value>): void {
  const { sources } = node;
  const inputs = [...node.inputs];
  const isClamp = CLAMPING.has(node.op);
  const quantize = requiredInput(node, 0).producer;
  const given = isClamp && requiredInput(node, 0).readers.size === 1 ? tensorParameters(quantize) : null;
  const isBefore = given !== null && quantize!.op === "QuantizeLinear" && areEqual(given, parameters);
  for (const i of movedInputs(node)) {
    inputs[i] = isBefore
      ? requiredInput(quantize!, 0)
      : (knownReal(inputs[i]!, parameters, reals) ?? addDequantize(graph, inputs[i]!, parameters, sources, node));
  }
  const real = (x: number): number => Math.fround(Math.fround(x - parameters.zeroPoint) * Math.fround(parameters.scale));
  const constant = (name: string, x: number): Value | null =>
    Number.isFinite(x) ? graph.addConstant(`${node.name}.${name}`, { dtype: "float32", shape: [], data: Float32Array.of(real(x)) }) : null;
  if (isClamp) {
    const { low, high } = clampRange(node)!;
    inputs.splice(1, 2, constant("min", low), constant("max", high));
  } else if (node.op === "Pad") {
    const value = node.inputs[2]?.constant;
    inputs[2] = constant("value", value ? Number(castTensor(value, "int32").data[0]) : 0);
  }
  const moved = graph.add(
    {
      op: isClamp ? "Clip" : node.op,
      name: node.name,
      inputs,
      attributes: node.attributes,
      sources,
      outputs: node.outputs.map(({ name, type }) => ({ name: `${name}.real`, type: { dtype: "float32", shape: type!.shape } })),
    },
    node,
  );
  node.outputs.forEach((output, i) => {
    const quantized = replaceResult(graph, output, moved.outputs[i]!, parameters, isBefore, node);
    if (quantized && !isBefore) reals.set(quantized, moved.outputs[i]!);
  });
  graph.remove(node);
  if (isBefore && onlyOutput(quantize!).readers.size === 0 && !graph.outputs.includes(onlyOutput(quantize!))) graph.remove(quantize!);
}

/** Readers that dequantize `integers` read `reals`, unless those still are to be rounded; others read them quantized: that value, if any. */
function replaceResult(
  graph: Graph,
  integers: Value,
  reals: Value,
  parameters: TensorParameters,
  isExact: boolean,
  before: Node,
): Value | null {
  if (!isExact) {
    for (const reader of [...integers.readers]) {
      const own = reader.op === "DequantizeLinear" ? tensorParameters(reader) : null;
      if (!own || !areEqual(own, parameters)) continue;
      graph.replaceUses(onlyOutput(reader), reals);
      graph.remove(reader);
    }
  }
  if (integers.readers.size === 0 && !graph.outputs.includes(integers)) return null;
  const quantized = addQuantize(graph, reals, parameters, before.sources, before);
  graph.replaceUses(integers, quantized);
  return quantized;
}

function knownReal(integers: Value, parameters: TensorParameters, reals: ReadonlyMap<Value, Value>): Value | null {
  const given = tensorParameters(integers.producer);
  return given && areEqual(given, parameters) ? (reals.get(integers) ?? null) : null;
}
