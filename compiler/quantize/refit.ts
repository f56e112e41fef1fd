/**
 * Rounds the weights of a quantized graph anew, layer by layer, each for the inputs that the layers before it give (gptq.ts), and pair-safe
 * (format/packings.ts) where that is asked for and costs little. Samples walk through the float32 and the int8 model in step. Without
 * samples every input counts as much as any other.
 *
 * A layer's weights stay as they are where they serve several layers, and where one output has more than MOST_DEPTH.
 */

import * as Opcode from "../../format/opcodes.ts";
import { PAIR_LIMIT, pairsFit } from "../../format/packings.ts";
import * as ConvF32 from "../../format/steps/conv-f32.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { mostLiveBytes, SampleWalk } from "../run/sample-walk.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { type Prepared, prepare, prepareBlind, type Rounded, roundingErrors, roundWeights } from "./gptq.ts";
import { type CenteredMoments, MomentProducts } from "./moments.ts";
import { areAlike, depthOf, gather, pixelsOf, type Window, windowOf } from "./patches.ts";
import type { WeightBits } from "./weight-bits.ts";
import { compileIndices, floatConstant } from "./weight-order.ts";
import { biasScales, leastScales, quantizeBias } from "./weights.ts";

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 512e6;
/** Layers whose outputs have more weights are left as they are: the work grows with the cube. */
const MOST_DEPTH = 2304;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 4;
const FEWEST_OBSERVATIONS = 1024;
const MOST_OBSERVATIONS = 6144;

/**
 * Pair-safe weights may add this many times the noise that rounding to nearest does, fitted to samples and not; or any noise so far below
 * the signal.
 */
const ALLOWED_NOISE = 1.1;
const ALLOWED_BLIND_NOISE = 2.5;
const NEGLIGIBLE_NOISE = 2e-5;

/** What became of a layer. */
export interface RefittedLayer {
  readonly name: string;
  /** Whether its shape allows pair-safe weights, and whether it has them. */
  readonly isPairable: boolean;
  readonly isPairSafe: boolean;
  /** Variance that the weights' rounding adds to the layer's result, as a part of that: to nearest, and as it is now. */
  readonly noiseOfNearest: number;
  readonly noise: number;
}

/** Weights and bias of a layer as they may stand in a graph. */
export interface LayerForm {
  /** In the order of the model's tensor. */
  readonly values: Int8Array;
  /** One for each output. */
  readonly scales: Float32Array;
  /** In real units; null where the layer has none. */
  readonly bias: Float32Array | null;
  /** Variance that rounding adds to the layer's result, as a part of that. */
  readonly noise: number;
}

/** How to refit. */
export interface RefitRule {
  /** Bits of layers of fewer than eight, by name. */
  readonly bits: ReadonlyMap<string, WeightBits>;
  readonly pairSafe: boolean;
  /** Is told of each layer before its weights are replaced; `formOf` gives those that it would have in other bits, as long as the call lasts. */
  readonly explore?: (name: string, formOf: (bits: WeightBits) => LayerForm) => void;
}

interface Layer {
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
  readonly partners: Int32Array | null;
}

/** Refits the weights and biases of `graph` in place; `float` is the graph it was made from. With no samples biases stay as they are. */
export async function refitWeights(
  float: Graph,
  graph: Graph,
  floatCompiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  rule: RefitRule,
  watch: Watch,
): Promise<readonly RefittedLayer[]> {
  const { metadata } = floatCompiled.program;
  let int8 = compileGraph(graph, metadata);
  const layers = layersOf(float, graph, floatCompiled, int8);
  const each = mostLiveBytes(floatCompiled) + mostLiveBytes(int8);
  const used = samples.slice(0, Math.max(1, Math.floor(MEMORY_BUDGET_BYTES / Math.max(1, each))));
  const floatWalk = new SampleWalk(floatCompiled, module, used);
  const walk = new SampleWalk(int8, module, used);
  const products = new MomentProducts(module);
  const done: RefittedLayer[] = [];
  try {
    for (const [i, layer] of layers.entries()) {
      await watch.pause();
      const observed = used.length > 0 ? await observe(layer, int8, walk, floatWalk, used.length, watch) : null;
      const refitted = await refitLayer(graph, layer, observed, products, rule, watch);
      if (refitted) done.push(refitted);
      if (refitted && observed) {
        int8 = compileGraph(graph, metadata);
        walk.replace(int8);
      }
      watch.step(i + 1, layers.length);
    }
  } finally {
    floatWalk.dispose();
    walk.dispose();
    products.dispose();
  }
  return done;
}

interface Observed {
  readonly observations: number;
  /** How many independent ones they are worth: neighbouring pixels are alike. */
  readonly independent: number;
  /** [groups][observations][depth], in units of one step of the int8 input. */
  readonly x: Float32Array;
  readonly quantized: Float32Array;
}

/** Takes all samples to the layer and gathers what a part of its pixels sees, the same in both models. */
async function observe(
  { step, floatStep, floatWindow, node }: Layer,
  int8: Compiled,
  walk: SampleWalk,
  floatWalk: SampleWalk,
  samples: number,
  { pause }: Watch,
): Promise<Observed> {
  const window = windowOf(int8.program.plan.steps[step]!)!;
  const [pixels, depth] = [pixelsOf(window), depthOf(window)];
  const wanted = Math.min(MOST_OBSERVATIONS, Math.max(FEWEST_OBSERVATIONS, OBSERVATIONS_PER_WEIGHT * depth));
  const share = Math.min(pixels, Math.ceil(wanted / samples));
  const observations = share * samples;
  const x = new Float32Array(window.groups * observations * depth);
  const quantized = new Float32Array(x.length);
  const look =
    (seen: Window, factor: number, into: Float32Array) => (sample: number, view: (address: number, bytes: number) => Uint8Array) =>
      gather(seen, view(seen.address, seen.bytes), spread(pixels, share, sample), factor, into, observations, sample * share);
  await walk.advanceTo(step, look(window, 1, quantized), pause);
  await floatWalk.advanceTo(floatStep, look(floatWindow, 1 / inputScale(node), x), pause);
  return { observations, independent: samples * Math.sqrt(share), x, quantized };
}

/** `count` of `pixels`, evenly spread, each sample at another offset. */
function spread(pixels: number, count: number, sample: number): Int32Array {
  const offset = ((sample * 40503) % 65536) / 65536;
  return Int32Array.from({ length: count }, (_, i) => Math.floor(((i + offset) * pixels) / count));
}

function inputScale(node: Node): number {
  return Number(requiredInput(requiredInput(node, 0).producer!, 1).constant!.data[0]);
}

/** A group of a layer's outputs, prepared, with what was measured. */
interface Group {
  readonly prepared: Prepared;
  readonly moments: CenteredMoments | null;
  /** Variance of the result, Σ over outputs, and that of rounding to nearest. */
  readonly signal: number;
  readonly nearest: number;
}

async function refitLayer(
  graph: Graph,
  { node, weights, places, window, floatBias, partners: pairable }: Layer,
  observed: Observed | null,
  products: MomentProducts,
  { bits: chosenBits, pairSafe, explore }: RefitRule,
  { pause }: Watch,
): Promise<RefittedLayer | null> {
  const depth = depthOf(window);
  const outputs = weights.length / depth;
  const perGroup = outputs / window.groups;
  const bits = chosenBits.get(node.name) ?? 8;
  const partners = bits === 8 ? pairable : null;
  const unit = inputScale(node);
  const old = rowsOf(requiredInput(node, 1).producer!, places, outputs);
  const part = <T extends Float32Array | Float64Array | Int8Array>(data: T, g: number, length: number): T =>
    data.subarray(g * length, (g + 1) * length) as T;
  const groups: Group[] = [];
  for (let g = 0; g < window.groups; g++) {
    await pause();
    const rows = part(weights, g, perGroup * depth);
    const moments = observed && momentsOf(observed, products, g, depth, floatBias !== null);
    const prepared = moments ? prepare(rows, moments) : prepareBlind(rows, depth);
    if (!prepared) return null;
    const nearest = sum(roundingErrors(prepared, part(old.values, g, perGroup * depth), part(old.scales, g, perGroup)));
    groups.push({ prepared, moments, nearest, signal: signalOf(rows, depth, moments) });
  }
  const [signal, nearest] = [sum(groups.map((group) => group.signal)), sum(groups.map((group) => group.nearest))];
  const least = leastScales(weights, outputs, unit, floatBias);
  const round = (to: WeightBits, mates: Int32Array | null): readonly Rounded[] =>
    groups.map(({ prepared }, g) => roundWeights(prepared, { bits: to, partners: mates, leastScales: part(least, g, perGroup) }));
  const noiseOf = (rounded: readonly Rounded[]): number => sum(rounded.map(({ errors }) => sum(errors)));
  const formOf = (rounded: readonly Rounded[]): LayerForm => {
    const values = new Int8Array(weights.length);
    const scales = new Float32Array(outputs);
    const bias = floatBias?.slice() ?? null;
    rounded.forEach((result, g) => {
      const from = g * perGroup * depth;
      for (const [i, q] of result.values.entries()) values[places[from + i]!] = q;
      scales.set(result.scales, g * perGroup);
      const { moments } = groups[g]!;
      if (!bias || !moments) return;
      const shift = shifts(part(weights, g, perGroup * depth), result, moments);
      for (let o = 0; o < perGroup; o++) bias[g * perGroup + o] = bias[g * perGroup + o]! + shift[o]! * unit;
    });
    return { values, scales, bias, noise: signal > 0 ? noiseOf(rounded) / signal : 0 };
  };
  explore?.(node.name, (other) => formOf(round(other, null)));
  let rounded = round(bits, pairSafe ? partners : null);
  if (
    pairSafe &&
    partners &&
    noiseOf(rounded) > Math.max((observed ? ALLOWED_NOISE : ALLOWED_BLIND_NOISE) * nearest, NEGLIGIBLE_NOISE * signal)
  )
    rounded = round(bits, null);
  const form = formOf(rounded);
  setLayerForm(graph, node, form);
  const inOrder = Int8Array.from(places, (place) => form.values[place]!);
  return {
    name: node.name,
    isPairable: partners !== null,
    isPairSafe: partners !== null && arePairSafe(inOrder, depth, partners),
    noiseOfNearest: signal > 0 ? nearest / signal : 0,
    noise: form.noise,
  };
}

function momentsOf(
  { observations, independent, x, quantized }: Observed,
  products: MomentProducts,
  g: number,
  depth: number,
  centered: boolean,
): CenteredMoments {
  const part = (data: Float32Array): Float32Array => data.subarray(g * observations * depth, (g + 1) * observations * depth);
  return { ...products.of(part(x), part(quantized), depth, centered), observations: independent };
}

function sum(data: Iterable<number>): number {
  let total = 0;
  for (const x of data) total += x;
  return total;
}

/** What the mean of each output loses, w·E x − ŵ·E x̂, in units of the input. */
function shifts(weights: Float32Array, { values, scales }: Rounded, { depth, mean, quantizedMean }: CenteredMoments): Float64Array {
  return Float64Array.from(scales, (scale, o) => {
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += weights[o * depth + k]! * mean[k]! - values[o * depth + k]! * scale * quantizedMean[k]!;
    return sum;
  });
}

/** Variance of the results of these rows, summed. */
function signalOf(rows: Float32Array, depth: number, moments: CenteredMoments | null): number {
  let total = 0;
  if (!moments) {
    for (const w of rows) total += w * w;
    return total;
  }
  const { covariance } = moments;
  for (let first = 0; first < rows.length; first += depth) {
    for (let i = 0; i < depth; i++) {
      let inner = 0;
      for (let j = 0; j < depth; j++) inner += rows[first + j]! * covariance[i * depth + j]!;
      total += inner * rows[first + i]!;
    }
  }
  return total;
}

function arePairSafe(values: Int8Array, depth: number, partners: Int32Array): boolean {
  return values.every((q, i) => {
    const k = i % depth;
    const mate = partners[k]!;
    return mate < 0 || Math.abs(q) + Math.abs(values[i - k + mate]!) <= PAIR_LIMIT;
  });
}

/** The weights behind a DequantizeLinear in the file's order. */
function rowsOf(dequantize: Node, places: Float32Array, outputs: number): { readonly values: Int8Array; readonly scales: Float32Array } {
  const source = requiredInput(dequantize, 0).constant!.data as Int8Array;
  const scales = requiredInput(dequantize, 1).constant!.data as Float32Array;
  return {
    values: Int8Array.from(places, (place) => source[place]!),
    scales: scales.length === outputs ? scales : new Float32Array(outputs).fill(scales[0]!),
  };
}

/** Puts other weights, and with them another bias, behind the DequantizeLinear nodes of a layer. */
export function setLayerForm(graph: Graph, node: Node, { values, scales, bias }: LayerForm): void {
  const dequantize = requiredInput(node, 1).producer!;
  const [weights, scale] = [requiredInput(dequantize, 0), requiredInput(dequantize, 1)];
  graph.setInput(dequantize, 0, graph.addConstant(weights.name, { dtype: "int8", shape: weights.constant!.shape, data: values }));
  graph.setInput(dequantize, 1, graph.addConstant(scale.name, { dtype: "float32", shape: [scales.length], data: scales }));
  if (!bias) return;
  const unit = inputScale(node);
  const biases = requiredInput(node, 2).producer!;
  const [integers, units] = [requiredInput(biases, 0), requiredInput(biases, 1)];
  graph.setInput(biases, 0, graph.addConstant(integers.name, quantizeBias(bias, unit, scales)));
  graph.setInput(biases, 1, graph.addConstant(units.name, biasScales(unit, scales)));
}

/** The layers that can be refitted, in the order of their steps. */
function layersOf(float: Graph, graph: Graph, floatCompiled: Compiled, int8: Compiled): readonly Layer[] {
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
      partners: words[0] === Opcode.CONV_I8 ? partnersOf(words) : null,
    });
  });
  return found;
}

function indexConstant(indices: Compiled, step: number): Float32Array | null {
  const words = indices.program.plan.steps[step]!;
  return floatConstant(indices, words[words[0] === Opcode.CONV_F32 ? ConvF32.WEIGHTS : DepthwiseF32.WEIGHTS]!);
}

/** The pairs of a CONV_I8 step, or null where its shape has none that are safe. */
function partnersOf(w: Int32Array): Int32Array | null {
  const sizes = [
    w[ConvI8.KERNEL_H]!,
    w[ConvI8.KERNEL_W]!,
    w[ConvI8.IN_C]!,
    w[ConvI8.GROUPS]!,
    w[ConvI8.DILATION_W]!,
    w[ConvI8.SRC_PITCH]!,
  ] as const;
  const [count, length] = [ConvI8.segments(...sizes), ConvI8.segmentLength(...sizes)];
  if (!pairsFit(count, length)) return null;
  return Int32Array.from({ length: count * length }, (_, k) => {
    const mate = (k % length) ^ 1;
    return mate < length ? k - (k % length) + mate : -1;
  });
}
