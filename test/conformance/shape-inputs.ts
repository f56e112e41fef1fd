/** Which of a model's inputs decide shapes: a compiler has to know their values. */
import type { Message } from "../../compiler/onnx/fields.ts";
import { operatorName, readModel } from "../../compiler/onnx/model.ts";
import { namesRead, subgraphs } from "../../compiler/onnx/scope.ts";

/** Operands whose values decide the shapes of results, by operator, in every opset. */
const DECIDING: Readonly<Record<string, readonly number[]>> = {
  AffineGrid: [1],
  BlackmanWindow: [0],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  Compress: [1],
  ConstantOfShape: [0],
  DFT: [1, 2],
  Dropout: [1, 2],
  Expand: [1],
  HammingWindow: [0],
  HannWindow: [0],
  Loop: [0, 1],
  MaxUnpool: [2],
  MelWeightMatrix: [0, 1],
  NonMaxSuppression: [2],
  OneHot: [1],
  Pad: [1, 3],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  STFT: [1, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

function allNodes(graph: Message<"GraphProto">): readonly Message<"NodeProto">[] {
  return graph.node.flatMap((node) => [node, ...subgraphs(node).flatMap(allNodes)]);
}

/** Names of the model's values on whose contents a shape depends, inputs among them. */
export function shapeInputs(model: Uint8Array): ReadonlySet<string> {
  const nodes = allNodes(readModel(model).graph);
  const producers = new Map(nodes.flatMap((node) => node.output.map((output) => [output, node] as const)));
  const names = new Set<string>();
  const visit = (name: string | undefined): void => {
    if (!name || names.has(name)) return;
    names.add(name);
    const producer = producers.get(name);
    // What a Shape is taken of decides by its type only.
    if (producer && operatorName(producer) !== "Shape" && operatorName(producer) !== "Size") namesRead(producer).forEach(visit);
    if (producer) for (const graph of subgraphs(producer)) graph.output.forEach((output) => visit(output.name));
  };
  for (const node of nodes) {
    const op = operatorName(node);
    for (const index of DECIDING[op] ?? (op.startsWith("Reduce") ? [1] : [])) visit(node.input[index]);
  }
  return names;
}
