/**
 * Rounds the weights of a quantized graph anew, layer by layer, each for the inputs that the layers before it give (gptq.ts), and run-safe or else
 * pair-safe (format/packings.ts) where that is asked for and costs little. Samples walk through the float32 and the int8 model in step. Without
 * samples every input counts as much as any other.
 *
 * A layer's weights stay as they are where refit-layers.ts leaves it out.
 */
import { type Graph, type Node, onlyOutput, requiredInput } from "../ir/graph.ts";
import { quantizedResult } from "../lower/builder.ts";
import { areSafe, keepTo, type WeightSets } from "../lower/weight-sets.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { mostLiveBytes } from "../run/sample-walk.ts";
import { crewOf, type Sample, type Watch } from "./calibrate.ts";
import { type Prepared, prepare, prepareBlind, type Rounded, roundingErrors, roundWeights } from "./gptq.ts";
import { type Grouping, groupingOf } from "./groups.ts";
import { supportOf } from "./least-squares.ts";
import { type CenteredMoments, MomentProducts } from "./moments.ts";
import { CHECK_EVERY, meanLosses, momentsOf, type Observed, observeLayer, seenBy, signalOf } from "./observations.ts";
import { PairWalk } from "./pair-walk.ts";
import { depthOf, windowOf } from "./patches.ts";
import { checkRefit } from "./refit-check.ts";
import { type Layer, layersOf } from "./refit-layers.ts";
import { shortScale } from "./scale-candidates.ts";
import { isDepthwise } from "./scope.ts";
import { type WeightBits, weightLevels } from "./weight-bits.ts";
import { biasScales, leastScales, quantizeBias } from "./weights.ts";

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 512e6;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 4;
const FEWEST_OBSERVATIONS = 1024;
const MOST_OBSERVATIONS = 6144;

/**
 * Run-safe or pair-safe weights may add this many times the noise that rounding to nearest does, fitted to samples and not; or any noise so far below
 * the signal, or below the noise that comes with the layer's input.
 */
const ALLOWED_NOISE = 1.1;
const ALLOWED_BLIND_NOISE = 2.5;
const NEGLIGIBLE_NOISE = 2e-5;
const NEGLIGIBLE_TO_INPUT = 1 / 16;
/**
 * Compact weights of eight bits may together add this part to the noise that comes with the inputs, each layer in proportion to the number of its
 * weights: what a layer's noise costs at the outputs is about its part of the noise there, what it saves is a number of bits for each weight.
 */
const SPARE_NOISE = 1 / 10;
/** Magnitudes of eight-bit weights whose rounding does not matter much: the fewer, the smaller the file. Any two are pair-safe, of the first two any four run-safe. */
const COARSE_LEVELS = [15, 31, 63];
/** Of so many samples every CHECK_EVERY-th is kept from fitting, to check the fit by. */
const FEWEST_CHECKED = 8;

/** What became of a layer. */
export interface RefittedLayer {
  readonly name: string;
  /** Whether its shape allows pair-safe weights, whether it has weights that the pair dot is right for, and whether they are run-safe. */
  readonly isPairable: boolean;
  readonly isPairSafe: boolean;
  readonly isRunSafe: boolean;
  /** Variance that the weights' rounding adds to the layer's result, as a part of that: to nearest, and as it is now. */
  readonly noiseOfNearest: number;
  readonly noise: number;
  /** Columns of a group of its weights, and how many groups they are, where they are grouped. */
  readonly groupSize?: number;
  readonly groups?: number;
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
  /** Columns of a group of weights of few bits (groups.ts); they have one scale an output unless given. */
  readonly groupSize?: number | undefined;
  readonly pairSafe: boolean;
  /** Whether weights take fewer bytes where they are entropy coded, for a little noise. */
  readonly compact: boolean;
  /** Noise that rounding may add to a layer's result whatever it does elsewhere, as a part of the result's variance, by name. */
  readonly negligible?: ReadonlyMap<string, number>;
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
  const walk = new PairWalk(crewOf(watch, module), floatCompiled, int8, used);
  const products = new MomentProducts(module);
  const done: RefittedLayer[] = [];
  const all = sum(layers.map(({ weights }) => weights.length));
  const checked = used.length < FEWEST_CHECKED || haveFewBits(rule) ? 0 : Math.floor(used.length / CHECK_EVERY);
  try {
    for (const [i, layer] of layers.entries()) {
      await watch.pause();
      const observed = used.length > 0 ? await observe(layer, int8, walk, { samples: used.length, checked }) : null;
      const refitted = await refitLayer(graph, layer, observed, products, rule, (SPARE_NOISE * layer.weights.length) / all, watch);
      if (refitted) done.push(refitted);
      if (refitted && observed) {
        int8 = compileGraph(graph, metadata);
        await walk.replace(int8);
      }
      watch.step(i + 1, layers.length);
    }
  } finally {
    walk.dispose();
    products.dispose();
  }
  return done;
}

/** Whether weights of four bits or fewer make inputs so wrong that what a refit makes up for is far more than what it overfits. */
function haveFewBits({ bits }: RefitRule): boolean {
  return [...bits.values()].some((each) => each <= 4);
}

/** Takes all samples to the layer, in both models. In units of one step of the int8 input. */
function observe(
  { step, floatStep, floatWindow, node }: Layer,
  int8: Compiled,
  walk: PairWalk,
  counts: { readonly samples: number; readonly checked: number },
): Promise<Observed> {
  const window = windowOf(int8.program.plan.steps[step]!)!;
  const wanted = Math.min(MOST_OBSERVATIONS, Math.max(FEWEST_OBSERVATIONS, OBSERVATIONS_PER_WEIGHT * depthOf(window)));
  return observeLayer(
    walk,
    { step: floatStep, window: floatWindow, factor: 1 / inputScale(node) },
    { step, window, factor: 1 },
    { ...counts, wanted },
  );
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
  { node, weights, places, window, floatBias, runs, pairs }: Layer,
  observed: Observed | null,
  products: MomentProducts,
  { bits: chosenBits, groupSize, pairSafe, compact, negligible, explore }: RefitRule,
  spareShare: number,
  { pause }: Watch,
): Promise<RefittedLayer | null> {
  const depth = depthOf(window);
  const outputs = weights.length / depth;
  const perGroup = outputs / window.groups;
  const bits = chosenBits.get(node.name) ?? 8;
  const groupingFor = (to: WeightBits): Grouping | null => (isDepthwise(node) ? null : groupingOf(to, depth, groupSize));
  const grouping = groupingFor(bits);
  // To nearest, as they were asked for.
  if (!observed && !pairSafe && !grouping) return null;
  const unit = inputScale(node);
  const old = rowsOf(requiredInput(node, 1).producer!, places, outputs);
  const part = <T extends Float32Array | Float64Array | Int8Array>(data: T, g: number, length: number): T =>
    data.subarray(g * length, (g + 1) * length) as T;
  const groups: Group[] = [];
  const inputNoise = new Float64Array(outputs);
  for (let g = 0; g < window.groups; g++) {
    await pause();
    const rows = part(weights, g, perGroup * depth);
    const moments = observed && momentsOf(observed, products, g, depth, floatBias !== null);
    const prepared = moments
      ? await prepare(rows, moments, supportOf(rows, depth), pause, (fitted) => {
          const checked = checkRefit(rows, fitted, { ...seenBy(observed.check ?? observed, g, depth), depth });
          inputNoise.set(checked.inputNoise, g * perGroup);
          return observed.check ? checked.share : 1;
        })
      : prepareBlind(rows, depth);
    if (!prepared) return null;
    const nearest = sum(roundingErrors(prepared, part(old.values, g, perGroup * depth), part(old.scales, g, perGroup)));
    groups.push({ prepared, moments, nearest, signal: signalOf(rows, depth, moments) });
  }
  const [signal, nearest] = [sum(groups.map((group) => group.signal)), sum(groups.map((group) => group.nearest))];
  const least = leastScales(weights, outputs, unit, floatBias);
  const spare = inputNoise.map((noise) => (compact ? noise * spareShare : 0));
  const resultScale = quantizedResult(onlyOutput(node))?.scale ?? 1;
  const shorten = (scale: number): number => (compact ? shortScale(scale, unit, resultScale) : scale);
  const round = (to: WeightBits, sets: WeightSets | null, levels = weightLevels(to)): readonly Rounded[] =>
    groups.map(({ prepared }, g) =>
      roundWeights(prepared, {
        bits: to,
        levels,
        grouping: groupingFor(to),
        sets,
        leastScales: part(least, g, perGroup),
        ...(to === 8 && { negligible: part(spare, g, perGroup) }),
        shorten,
      }),
    );
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
      const real = Float64Array.from(result.values, (q, i) => q * result.scales[Math.floor(i / depth)]!);
      const shift = meanLosses(part(weights, g, perGroup * depth), real, moments);
      for (let o = 0; o < perGroup; o++) bias[g * perGroup + o] = bias[g * perGroup + o]! + shift[o]! * unit;
    });
    return { values, scales, bias, noise: signal > 0 ? noiseOf(rounded) / signal : 0 };
  };
  await explore?.(node.name, (other) => formOf(round(other, null)));
  const allowed = (negligible?.get(node.name) ?? 0) * signal;
  // Integers of four bits have a product of their own.
  const mostOf = (levels: number): number => levels * (grouping?.mostFactor ?? 1);
  const isWide = mostOf(weightLevels(bits)) > weightLevels(4);
  const setsFor = (levels: number): readonly WeightSets[] =>
    pairSafe && isWide ? [runs, pairs].filter((sets) => sets !== null).filter((sets) => !areSafe(sets, mostOf(levels))) : [];
  // Groups are there for little noise: what they have without sets, instead of that of one scale an output, is what sets are held to.
  const free = grouping && round(bits, null);
  const enough = Math.max(
    allowed,
    sum(spare) +
      Math.max(
        free ? ALLOWED_NOISE * noiseOf(free) : (observed ? ALLOWED_NOISE : ALLOWED_BLIND_NOISE) * nearest,
        NEGLIGIBLE_NOISE * signal,
        NEGLIGIBLE_TO_INPUT * sum(inputNoise),
      ),
  );
  const choose = (): readonly Rounded[] => {
    for (const levels of bits === 8 && allowed > 0 ? COARSE_LEVELS : []) {
      for (const sets of [...setsFor(levels), null]) {
        const found = round(bits, sets, levels);
        if (noiseOf(found) <= allowed) return found;
      }
    }
    for (const sets of setsFor(weightLevels(bits))) {
      const found = round(bits, sets);
      if (noiseOf(found) <= enough) return found;
    }
    return free ?? round(bits, null);
  };
  const rounded = choose();
  const form = formOf(rounded);
  setLayerForm(graph, node, form);
  const inOrder = Int8Array.from(places, (place) => form.values[place]!);
  const isRunSafe = isWide && runs !== null && keepTo(runs, inOrder);
  return {
    name: node.name,
    isPairable: isWide && pairs !== null,
    isPairSafe: isRunSafe || (isWide && pairs !== null && keepTo(pairs, inOrder)),
    isRunSafe,
    noiseOfNearest: signal > 0 ? nearest / signal : 0,
    noise: form.noise,
    ...(grouping && { groupSize: grouping.size, groups: outputs * Math.ceil(depth / grouping.size) }),
  };
}

function sum(data: Iterable<number>): number {
  let total = 0;
  for (const x of data) total += x;
  return total;
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
