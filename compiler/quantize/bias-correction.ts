/**
 * Takes the mean error of each int8 layer out of its bias (empirical bias correction, Nagel et al. 2019, section 4.2).
 *
 *   b ← b + E[y] − E[y_q]   per output channel, over the samples and the pixels
 *
 * The layers are visited in order, each with the layers before it corrected: all samples advance through both models in step, and
 * a layer is run again with its new bias. A correction that does not lower the squared error of the layer's own result is undone.
 */
import * as Opcode from "../../format/opcodes.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseI8 from "../../format/steps/depthwise-i8.ts";
import type { Pause } from "../event-loop.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
import type { QuantizedForm } from "./insert.ts";

/** Samples beyond what this many bytes of models in memory allow are left out. */
const MEMORY_BUDGET_BYTES = 512e6;

/** What correction did. */
export interface BiasCorrection {
  /** Int8 layers with a bias. */
  readonly layers: number;
  /** Layers whose correction lowered their error. */
  readonly corrected: number;
}

interface Layer {
  readonly node: Node;
  /** Index of the layer's step in the plan. */
  readonly step: number;
  /** Address of the int32 biases, zero point folded in. */
  readonly biasAddress: number;
  /** Real value of one unit of each channel's bias. */
  readonly units: Float32Array;
  /** The layer's result in the float32 model and in the int8 one. */
  readonly valueName: string;
  readonly measuredName: string;
  /** How the int8 model's result is quantized; null where it stays float32. */
  readonly form: QuantizedForm | null;
}

/** Corrects the biases of `graph`, which `int8` was compiled from, in place. `float` is the model to agree with. */
export async function correctBiases(
  graph: Graph,
  float: Compiled,
  int8: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  parameters: ReadonlyMap<string, QuantizedForm>,
  watch: Watch,
): Promise<BiasCorrection> {
  const layers = layersOf(graph, int8, parameters).filter((layer) => agrees(float, int8, layer));
  const first = { reference: new GraphRunner(float, module), measured: new GraphRunner(int8, module) };
  const each = first.reference.memoryBytes + first.measured.memoryBytes;
  const count = Math.max(1, Math.min(samples.length, Math.floor(MEMORY_BUDGET_BYTES / each)));
  const pairs: Pair[] = [];
  for (const [i, sample] of samples.slice(0, count).entries()) {
    await watch.pause();
    const pair = i === 0 ? first : { reference: new GraphRunner(float, module), measured: new GraphRunner(int8, module) };
    pair.reference.begin(sample);
    pair.measured.begin(sample);
    pairs.push(pair);
  }
  let corrected = 0;
  for (const [i, layer] of layers.entries()) {
    if (await correctLayer(graph, layer, pairs, watch.pause)) corrected++;
    watch.step(i + 1, layers.length);
  }
  for (const { reference, measured } of pairs) {
    reference.dispose();
    measured.dispose();
  }
  return { layers: layers.length, corrected };
}

interface Pair {
  readonly reference: GraphRunner;
  readonly measured: GraphRunner;
}

async function correctLayer(graph: Graph, layer: Layer, pairs: readonly Pair[], pause: Pause): Promise<boolean> {
  const channels = layer.units.length;
  for (const { reference, measured } of pairs) {
    await pause();
    reference.advanceTo(layer.valueName);
    measured.advanceTo(layer.measuredName);
  }
  const before = await errorOf(layer, pairs, channels, pause);
  const change = Int32Array.from(before.mean, (error, c) => Math.round(-error / layer.units[c]!));
  if (change.every((d) => d === 0)) return false;
  const apply = async (sign: 1 | -1): Promise<void> => {
    for (const { measured } of pairs) {
      await pause();
      const biases = measured.words(layer.biasAddress, channels);
      for (let c = 0; c < channels; c++) biases[c] = biases[c]! + sign * change[c]!;
      measured.runStep(layer.step);
    }
  };
  await apply(1);
  const after = await errorOf(layer, pairs, channels, pause);
  if (!(after.squared < before.squared)) {
    await apply(-1);
    return false;
  }
  const bias = requiredInput(requiredInput(layer.node, 2).producer!, 0);
  const data = Int32Array.from(bias.constant!.data as Int32Array, (b, c) => b + change[c]!);
  graph.setInput(
    requiredInput(layer.node, 2).producer!,
    0,
    graph.addConstant(bias.name, { dtype: "int32", shape: bias.constant!.shape, data }),
  );
  return true;
}

/** Mean of y_q − y for each channel, and the sum of its squares over everything. */
async function errorOf(
  layer: Layer,
  pairs: readonly Pair[],
  channels: number,
  pause: Pause,
): Promise<{ readonly mean: Float64Array; readonly squared: number }> {
  const { scale, zeroPoint } = layer.form ?? { scale: 1, zeroPoint: 0 };
  const mean = new Float64Array(channels);
  let squared = 0;
  let rows = 0;
  for (const { reference, measured } of pairs) {
    await pause();
    const x = reference.value(layer.valueName) as Float32Array;
    const q = measured.value(layer.measuredName) as Int8Array | Float32Array;
    for (let i = 0; i < x.length; i += channels) {
      for (let c = 0; c < channels; c++) {
        const d = (q[i + c]! - zeroPoint) * scale - x[i + c]!;
        mean[c] = mean[c]! + d;
        squared += d * d;
      }
    }
    rows += x.length / channels;
  }
  for (let c = 0; c < channels; c++) mean[c] = mean[c]! / rows;
  return { mean, squared };
}

/** Both models hold the value, in the same shape, with its channels last. */
function agrees(float: Compiled, int8: Compiled, { valueName, measuredName, form }: Layer): boolean {
  const a = float.observables.get(valueName);
  const b = int8.observables.get(measuredName);
  return a !== undefined && b?.dtype === (form ? "int8" : "float32") && `${a.shape}` === `${b.shape}`;
}

/** Int8 layers with a bias of their own, in the order of their steps. Channels are the last axis of their results in memory. */
function layersOf(graph: Graph, { program, stepNodes }: Compiled, parameters: ReadonlyMap<string, QuantizedForm>): readonly Layer[] {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const uses = new Map<number, number>();
  const found: Layer[] = [];
  program.plan.steps.forEach((words, step) => {
    const layout = words[0] === Opcode.CONV_I8 ? ConvI8 : words[0] === Opcode.DEPTHWISE_I8 ? DepthwiseI8 : null;
    if (!layout) return;
    const biasAddress = words[layout.BIAS]!;
    uses.set(biasAddress, (uses.get(biasAddress) ?? 0) + 1);
    const node = nodes.get(stepNodes[step] ?? "");
    const bias = node?.inputs[2]?.producer;
    const output = node?.outputs[0];
    if (!node || !output || bias?.op !== "DequantizeLinear") return;
    const form = parameters.get(output.name) ?? null;
    const measuredName = form?.quantized ?? output.name;
    const units = requiredInput(bias, 1).constant!.data as Float32Array;
    found.push({ node, step, biasAddress, units, valueName: output.name, measuredName, form });
  });
  return found.filter(({ biasAddress }) => uses.get(biasAddress) === 1);
}
