/**
 * Takes the mean error of rounded weights out of the biases (Nagel et al. 2019, section 4.2, with measured means).
 *
 *   E[y_q − y] = Σ (W_q − W)·E[x],   so   b ← b − Σ (W_q − W)·E[x]
 *
 * E[x] is the mean of each input channel over the calibration samples; what padding takes from it at the edges is left out.
 */
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import type { Calibration } from "./calibrate.ts";
import { quantizeBias } from "./weights.ts";

/** Corrects the biases of all int8 layers of `graph`, whose float32 form is `float`. Returns how many it changed. */
export function correctBiases(graph: Graph, float: Graph, calibration: Calibration): number {
  const originals = new Map(float.nodes.map((node) => [node.outputs[0]?.name, node]));
  let corrected = 0;
  for (const node of graph.nodes) {
    const original = originals.get(node.outputs[0]?.name);
    if (original && correctBias(graph, node, original, calibration)) corrected++;
  }
  return corrected;
}

function correctBias(graph: Graph, node: Node, original: Node, calibration: Calibration): boolean {
  const weights = node.inputs[1]?.producer;
  const bias = node.inputs[2]?.producer;
  if (weights?.op !== "DequantizeLinear" || bias?.op !== "DequantizeLinear") return false;
  const seen = calibration.statistics.get(requiredInput(original, 0).name);
  if (!seen || seen.channelCount === 0) return false;
  const exact = requiredInput(original, 1).constant!;
  const rounded = requiredInput(weights, 0).constant!.data as Int8Array;
  const scales = requiredInput(weights, 1).constant!.data as Float32Array;
  const units = requiredInput(bias, 1).constant!.data as Float32Array;
  const data = exact.data as Float32Array;
  const isConv = node.op === "Conv";
  const transposed = numberAttribute(node, "transB", 0) !== 0;
  const outputs = isConv || transposed ? exact.shape[0]! : exact.shape[1]!;
  const depth = data.length / outputs;
  const taps = isConv ? exact.shape.slice(2).reduce((a, b) => a * b, 1) : 1;
  const inputsOfGroup = depth / taps;
  const outputsOfGroup = outputs / (isConv ? numberAttribute(node, "group", 1) : 1);
  const shift = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const firstChannel = isConv ? Math.floor(o / outputsOfGroup) * inputsOfGroup : 0;
    for (let k = 0; k < depth; k++) {
      const at = isConv || transposed ? o * depth + k : k * outputs + o;
      const mean = seen.channelSums[firstChannel + Math.floor(k / taps)]! / seen.channelCount;
      shift[o] = shift[o]! + (rounded[at]! * scales[o]! - data[at]!) * mean;
    }
  }
  const old = original.inputs[2]?.constant?.data as Float32Array | undefined;
  const inputScale = units[0]! / scales[0]!;
  const fresh = Float32Array.from(shift, (s, o) => (old ? old[o]! : 0) - s);
  graph.setInput(bias, 0, graph.addConstant(requiredInput(bias, 0).name, quantizeBias(fresh, inputScale, scales)));
  return true;
}
