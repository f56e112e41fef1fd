/** The layers of a float graph whose weights can be pruned, as they lie in its plan. */
import * as Opcode from "../../format/opcodes.ts";
import * as ConvF32 from "../../format/steps/conv-f32.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import { depthOf, type Window, windowOf } from "../quantize/patches.ts";
import { isWeighted } from "../quantize/scope.ts";
import { compileIndices, floatConstant } from "../quantize/weight-order.ts";
import type { Compiled } from "../run/graph-runner.ts";

/** A layer with weights of its own. */
export interface Layer {
  readonly node: Node;
  /** Index of its step in the plan. */
  readonly step: number;
  readonly window: Window;
  readonly outputs: number;
  /** Inputs of an output. */
  readonly depth: number;
  /** In the file's order: [outputs][depth], groups one after the other. */
  readonly weights: Float32Array;
  /** Place in the model's tensor of each of `weights`. */
  readonly places: Float32Array;
  readonly bias: Float32Array | null;
}

/**
 * The layers of `graph` in the order of their steps; `compiled` is made from it, with every value to be observed. Left out are layers that
 * share their weights, take several steps, or have a bias that is computed.
 */
export function layersOf(graph: Graph, compiled: Compiled): readonly Layer[] {
  const indices = compileIndices(graph);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const steps = new Map<string, number>();
  for (const [step, name] of compiled.stepNodes.entries())
    if (name && weightsAt(compiled, step)) steps.set(name, steps.has(name) ? -1 : step);
  const found: Layer[] = [];
  for (const [name, step] of steps) {
    const node = nodes.get(name);
    if (step < 0 || !node || !isWeighted(node)) continue;
    const given = requiredInput(node, 1);
    const bias = node.inputs[2] ?? null;
    if (!given.constant || given.readers.size > 1 || (bias && !bias.constant) || !areOwnUnits(node)) continue;
    const window = windowOf(compiled.program.plan.steps[step]!)!;
    const weights = floatConstant(compiled, weightsAt(compiled, step)!);
    const places = floatConstant(indices, weightsAt(indices, step)!);
    const depth = depthOf(window);
    if (!weights || !places || weights.length % depth !== 0 || !isPermutation(places, given.constant.data.length)) continue;
    const outputs = weights.length / depth;
    if (bias && bias.constant!.data.length !== outputs) continue;
    found.push({ node, step, window, outputs, depth, weights, places, bias: (bias?.constant?.data as Float32Array | undefined) ?? null });
  }
  return found.sort((a, b) => a.step - b.step);
}

/** Whether the layer is depthwise: each channel by itself. */
export function isDepthwise({ window }: Layer): boolean {
  return window.groups > 1 && window.channels === 1;
}

/** Puts new weights, and a bias, into `graph`, whose node of that name they belong to. */
export function replaceLayer(graph: Graph, { node: { name }, places }: Layer, weights: Float32Array, bias: Float32Array | null): void {
  const node = graph.nodes.find((each) => each.name === name)!;
  const given = requiredInput(node, 1);
  const data = new Float32Array(weights.length);
  places.forEach((place, i) => {
    data[place] = weights[i]!;
  });
  graph.setInput(node, 1, graph.addConstant(given.name, { dtype: "float32", shape: given.constant!.shape, data }));
  const old = node.inputs[2];
  if (bias && old) graph.setInput(node, 2, graph.addConstant(old.name, { dtype: "float32", shape: old.constant!.shape, data: bias }));
}

function weightsAt({ program }: Compiled, step: number): number | null {
  const words = program.plan.steps[step];
  if (words?.[0] === Opcode.CONV_F32) return words[ConvF32.WEIGHTS]!;
  return words?.[0] === Opcode.DEPTHWISE_F32 ? words[DepthwiseF32.WEIGHTS]! : null;
}

/** A Gemm may scale its weights and its bias. */
function areOwnUnits({ op, attributes: { alpha = 1, beta = 1 } }: Node): boolean {
  return op !== "Gemm" || (alpha === 1 && beta === 1);
}

function isPermutation(places: Float32Array, length: number): boolean {
  if (places.length !== length) return false;
  const seen = new Uint8Array(length);
  for (const place of places) seen[place] = 1;
  return seen.every((s) => s === 1);
}
