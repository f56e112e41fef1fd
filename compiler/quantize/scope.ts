/**
 * Which nodes work in int8.
 *
 * Those that have int8 kernels and a layer with weights at or behind them. What comes after the last such layer (box decoding,
 * softmax, upsampling of a result) stays in float32: it is cheap, and nothing hides its rounding errors. So do the sums that
 * normalizations read: a few channels of them are far larger than the rest, and every layer adds its rounding errors to the same sum.
 */

import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, requiredInput, typeOf } from "../ir/graph.ts";

const WEIGHTED = new Set(["Conv", "Gemm", "MatMul"]);

const ELEMENTWISE = new Set(
  "Add Sub Mul Div PRelu Relu Clip LeakyRelu Sigmoid Tanh HardSwish HardSigmoid eqm:Silu Erf Softplus Elu Gelu Abs Neg Sqrt".split(" "),
);

/** Operators whose results have the scale and zero point of their operands. */
const SAME_PARAMETERS = new Set(
  "Reshape Flatten Squeeze Unsqueeze Identity Dropout Transpose Expand Slice Split Pad Tile DepthToSpace SpaceToDepth Gather Concat MaxPool Resize".split(
    " ",
  ),
);

const NORMALIZING = new Set(["LayerNormalization", "RMSNormalization"]);

const AVERAGING = new Set(["AveragePool", "GlobalAveragePool", "ReduceMean"]);

/** Whether a node's result must have its operands' quantization. */
export function keepsParameters(node: Node): boolean {
  return SAME_PARAMETERS.has(node.op);
}

/** Inputs of a node that are activations (or take part in the arithmetic like one), by index. */
export function activationInputs(node: Node): readonly number[] {
  if (node.op === "Conv" || node.op === "Gemm") return [0];
  if (node.op === "MatMul") return requiredInput(node, 1).constant ? [0] : [0, 1];
  if (node.op === "Concat") return node.inputs.map((_, i) => i);
  return "Add Sub Mul Div PRelu".split(" ").includes(node.op) ? [0, 1] : [0];
}

/** Whether a node has constant weights. */
export function isWeighted(node: Node): boolean {
  return node.op === "Conv" || node.op === "Gemm" || (node.op === "MatMul" && requiredInput(node, 1).constant !== null);
}

/** Whether a node is a convolution whose every output channel sees one input channel. */
export function isDepthwise(node: Node): boolean {
  return node.op === "Conv" && numberAttribute(node, "group", 1) > 1 && typeOf(requiredInput(node, 1)).shape[1] === 1;
}

/** Whether a node in int8 can give float32: depthwise layers of as many outputs as inputs give int8 only, as do nodes that are no layers. */
export function givesFloat(node: Node): boolean {
  return WEIGHTED.has(node.op) && !(isDepthwise(node) && typeOf(requiredInput(node, 1)).shape[0] === numberAttribute(node, "group", 1));
}

/**
 * The nodes that could work in int8, in topological order reversed; `keepFloat` names nodes (by their own name or their ONNX sources) that do not, `moved` the first
 * results of others. Nodes that give int8 only and whose results nobody reads in int8 are none of them.
 */
export function int8Nodes(graph: Graph, keepFloat: ReadonlySet<string>, moved: ReadonlySet<string> = new Set()): ReadonlySet<Node> {
  const chosen = new Set<Node>();
  const leadsToWeights = new Set<Node>();
  const normalizedSums = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    const kept = keepFloat.has(node.name) || moved.has(node.outputs[0]!.name) || node.sources.some((source) => keepFloat.has(source));
    const isLayer = WEIGHTED.has(node.op) && hasInt8Form(node) && !kept;
    const leads = isLayer || node.outputs.some((value) => [...value.readers].some((reader) => leadsToWeights.has(reader)));
    if (leads) leadsToWeights.add(node);
    if (node.op === "Add" && isReadBy(node, (reader) => NORMALIZING.has(reader.op) || normalizedSums.has(reader))) normalizedSums.add(node);
    if (kept || !leads || normalizedSums.has(node)) continue;
    if (!(isLayer && givesFloat(node)) && !isReadBy(node, (reader) => chosen.has(reader))) continue;
    if (isLayer || (!WEIGHTED.has(node.op) && hasInt8Form(node))) chosen.add(node);
  }
  return chosen;
}

function isReadBy(node: Node, holds: (reader: Node) => boolean): boolean {
  return node.outputs.some((value) => [...value.readers].some(holds));
}

function hasInt8Form(node: Node): boolean {
  if (node.inputs.length === 0 || typeOf(requiredInput(node, 0)).dtype !== "float32" || !hasFiniteConstants(node)) return false;
  switch (node.op) {
    case "Conv":
      return requiredInput(node, 1).constant !== null && isConstantOrAbsent(node, 2) && typeOf(requiredInput(node, 0)).shape.length <= 4;
    case "Gemm":
      return requiredInput(node, 1).constant !== null && isConstantOrAbsent(node, 2) && isPlainGemm(node);
    case "MatMul":
      return (
        requiredInput(node, 0).constant === null &&
        (requiredInput(node, 1).constant === null || typeOf(requiredInput(node, 1)).shape.length === 2)
      );
    case "MaxPool":
      return node.outputs.length === 1;
    case "Clip":
      return isConstantOrAbsent(node, 1) && isConstantOrAbsent(node, 2);
    case "Resize":
      return (node.attributes.coordinate_transformation_mode ?? "") !== "tf_crop_and_resize";
    default:
      return ELEMENTWISE.has(node.op) || SAME_PARAMETERS.has(node.op) || AVERAGING.has(node.op);
  }
}

/** No range and no scale holds a NaN or an infinity. Bounds of a Clip and what a Pad pads with may be infinite. */
function hasFiniteConstants(node: Node): boolean {
  const taking = WEIGHTED.has(node.op) ? [0, 1, 2] : activationInputs(node);
  return taking.every((i) => (node.inputs[i]?.constant?.data as Float32Array | undefined)?.every(Number.isFinite) ?? true);
}

function isPlainGemm(node: Node): boolean {
  const { alpha = 1, beta = 1, transA = 0 } = node.attributes;
  const bias = node.inputs[2]?.constant;
  const outputs = typeOf(node.outputs[0]!).shape[1]!;
  return (
    alpha === 1 && beta === 1 && transA === 0 && (!bias || (bias.data.length === outputs && bias.shape[bias.shape.length - 1] === outputs))
  );
}

function isConstantOrAbsent(node: Node, index: number): boolean {
  const value = node.inputs[index];
  return !value || value.constant !== null;
}
