/** Cuts channels out of a graph: weights, biases and whatever else has an axis along them, and the numbers that nodes state about them. */
import type { Tensor, TypedArray } from "../../host/tensor.ts";
import { newArray } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { inferShapes } from "../passes/infer-shapes.ts";
import type { Channels } from "./channels.ts";

/** Removes the channels whose root identity `isRemoved` names; `channels` is what `traceChannels` found in `graph`. */
export function removeChannels(graph: Graph, channels: Channels, isRemoved: (root: number) => boolean): void {
  const keeps = (id: number): boolean => !isRemoved(channels.rootOf(id));
  for (const { node, input, axis, ids } of channels.slices) {
    const kept = Array.from(ids.keys()).filter((i) => keeps(ids[i]!));
    if (kept.length === ids.length) continue;
    const value = requiredInput(node, input);
    graph.setInput(node, input, graph.addConstant(value.name, take(value.constant!, axis, kept)));
  }
  for (const node of graph.nodes) restate(graph, node, channels, keeps);
  inferShapes(graph);
}

/** Groups of depthwise convolutions, sizes of splits and of resized images, targets of reshapes. */
function restate(graph: Graph, node: Node, { axes }: Channels, keeps: (id: number) => boolean): void {
  const count = (value: Value): number | undefined => axes.get(value)?.ids.reduce((sum, id) => sum + (keeps(id) ? 1 : 0), 0);
  switch (node.op) {
    case "Conv": {
      const groups = numberAttribute(node, "group", 1);
      const given = axes.get(requiredInput(node, 0));
      if (groups > 1 && given && groups === given.ids.length) graph.setAttributes(node, { group: count(requiredInput(node, 0))! });
      break;
    }
    case "Split": {
      const along = numberAttribute(node, "axis", 0);
      const first = requiredInput(node, 0);
      const axis = along < 0 ? along + typeOf(first).shape.length : along;
      if (axes.get(first)?.axis !== axis) break;
      graph.setAttributes(node, { num_outputs: undefined });
      graph.setInput(
        node,
        1,
        addShape(
          graph,
          `${node.name}.split`,
          node.outputs.map((output) => count(output)!),
        ),
      );
      break;
    }
    case "Resize": {
      const sizes = node.inputs[3]?.constant;
      const first = requiredInput(node, 0);
      const found = axes.get(first);
      if (!sizes || !found) break;
      const listed = numbersAttribute(node, "axes", null)?.map((axis) => (axis < 0 ? axis + typeOf(first).shape.length : axis));
      const at = listed ? listed.indexOf(found.axis) : found.axis;
      const numbers = Array.from(sizes.data, Number);
      if (at >= 0) numbers[at] = count(first)!;
      graph.setInput(node, 3, addShape(graph, `${node.name}.sizes`, numbers));
      break;
    }
    case "Reshape": {
      const found = axes.get(onlyOutput(node));
      if (!found) break;
      const shape = [...typeOf(onlyOutput(node)).shape];
      shape[found.axis] = count(onlyOutput(node))!;
      graph.setInput(node, 1, addShape(graph, `${node.name}.shape`, shape));
      break;
    }
  }
}

function addShape(graph: Graph, name: string, numbers: readonly number[]): Value {
  return graph.addConstant(name, { dtype: "int64", shape: [numbers.length], data: BigInt64Array.from(numbers, BigInt) });
}

/** The positions `kept` of an axis of a tensor. */
export function take({ dtype, shape, data }: Tensor, axis: number, kept: readonly number[]): Tensor {
  const inner = shape.slice(axis + 1).reduce((product, d) => product * d, 1);
  const outer = shape.slice(0, axis).reduce((product, d) => product * d, 1);
  const width = shape[axis]!;
  const result = newArray(dtype, outer * kept.length * inner);
  for (let o = 0; o < outer; o++) {
    for (const [i, position] of kept.entries()) {
      const from = (o * width + position) * inner;
      (result as Float32Array).set((data as TypedArray).subarray(from, from + inner) as Float32Array, (o * kept.length + i) * inner);
    }
  }
  return { dtype, shape: shape.map((d, i) => (i === axis ? kept.length : d)), data: result };
}
