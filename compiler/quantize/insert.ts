/**
 * Inserts QuantizeLinear and DequantizeLinear: the one form in which quantization exists in the graph, whether it was chosen here
 * or came with the model, and the form that is exported.
 *
 *   x ─ Q ─ DQ ─▶ Conv ◀─ DQ ─ int8 weights        every activation that an int8 node reads goes through one Q and one DQ,
 *                  ▲──── DQ ─ int32 bias           which all its readers share
 */
import type { Tensor } from "../../host/tensor.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { roundHalfEven } from "../lower/rescale.ts";
import { type Parameters, parametersOf, type Range } from "./ranges.ts";
import { activationInputs, isWeighted, keepsParameters } from "./scope.ts";
import type { WeightBits } from "./weight-bits.ts";
import { biasScales, outputAxis, quantizeBias, quantizeWeights } from "./weights.ts";

/** How a value was quantized, and the name of its int8 form. */
export interface QuantizedForm extends Parameters {
  readonly quantized: string;
}

/**
 * Quantizes the operands of `nodes`; `rangeOf` gives the range of a computed value or a constant operand. Nodes named in `bits` get
 * weights of fewer than eight bits. Returns what became of the values by name.
 */
export function insertQuantization(
  graph: Graph,
  nodes: ReadonlySet<Node>,
  rangeOf: (value: Value) => Range,
  bits: ReadonlyMap<string, WeightBits> = new Map(),
): ReadonlyMap<string, QuantizedForm> {
  const groups = parameterGroups(nodes);
  const parameters = new Map<string, Parameters>();
  const parametersFor = (value: Value): Parameters => {
    const group = groups.get(value) ?? [value];
    const known = parameters.get(group[0]!.name);
    if (known) return known;
    const ranges = group.map(rangeOf);
    const chosen = parametersOf({ low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) });
    for (const member of group) parameters.set(member.name, chosen);
    return chosen;
  };
  const activations = new Set<Value>();
  for (const node of nodes) for (const i of activationInputs(node)) activations.add(requiredInput(node, i));
  const scales = new Map<Node, number>();
  for (const node of nodes) scales.set(node, parametersFor(requiredInput(node, 0)).scale);
  const forms = new Map<string, QuantizedForm>();
  for (const value of activations) {
    const chosen = parametersFor(value);
    const quantized = value.constant ? quantizeOperand(graph, value, nodes, chosen) : quantizeActivation(graph, value, nodes, chosen);
    forms.set(value.name, { ...chosen, quantized: quantized.name });
  }
  for (const node of nodes) if (isWeighted(node)) quantizeLayer(graph, node, scales.get(node)!, bits.get(node.name) ?? 8);
  return forms;
}

/** Values that must share their parameters, because a node between them moves its operands' integers unchanged. */
export function parameterGroups(nodes: ReadonlySet<Node>): ReadonlyMap<Value, readonly Value[]> {
  const groups = new Map<Value, Value[]>();
  const unite = (a: Value, b: Value): void => {
    const left = groups.get(a) ?? [a];
    const right = groups.get(b) ?? [b];
    if (left === right) return;
    const both = [...left, ...right];
    for (const member of both) groups.set(member, both);
  };
  for (const node of nodes) {
    if (!keepsParameters(node)) continue;
    const [first, ...others] = activationInputs(node).map((i) => requiredInput(node, i));
    for (const value of [...others, ...node.outputs]) unite(first!, value);
  }
  return groups;
}

function scalar(graph: Graph, name: string, tensor: Omit<Tensor, "shape">): Value {
  return graph.addConstant(name, { ...tensor, shape: [] });
}

function quantizeActivation(graph: Graph, value: Value, nodes: ReadonlySet<Node>, { scale, zeroPoint }: Parameters): Value {
  const { shape } = typeOf(value);
  const readers = [...value.readers];
  const first = graph.nodes.find((node) => value.readers.has(node))!;
  const parameters = [
    scalar(graph, `${value.name}.scale`, { dtype: "float32", data: Float32Array.of(scale) }),
    scalar(graph, `${value.name}.zeroPoint`, { dtype: "int8", data: Int8Array.of(zeroPoint) }),
  ];
  const sources = value.producer?.sources ?? [];
  const quantize = graph.add(
    {
      op: "QuantizeLinear",
      name: `${value.name}.Q`,
      inputs: [value, ...parameters],
      sources,
      outputs: [{ name: `${value.name}.quantized`, type: { dtype: "int8", shape } }],
    },
    first,
  );
  const dequantize = graph.add(
    {
      op: "DequantizeLinear",
      name: `${value.name}.DQ`,
      inputs: [onlyOutput(quantize), ...parameters],
      sources,
      outputs: [{ name: `${value.name}.dequantized`, type: { dtype: "float32", shape } }],
    },
    first,
  );
  // A value made in int8 has no float32 form of its own: everyone reads the dequantized one.
  const madeInInt8 = value.producer !== null && nodes.has(value.producer);
  for (const reader of readers) {
    if (!madeInInt8 && !nodes.has(reader)) continue;
    reader.inputs.forEach((input, i) => {
      if (input === value) graph.setInput(reader, i, onlyOutput(dequantize));
    });
  }
  if (madeInInt8 && graph.outputs.includes(value)) {
    graph.setOutputs(
      graph.outputs.map((output) => (output === value ? onlyOutput(dequantize) : output)),
      graph.outputNames,
    );
  }
  return onlyOutput(quantize);
}

/** A constant operand of an elementwise node. */
function quantizeOperand(graph: Graph, value: Value, nodes: ReadonlySet<Node>, { scale, zeroPoint }: Parameters): Value {
  const data = Int8Array.from(value.constant!.data as Float32Array, (x) =>
    Math.max(-128, Math.min(127, roundHalfEven(Math.fround(x / scale)) + zeroPoint)),
  );
  const quantized = graph.addConstant(`${value.name}.quantized`, { dtype: "int8", shape: typeOf(value).shape, data });
  const readers = [...value.readers].filter((reader) => nodes.has(reader));
  for (const reader of readers) {
    reader.inputs.forEach((input, i) => {
      if (input === value && activationInputs(reader).includes(i)) {
        const zero = scalar(graph, `${value.name}.zeroPoint`, { dtype: "int8", data: Int8Array.of(zeroPoint) });
        graph.setInput(
          reader,
          i,
          dequantized(graph, reader, quantized, [
            scalar(graph, `${value.name}.scale`, { dtype: "float32", data: Float32Array.of(scale) }),
            zero,
          ]),
        );
      }
    });
  }
  return quantized;
}

function dequantized(graph: Graph, reader: Node, quantized: Value, parameters: readonly Value[], axis?: number): Value {
  const node = graph.add(
    {
      op: "DequantizeLinear",
      name: `${quantized.name}.DQ`,
      inputs: [quantized, ...parameters],
      attributes: axis === undefined ? {} : { axis },
      sources: reader.sources,
      outputs: [{ name: `${quantized.name}.dequantized`, type: { dtype: "float32", shape: typeOf(quantized).shape } }],
    },
    reader,
  );
  return onlyOutput(node);
}

function quantizeLayer(graph: Graph, node: Node, inputScale: number, bits: WeightBits): void {
  const weights = requiredInput(node, 1);
  const bias = node.inputs[2] ?? null;
  const axis = outputAxis(node);
  const { values, scales } = quantizeWeights(
    weights.constant!,
    axis,
    inputScale,
    (bias?.constant?.data as Float32Array | undefined) ?? null,
    bits,
  );
  const scale = graph.addConstant(`${weights.name}.scale`, { dtype: "float32", shape: [scales.length], data: scales });
  const zero = graph.addConstant(`${weights.name}.zeroPoint`, {
    dtype: "int8",
    shape: [scales.length],
    data: new Int8Array(scales.length),
  });
  graph.setInput(node, 1, dequantized(graph, node, graph.addConstant(`${weights.name}.quantized`, values), [scale, zero], axis));
  if (!bias) return;
  const integers = quantizeBias(bias.constant!.data as Float32Array, inputScale, scales);
  const units = graph.addConstant(`${bias.name}.scale`, biasScales(inputScale, scales));
  graph.setInput(node, 2, dequantized(graph, node, graph.addConstant(`${bias.name}.quantized`, integers), [units], 0));
}
