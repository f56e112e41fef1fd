/** Runs a graph node by node with the operators' references, on seeded random inputs: what passes must not change. */

import { type Graph, typeOf, type Value, type ValueType } from "../../compiler/ir/graph.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { evaluateNode, inferNode } from "../../compiler/ops/index.ts";
import { clampedTo, clampOf } from "../../compiler/passes/value-range.ts";
import { elementCount, newArray, type Tensor } from "../../host/tensor.ts";

/** A generator of numbers in [0, 1), the same on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Elements in [−1, 1) for floats, small integers for others; the seed is made of the name. Variances, named var…, are positive. */
export function randomTensor(name: string, { dtype, shape }: ValueType, seed = 1): Tensor {
  const next = randomNumbers([...name].reduce((hash, c) => Math.imul(hash, 31) + c.charCodeAt(0), seed));
  const count = elementCount(shape);
  if (dtype === "int64") return { dtype, shape, data: BigInt64Array.from({ length: count }, () => BigInt(Math.floor(next() * 5))) };
  const data = newArray(dtype, count);
  for (let i = 0; i < count; i++)
    data[i] =
      dtype === "float32"
        ? name.startsWith("var")
          ? next() + 0.1
          : next() * 2 - 1
        : dtype === "bool"
          ? Math.round(next())
          : Math.floor(next() * 5);
  return { dtype, shape, data };
}

/** A graph of the text form, its constants random, with the types that the text leaves out unless `typed` is false. Nothing is folded. */
export function graphOf(text: string, typed = true): Graph {
  const graph = parseGraph(text, (name, type) => randomTensor(name, type));
  if (typed) inferTypes(graph);
  return graph;
}

/** Gives every value the type that its operator says; throws where it had another one. */
export function inferTypes(graph: Graph): void {
  for (const node of graph.nodes) {
    inferNode(node).forEach((type, i) => {
      const value = node.outputs[i];
      if (!value) return;
      if (value.type && typeText(value.type) !== typeText(type))
        throw new Error(`${value.name} is ${typeText(value.type)}, but its operator says ${typeText(type)}`);
      graph.setType(value, type);
    });
  }
}

function typeText({ dtype, shape }: ValueType): string {
  return `${dtype}[${shape}]`;
}

/** Random inputs of a graph, by name. */
export function randomInputs(graph: Graph, seed: number, spread = 4): ReadonlyMap<string, Tensor> {
  return new Map(
    graph.inputs.map((input) => {
      const tensor = randomTensor(input.name, typeOf(input), seed);
      if (tensor.dtype === "float32") (tensor.data as Float32Array).forEach((x, i, all) => (all[i] = x * spread));
      return [input.name, tensor];
    }),
  );
}

/** The graph's outputs, in order. */
export function evaluateGraph(graph: Graph, inputs: ReadonlyMap<string, Tensor>): readonly Tensor[] {
  const tensors = new Map<Value, Tensor>(graph.inputs.map((input) => [input, inputs.get(input.name)!]));
  const get = (value: Value): Tensor => {
    const tensor = value.constant ?? tensors.get(value);
    if (!tensor) throw new Error(`${value.name} is read before it is computed`);
    return tensor;
  };
  for (const node of graph.nodes) {
    const results = evaluateNode(
      node,
      node.inputs.map((value) => (value ? get(value) : null)),
    );
    const { low, high } = clampOf(node);
    node.outputs.forEach((value, i) => {
      const result = results[i]!;
      const isClamped = low !== -Infinity || high !== Infinity;
      tensors.set(
        value,
        isClamped
          ? { ...result, data: (result.data as Float32Array).map((x) => clampedTo({ low: x, high: x }, { low, high }).low) }
          : result,
      );
    });
  }
  return graph.outputs.map(get);
}

/** The largest difference of two tensors, relative to the largest element; Infinity where types or NaNs differ. */
export function relativeError(expected: Tensor, got: Tensor): number {
  if (typeText(expected) !== typeText(got)) return Infinity;
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const [e, g] = [Number(expected.data[i]), Number(got.data[i])];
    if (Object.is(e, g) || e === g) {
      if (Number.isFinite(e)) largest = Math.max(largest, Math.abs(e));
      continue;
    }
    if (!Number.isFinite(e) || !Number.isFinite(g)) return Infinity;
    largest = Math.max(largest, Math.abs(e));
    worst = Math.max(worst, Math.abs(e - g));
  }
  return worst / Math.max(largest, 1e-6);
}
