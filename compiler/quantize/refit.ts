/**
 * Rounds the weights of a quantized graph anew, layer by layer, each for the inputs that the layers before it give (gptq.ts), and pair-safe
 * (format/packings.ts) where that is asked for and costs little. Samples walk through the float32 and the int8 model in step. Without
 * samples every input counts as much as any other.
 *
 * A layer's weights stay as they are where refit-layers.ts leaves it out.
 */
import { PAIR_LIMIT } from "../../format/packings.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { mostLiveBytes, SampleWalk } from "../run/sample-walk.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { type Prepared, prepare, prepareBlind, type Rounded, roundingErrors, roundWeights } from "./gptq.ts";
import { type CenteredMoments, MomentProducts } from "./moments.ts";
import { depthOf, gather, pixelsOf, type Window, windowOf } from "./patches.ts";
import { checkRefit } from "./refit-check.ts";
import { type Layer, layersOf } from "./refit-layers.ts";
import type { WeightBits } from "./weight-bits.ts";
import { biasScales, leastScales, quantizeBias } from "./weights.ts";

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 512e6;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 4;
const FEWEST_OBSERVATIONS = 1024;
const MOST_OBSERVATIONS = 6144;

/**
 * Pair-safe weights may add this many times the noise that rounding to nearest does, fitted to samples and not; or any noise so far below
 * the signal, or below the noise that comes with the layer's input.
 */
const ALLOWED_NOISE = 1.1;
const ALLOWED_BLIND_NOISE = 2.5;
const NEGLIGIBLE_NOISE = 2e-5;
const NEGLIGIBLE_TO_INPUT = 1 / 16;
/** Of so many samples every so many-th is kept from fitting, to check the fit by. */
const FEWEST_CHECKED = 8;
const CHECK_EVERY = 4;

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
  /** Is told of each layer before its weights are replaced; `formOf` gives those that it would have in other bits, until the promise is kept. */
  readonly explore?: (name: string, formOf: (bits: WeightBits) => LayerForm) => Promise<void>;
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

interface Seen {
  readonly observations: number;
  /** [groups][observations][depth], in units of one step of the int8 input. */
  readonly x: Float32Array;
  readonly quantized: Float32Array;
}

interface Observed extends Seen {
  /** How many independent ones they are worth: neighbouring pixels are alike. */
  readonly independent: number;
  /** What took no part; null where there were too few samples. */
  readonly check: Seen | null;
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
  const checked = samples < FEWEST_CHECKED ? 0 : Math.floor(samples / CHECK_EVERY);
  const seenOf = (count: number): Seen => {
    const [x, quantized] = [
      new Float32Array(window.groups * share * count * depth),
      new Float32Array(window.groups * share * count * depth),
    ];
    return { observations: share * count, x, quantized };
  };
  const [fitted, check] = [seenOf(samples - checked), seenOf(checked)];
  const look =
    (window: Window, factor: number, form: "x" | "quantized") =>
    (sample: number, view: (address: number, bytes: number) => Uint8Array): void => {
      const checkedBefore = Math.min(checked, Math.floor(sample / CHECK_EVERY));
      const isChecked = sample % CHECK_EVERY === CHECK_EVERY - 1 && checkedBefore < checked;
      const [into, at] = isChecked ? [check, checkedBefore] : [fitted, sample - checkedBefore];
      const image = view(window.address, window.bytes);
      gather(window, image, spread(pixels, share, sample), factor, into[form], into.observations, at * share);
    };
  await walk.advanceTo(step, look(window, 1, "quantized"), pause);
  await floatWalk.advanceTo(floatStep, look(floatWindow, 1 / inputScale(node), "x"), pause);
  return { ...fitted, independent: (samples - checked) * Math.sqrt(share), check: checked > 0 ? check : null };
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
  let inputNoise = 0;
  for (let g = 0; g < window.groups; g++) {
    await pause();
    const rows = part(weights, g, perGroup * depth);
    const moments = observed && momentsOf(observed, products, g, depth, floatBias !== null);
    const prepared = moments
      ? prepare(rows, moments, (fitted) => {
          const checked = checkRefit(rows, fitted, { ...seenBy(observed.check ?? observed, g, depth), depth });
          inputNoise += checked.inputNoise;
          return observed.check ? checked.share : 1;
        })
      : prepareBlind(rows, depth);
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
  await explore?.(node.name, (other) => formOf(round(other, null)));
  let rounded = round(bits, pairSafe ? partners : null);
  if (
    pairSafe &&
    partners &&
    noiseOf(rounded) >
      Math.max((observed ? ALLOWED_NOISE : ALLOWED_BLIND_NOISE) * nearest, NEGLIGIBLE_NOISE * signal, NEGLIGIBLE_TO_INPUT * inputNoise)
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

function momentsOf(observed: Observed, products: MomentProducts, g: number, depth: number, centered: boolean): CenteredMoments {
  const { x, quantized } = seenBy(observed, g, depth);
  return { ...products.of(x, quantized, depth, centered), observations: observed.independent };
}

/** What the layers of a group see. */
function seenBy({ observations, x, quantized }: Seen, g: number, depth: number): Pick<Seen, "x" | "quantized"> {
  const part = (data: Float32Array): Float32Array => data.subarray(g * observations * depth, (g + 1) * observations * depth);
  return { x: part(x), quantized: part(quantized) };
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
