/**
 * Quantization through operators that only move elements or select among them: each gets QuantizeLinear and DequantizeLinear on both sides, so that
 * it moves int8 and the layers around it stay in int8.
 *
 *   op(dequantize(q)) = dequantize(quantize(op(dequantize(q))))        the same parameters: nothing is rounded
 *   quantize(op(x)) = quantize(op(dequantize(quantize(x))))            rounding and op commute, maxima included
 *
 * Runs after the passes that fuse, whose patterns it would interrupt. Declines for values with other readers, where it would add work.
 */
import { type Graph, type Node, requiredInput, type Value } from "../../ir/graph.ts";
import { addDequantize, addQuantize, areEqual, type TensorParameters, tensorParameters } from "./parameters.ts";
import { isMoving, movedInputs } from "./real-movement.ts";

/** Adds what is missing around operators that move elements. Returns at how many. */
export function completeQuantization(graph: Graph): number {
  let count = 0;
  for (const node of [...graph.nodes].reverse()) if (moves(node) && raise(graph, node)) count++;
  for (const node of [...graph.nodes]) if (moves(node) && sink(graph, node)) count++;
  return count;
}

function moves(node: Node): boolean {
  if (!isMoving(node) || node.channelsLast || node.attributes.clampMin !== undefined || node.attributes.clampMax !== undefined)
    return false;
  return node.op !== "Pad" || !node.inputs[2] || node.inputs[2].constant !== null;
}

/** The parameters with which the only reader quantizes a value to int8. */
function quantizedBehind(graph: Graph, value: Value): TensorParameters | null {
  if (value.readers.size !== 1 || graph.outputs.includes(value)) return null;
  const reader = [...value.readers][0]!;
  return reader.op === "QuantizeLinear" && reader.inputs[0] === value ? int8(reader) : null;
}

function int8(node: Node | null): TensorParameters | null {
  const parameters = tensorParameters(node);
  return parameters?.dtype === "int8" && parameters.scale > 0 ? parameters : null;
}

function dequantizedBy(value: Value): TensorParameters | null {
  return value.producer?.op === "DequantizeLinear" ? int8(value.producer) : null;
}

/** All results are quantized alike: the operands are, too. */
function raise(graph: Graph, node: Node): boolean {
  const [parameters, ...others] = node.outputs.map((output) => quantizedBehind(graph, output));
  if (!parameters || others.some((other) => !other || !areEqual(other, parameters))) return false;
  const inputs = movedInputs(node);
  const isFree = (value: Value): boolean => dequantizedBy(value) !== null || (value.readers.size === 1 && !graph.outputs.includes(value));
  if (!inputs.every((i) => isFree(requiredInput(node, i)) && !requiredInput(node, i).constant)) return false;
  let changed = false;
  for (const i of inputs) {
    const value = requiredInput(node, i);
    const own = dequantizedBy(value);
    if (own && areEqual(own, parameters)) continue;
    const quantized = addQuantize(graph, value, parameters, node.sources, node);
    graph.setInput(node, i, addDequantize(graph, quantized, parameters, node.sources, node));
    changed = true;
  }
  return changed;
}

/** All operands are dequantized alike: the results are quantized for their readers. */
function sink(graph: Graph, node: Node): boolean {
  const [parameters, ...others] = movedInputs(node).map((i) => dequantizedBy(requiredInput(node, i)));
  if (!parameters || others.some((other) => !other || !areEqual(other, parameters))) return false;
  let changed = false;
  for (const output of node.outputs) {
    if (output.readers.size === 0 || graph.outputs.includes(output) || quantizedBehind(graph, output)) continue;
    const next = graph.nodeAfter(node);
    const quantized = addQuantize(graph, output, parameters, node.sources, next);
    const dequantized = addDequantize(graph, quantized, parameters, node.sources, next);
    graph.replaceUses(output, dequantized, quantized.producer!);
    changed = true;
  }
  return changed;
}
