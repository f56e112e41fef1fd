/**
 * What a node takes in int8 and in float32, and what changing between the two takes: an estimate by operator and size, in nanoseconds of
 * one core of the machine that the rates were measured on (`eqm bench --profile` of the shared models). Only ratios matter, and as they do
 * not depend on where a model is compiled, neither do the bytes that it becomes.
 */
import { elementCount } from "../../host/tensor.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { VIEWS } from "../passes/affine.ts";
import { macsOf } from "../report/macs.ts";
import { activationInputs, givesFloat, isDepthwise, keepsParameters } from "./scope.ts";

/** Nanoseconds for each multiply-accumulate, or each element of the result. */
interface Rate {
  readonly int8: number;
  readonly float32: number;
}

const DENSE: Rate = { int8: 0.03, float32: 0.083 };
const DEPTHWISE: Rate = { int8: 0.065, float32: 0.08 };
/** Functions of one value: a table of 256 in int8. */
const TRANSCENDENTAL: Rate = { int8: 0.34, float32: 2.2 };
const SIMPLE: Rate = { int8: 0.34, float32: 0.26 };
const BINARY: Rate = { int8: 0.27, float32: 0.26 };
const MOVING: Rate = { int8: 0.1, float32: 0.25 };
/** For each element of the operand or the result, whichever has more. */
const POOLING: Rate = { int8: 0.2, float32: 0.36 };
const QUANTIZE_NS = 0.25;
const DEQUANTIZE_NS = 0.2;
/** What a layer in int8 takes more for a result in float32. */
const WIDER_NS = 0.1;
/** What a step takes however small it is. */
const STEP_NS = 60;

const TRANSCENDENTALS = new Set("Sigmoid Tanh eqm:Silu Erf Softplus Elu Gelu".split(" "));
const POOLINGS = new Set("MaxPool AveragePool GlobalAveragePool ReduceMean Resize".split(" "));

function costOf(node: Node, precision: keyof Rate): number {
  if (VIEWS.has(node.op)) return 0;
  const macs = macsOf(node);
  if (macs > 0) {
    return STEP_NS + macs * (isDepthwise(node) ? DEPTHWISE : DENSE)[precision];
  }
  const written = node.outputs.reduce((sum, value) => sum + elementCount(typeOf(value).shape), 0);
  const elements = POOLINGS.has(node.op) ? Math.max(written, elementCount(typeOf(requiredInput(node, 0)).shape)) : written;
  return STEP_NS + elements * rateOf(node)[precision];
}

function rateOf(node: Node): Rate {
  if (TRANSCENDENTALS.has(node.op)) return TRANSCENDENTAL;
  if (POOLINGS.has(node.op)) return POOLING;
  if (keepsParameters(node)) return MOVING;
  return activationInputs(node).length > 1 ? BINARY : SIMPLE;
}

/** The cost of `nodes` and of the conversions of what they read and write, where the nodes in `int8` work in int8; in nanoseconds. */
export function regionCost(nodes: Iterable<Node>, int8: (node: Node) => boolean, isOutput: (value: Value) => boolean): number {
  let sum = 0;
  const values = new Set<Value>();
  for (const node of nodes) {
    sum += costOf(node, int8(node) ? "int8" : "float32");
    for (const value of [...node.inputs, ...node.outputs])
      if (value && !value.constant && typeOf(value).dtype === "float32") values.add(value);
  }
  for (const value of values) sum += conversionCost(value, int8, isOutput);
  return sum;
}

/** A value made in float32 is quantized for readers in int8; one made in int8 is dequantized for the others, but that layers give float32 to them. */
function conversionCost(value: Value, int8: (node: Node) => boolean, isOutput: (value: Value) => boolean): number {
  const readers = [...value.readers];
  const count = elementCount(typeOf(value).shape);
  const { producer } = value;
  const isMadeInInt8 = producer !== null && int8(producer);
  if (!readers.some((reader) => int8(reader) && activationInputs(reader).some((i) => reader.inputs[i] === value)))
    return isMadeInInt8 ? (givesFloat(producer) ? count * WIDER_NS : STEP_NS + count * DEQUANTIZE_NS) : 0;
  if (!isMadeInInt8) return STEP_NS + count * QUANTIZE_NS;
  return isOutput(value) || readers.some((reader) => !int8(reader)) ? STEP_NS + count * DEQUANTIZE_NS : 0;
}
