/**
 * From a channels-last graph to a program. A node whose operands are dequantized and whose result is quantized becomes one int8
 * step; a node with float32 ends becomes float32 steps; QuantizeLinear and DequantizeLinear that are left become steps themselves.
 */
import { elementCount } from "../../host/tensor.ts";
import { type Unsupported, unsupported } from "../errors.ts";
import { type Graph, type Node, onlyOutput, typeOf } from "../ir/graph.ts";
import { COUNTED_AXES } from "../ops/counted.ts";
import { ARRANGEMENT_OPS, lowerArrangement, lowerArrangementI8, lowerConstantOfShape } from "./arrangement.ts";
import { lowerBatchNorm } from "./batch-norm.ts";
import { Builder } from "./builder.ts";
import { lowerNonZero, lowerSuppression } from "./counted.ts";
import { BINARY_OPS, lowerBinaryF32, lowerBinaryI8, lowerTableI8, lowerUnaryF32, lowerVariadic, UNARY_OPS } from "./elementwise.ts";
import { lowerLayerNorm } from "./layer-norm.ts";
import { LOGIC_OPS, lowerLogic } from "./logic.ts";
import type { Lowered, Port } from "./lowered.ts";
import { emitCopy } from "./movement.ts";
import { lowerPool, lowerPoolI8 } from "./pooling.ts";
import { lowerCast, lowerQuantizeLinear, lowerRequantize } from "./quantization.ts";
import { lowerReduce, lowerReduceI8, REDUCE_OPS } from "./reduction.ts";
import { lowerResize, lowerResizeI8 } from "./resize.ts";
import { lowerCumulation, lowerScatter, lowerTopK } from "./selection.ts";
import { lowerSoftmax } from "./softmax.ts";
import { lowerWeightedF32, lowerWeightedI8 } from "./weighted.ts";

/** How one operator is lowered; `int8` declines by returning false, and then `float` takes the node. */
interface Rule {
  readonly int8: (builder: Builder, node: Node) => boolean;
  readonly float: (builder: Builder, node: Node) => void;
}

const never = (): boolean => false;
const table = (ops: readonly string[], rule: Rule): [string, Rule][] => ops.map((op) => [op, rule]);

const RULES: ReadonlyMap<string, Rule> = new Map([
  ...table(["Conv", "Gemm", "MatMul"], { int8: lowerWeightedI8, float: lowerWeightedF32 }),
  ...table(UNARY_OPS, { int8: lowerTableI8, float: lowerUnaryF32 }),
  ...table(BINARY_OPS, { int8: lowerBinaryI8, float: lowerBinaryF32 }),
  ...table(["Max", "Min", "Sum"], { int8: never, float: lowerVariadic }),
  ...table(["MaxPool", "AveragePool"], { int8: lowerPoolI8, float: lowerPool }),
  ...table(REDUCE_OPS, { int8: lowerReduceI8, float: lowerReduce }),
  ...table(["Softmax", "LogSoftmax"], { int8: never, float: lowerSoftmax }),
  ...table(["LayerNormalization", "RMSNormalization"], { int8: never, float: lowerLayerNorm }),
  ...table(["BatchNormalization"], { int8: never, float: lowerBatchNorm }),
  ...table(["QuantizeLinear", "DequantizeLinear"], { int8: lowerRequantize, float: lowerQuantizeLinear }),
  ...table(["Cast"], { int8: never, float: lowerCast }),
  ...table(LOGIC_OPS, { int8: never, float: lowerLogic }),
  ...table(["TopK"], { int8: never, float: lowerTopK }),
  ...table(["ScatterND"], { int8: never, float: lowerScatter }),
  ...table(["CumSum", "CumProd"], { int8: never, float: lowerCumulation }),
  ...table(["NonZero"], { int8: never, float: lowerNonZero }),
  ...table(["NonMaxSuppression"], { int8: never, float: lowerSuppression }),
  ...table(["ConstantOfShape"], { int8: never, float: lowerConstantOfShape }),
  ...table(["Resize"], { int8: lowerResizeI8, float: lowerResize }),
  ...table(ARRANGEMENT_OPS, { int8: lowerArrangementI8, float: lowerArrangement }),
]);

/** Whether an operator can be lowered (in some form). */
export function isLowerable(op: string): boolean {
  return RULES.has(op);
}

/** Lowers a graph (the caller's last use of it) whose values have types and whose images are channels-last. Errors: `unsupported`, with every node concerned. */
export function lowerGraph(graph: Graph): Lowered {
  const missing: Unsupported[] = graph.nodes
    .filter(({ op }) => !RULES.has(op))
    .map(({ name, op, sources }) => ({ node: sources[0] ?? name, op, reason: "eqm has no kernel for this operator yet" }));
  missing.push(...countedOperands(graph));
  if (missing.length > 0) throw unsupported(missing);
  keepQuantizedOutputs(graph);
  const builder = new Builder(lowerQuantizeLinear);
  const inputs = graph.inputs.map((value): Port => {
    const { dtype, shape } = typeOf(value);
    return { name: value.name, dtype, shape, reference: builder.define(value) };
  });
  for (const node of graph.nodes) {
    if (node.op === "DequantizeLinear" || node.outputs.every((value) => builder.isPlaced(value))) continue;
    if (isComputed(builder, node)) continue;
    const rule = RULES.get(node.op)!;
    builder.enter(node);
    if (!rule.int8(builder, node)) rule.float(builder, node);
  }
  builder.enter(null);
  const outputs = graph.outputs.map((_value, i) => outputPort(builder, graph, i, inputs));
  return { steps: builder.steps, regions: builder.regions, inputs, outputs, placements: builder.placements };
}

/** Nodes that work on what has as many entries as the data decide: such values can only be outputs. */
function countedOperands(graph: Graph): readonly Unsupported[] {
  return graph.nodes.flatMap(({ name, op, inputs, sources }) => {
    const source = inputs.find((value) => value?.producer && Object.hasOwn(COUNTED_AXES, value.producer.op))?.producer;
    if (!source) return [];
    const reason = `how many entries its input has is known only when running (${source.op} "${source.name}"); end the model there`;
    return [{ node: sources[0] ?? name, op, reason }];
  });
}

/** Gives an output that is quantized as well a second reader, so that nobody takes its int8 form for all that is needed. */
function keepQuantizedOutputs(graph: Graph): void {
  for (const value of new Set(graph.outputs)) {
    const [reader, ...others] = value.readers;
    if (reader?.op !== "QuantizeLinear" || others.length > 0) continue;
    const name = `${value.name}.kept`;
    graph.add({ op: "Identity", name, inputs: [value], sources: reader.sources, outputs: [{ name, type: value.type }] });
  }
}

/** The node's int8 result was written by the step of the node before it. */
function isComputed(builder: Builder, node: Node): boolean {
  return node.op === "QuantizeLinear" && builder.isPlaced(onlyOutput(node));
}

/** An output has a place of its own: constants, inputs and values that are two outputs are copied. */
function outputPort(builder: Builder, graph: Graph, index: number, inputs: readonly Port[]): Port {
  const value = graph.outputs[index]!;
  const { dtype, shape } = typeOf(value);
  let reference = builder.reference(value);
  const count = builder.counts.get(value);
  const counted = count && { axis: COUNTED_AXES[value.producer!.op]!, reference: count };
  const shared = reference.region.constant !== null || inputs.some((port) => port.reference.region === reference.region);
  if (shared || graph.outputs.indexOf(value) !== index || reference.offsetBytes !== 0) {
    const copy = { region: builder.region(builder.byteSize({ dtype, shape })), offsetBytes: 0 };
    emitCopy(builder, reference, copy, builder.byteSize({ dtype, shape: [1] }), [elementCount(shape)], [1], [1]);
    reference = copy;
  }
  return { name: graph.outputNames[index]!, dtype, shape, reference, ...(counted && { counted }) };
}
