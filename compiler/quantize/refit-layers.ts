/**
 * Which layers of a quantized graph can be refitted (refit.ts), and where each stands in the float32 and in the int8 program: not those whose
 * weights serve several layers, nor those where one output has more weights than MOST_DEPTH.
 */
import * as Opcode from "../../format/opcodes.ts";
import * as ConvF32 from "../../format/steps/conv-f32.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import { pairsOf, runsOf, type WeightSets } from "../lower/weight-sets.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { areAlike, depthOf, type Window, windowOf } from "./patches.ts";
import { compileIndices, floatConstant } from "./weight-order.ts";

/** Layers whose outputs have more weights are left as they are: the work grows with the cube. */
const MOST_DEPTH = 2304;

/** A layer that can be refitted. */
export interface Layer {
  readonly node: Node;
  readonly step: number;
  readonly floatStep: number;
  readonly window: Window;
  readonly floatWindow: Window;
  /** [outputs][depth], groups one after the other. */
  readonly weights: Float32Array;
  /** Place in the model's tensor of each of `weights`. */
  readonly places: Float32Array;
  readonly floatBias: Float32Array | null;
  /** The sets of its weights that the relaxed build multiplies together, four at a time and two; null where its shape has none. */
  readonly runs: WeightSets | null;
  readonly pairs: WeightSets | null;
}

/** The layers that can be refitted, in the order of their steps. */
export function layersOf(float: Graph, graph: Graph, floatCompiled: Compiled, int8: Compiled): readonly Layer[] {
  const indices = compileIndices(float);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const floatNodes = new Map(float.nodes.map((node) => [node.name, node]));
  const floatSteps = new Map<string, number>();
  floatCompiled.program.plan.steps.forEach((words, step) => {
    const name = floatCompiled.stepNodes[step];
    if (name && windowOf(words)?.isInt8 === false) floatSteps.set(name, floatSteps.has(name) ? -1 : step);
  });
  const found: Layer[] = [];
  let last = -1;
  int8.program.plan.steps.forEach((words, step) => {
    const name = int8.stepNodes[step] ?? "";
    const node = nodes.get(name);
    const floatNode = floatNodes.get(name);
    const floatStep = floatSteps.get(name) ?? -1;
    const window = windowOf(words);
    if (!node || !floatNode || floatStep <= last || !window?.isInt8 || requiredInput(node, 1).producer?.op !== "DequantizeLinear") return;
    const floatWords = floatCompiled.program.plan.steps[floatStep]!;
    const floatWindow = windowOf(floatWords)!;
    const weightsAddress = floatWords[floatWords[0] === Opcode.CONV_F32 ? ConvF32.WEIGHTS : DepthwiseF32.WEIGHTS]!;
    const weights = floatConstant(floatCompiled, weightsAddress);
    const places = indexConstant(indices, floatStep);
    const bias = node.inputs[2] ?? null;
    const given = requiredInput(floatNode, 1);
    if (!given.constant || given.readers.size > 1) return;
    if (!areAlike(window, floatWindow) || depthOf(window) > MOST_DEPTH || !weights || places?.length !== weights.length) return;
    if (bias && bias.producer?.op !== "DequantizeLinear") return;
    last = floatStep;
    found.push({
      node,
      step,
      floatStep,
      window,
      floatWindow,
      weights,
      places,
      floatBias: (floatNode.inputs[2]?.constant?.data as Float32Array | undefined) ?? null,
      ...setsOf(words),
    });
  });
  return found;
}

function indexConstant(indices: Compiled, step: number): Float32Array | null {
  const words = indices.program.plan.steps[step]!;
  return floatConstant(indices, words[words[0] === Opcode.CONV_F32 ? ConvF32.WEIGHTS : DepthwiseF32.WEIGHTS]!);
}

/** Those of a CONV_I8 step; others have none. */
function setsOf(w: Int32Array): Pick<Layer, "runs" | "pairs"> {
  if (w[0] !== Opcode.CONV_I8) return { runs: null, pairs: null };
  const sizes = [
    w[ConvI8.KERNEL_H]!,
    w[ConvI8.KERNEL_W]!,
    w[ConvI8.IN_C]!,
    w[ConvI8.GROUPS]!,
    w[ConvI8.DILATION_W]!,
    w[ConvI8.SRC_PITCH]!,
  ] as const;
  const [count, length] = [ConvI8.segments(...sizes), ConvI8.segmentLength(...sizes)];
  // Sparse weights are multiplied in pairs.
  const isSparse = ConvI8.isSparse(w[ConvI8.PAIR_SAFE]!);
  return { runs: isSparse ? null : runsOf(count, length), pairs: pairsOf(count, length) };
}
