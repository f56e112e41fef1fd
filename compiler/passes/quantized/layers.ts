/** Whether a model comes quantized, and what becomes of the QuantizeLinear and DequantizeLinear of one that does not. */

import { elementCount } from "../../../host/tensor.ts";
import { Composer, dtypeOf, shapeOf } from "../../decompose/composer.ts";
import { numberAttribute } from "../../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, type Value } from "../../ir/graph.ts";
import { evaluateNode, inferNode } from "../../ops/index.ts";
import { isMoving } from "./real-movement.ts";

const LAYERS: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);
const CONVERSIONS: ReadonlySet<string> = new Set(["QuantizeLinear", "DequantizeLinear"]);

/**
 * Whether an operator computes with quantized numbers: a layer multiplies dequantized activations by dequantized weights or activations, or another
 * operator stands between DequantizeLinear and QuantizeLinear. What only moves elements may stand between.
 */
export function isQuantized(graph: Graph): boolean {
  const dequantized = valuesBehind(graph, (node) => node.op === "DequantizeLinear");
  const quantized = valuesBefore(graph, (node) => node.op === "QuantizeLinear");
  const isDequantized = (value: Value | null | undefined): boolean => !!value && dequantized.has(value);
  return graph.nodes.some((node) => {
    if (CONVERSIONS.has(node.op) || isMoving(node) || !isDequantized(node.inputs[0])) return false;
    return LAYERS.has(node.op) ? isDequantized(node.inputs[1]) : node.outputs.some((output) => quantized.has(output));
  });
}

/** Results of nodes that hold, also seen through what only moves elements. */
function valuesBehind(graph: Graph, holds: (node: Node) => boolean): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const node of graph.nodes) {
    const first = node.inputs[0];
    if (holds(node) || (first && found.has(first) && isMoving(node))) for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** First operands of nodes that hold, also seen through what only moves elements. */
function valuesBefore(graph: Graph, holds: (node: Node) => boolean): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const node of [...graph.nodes].reverse()) {
    const first = node.inputs[0];
    if (first && (holds(node) || (isMoving(node) && node.outputs.some((output) => found.has(output))))) found.add(first);
  }
  return found;
}

/**
 * Turns DequantizeLinear into arithmetic on real numbers, in a model that is to be quantized: weights that it only stores in integers become real
 * constants, activations (q − zero) · scale. Declines for constants that no layer reads, and for activations in blocks. Returns how many.
 */
export function toRealForm(graph: Graph): number {
  let count = 0;
  const weights = layerOperands(graph);
  for (const node of [...graph.nodes]) {
    if (node.op !== "DequantizeLinear") continue;
    const isConstant = node.inputs.every((value) => !value || value.constant !== null);
    if (isConstant && !weights.has(onlyOutput(node))) continue;
    if (isConstant) {
      const constants = node.inputs.map((value) => value?.constant ?? null);
      graph.makeConstant(onlyOutput(node), evaluateNode(node, constants)[0]!);
    } else {
      if (numberAttribute(node, "block_size", 0) !== 0) continue;
      graph.replaceUses(onlyOutput(node), arithmetic(graph, node));
    }
    graph.remove(node);
    count++;
  }
  return count;
}

/** What layers read, also seen through what only moves elements. */
function layerOperands(graph: Graph): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const node of [...graph.nodes].reverse()) {
    if (!LAYERS.has(node.op) && !(isMoving(node) && node.outputs.some((output) => found.has(output)))) continue;
    for (const input of node.inputs) if (input) found.add(input);
  }
  return found;
}

/** (q − zero) · scale, scale and zero along their axis. */
function arithmetic(graph: Graph, node: Node): Value {
  const c = new Composer(node, graph, { infer: inferNode, evaluate: evaluateNode }, node, false);
  const [q, scale, zero] = [requiredInput(node, 0), requiredInput(node, 1), node.inputs[2] ?? null];
  const rank = shapeOf(q).length;
  const given = numberAttribute(node, "axis", 1);
  const axis = given < 0 ? given + rank : given;
  const along = (value: Value): Value => {
    const count = elementCount(shapeOf(value));
    return c.reshape(value, count === 1 ? [] : shapeOf(q).map((_, i) => (i === axis ? count : 1)));
  };
  // Differences of int32 are exact as integers.
  const wide = dtypeOf(q) === "int32" ? "int32" : "float32";
  const centred = zero ? c.sub(c.cast(q, wide), c.cast(along(zero), wide)) : q;
  return c.mul(c.cast(centred, "float32"), along(scale));
}
