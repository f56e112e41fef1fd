/**
 * What a model loses by each channel, given that the layers which read it are fitted anew (structured OBS):
 *
 *   lost by a layer without the inputs P of a channel:  Σ over outputs of w_P · ((H⁻¹)_PP)⁻¹ · w_Pᵀ,   relative to its results' variance
 *
 * Channels of a family go one after the other, the one first that all its readers together lose least by; each goes at what it costs then, or at
 * what a cheaper one before it did. Families do not know of each other. Importance is that loss for each multiply-accumulate that goes with it;
 * infinite where no reader can be observed.
 */

import { type Channels, traceChannels } from "../channels/channels.ts";
import { type Graph, type Node, onlyOutput, requiredInput } from "../ir/graph.ts";
import { crewOf, type Sample, type Watch } from "../quantize/calibrate.ts";
import { factor } from "../quantize/cholesky.ts";
import { invert } from "../quantize/least-squares.ts";
import { MomentProducts } from "../quantize/moments.ts";
import { momentsOf, signalOf } from "../quantize/observations.ts";
import { macsOf } from "../report/macs.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { type Family, familiesOf, type Importance } from "./channel-pruning.ts";
import { notFinite, ridgeOf } from "./fit-layer.ts";
import { type Layer, layersOf } from "./layers.ts";
import { openWalks } from "./walks.ts";

/** A layer that reads channels, one group of it. */
interface Reader {
  readonly depth: number;
  readonly rows: Float64Array;
  readonly inverse: Float64Array;
  readonly signal: number;
  /** Inputs by the root of their channel. */
  readonly columns: ReadonlyMap<number, readonly number[]>;
}

/** The importance of every channel that may go, by its root. `compiled` is made from `graph` with every value to be observed. Throws `not-finite`. */
export async function channelLosses(
  graph: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  excluded: ReadonlySet<string>,
  watch: Watch,
): Promise<Importance> {
  const channels = traceChannels(graph);
  const families = familiesOf(channels, excluded);
  const readers = await readersOf(graph, compiled, module, samples, channels, watch);
  const losses = new Map<number, number>();
  for (const family of families) await rankFamily(family, readers, losses, watch.pause);
  const macs = channelMacs(graph, channels);
  return new Map([...losses].map(([root, loss]) => [root, loss / (macs.get(root) ?? 1)]));
}

/** Multiply-accumulates that go with a channel, by its root. */
function channelMacs({ nodes }: Graph, { axes, slices, rootOf }: Channels): ReadonlyMap<number, number> {
  const macs = new Map<number, number>();
  const add = (node: Node, ids: Int32Array): void => {
    for (const id of ids) macs.set(rootOf(id), (macs.get(rootOf(id)) ?? 0) + macsOf(node) / ids.length);
  };
  for (const { node, input, ids } of slices) if (input === 1) add(node, ids);
  for (const node of nodes) {
    if (node.op !== "MatMul" || node.inputs.some((value) => value?.constant)) continue;
    const found = axes.get(onlyOutput(node));
    if (found) add(node, found.ids);
  }
  return macs;
}

async function readersOf(
  graph: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { slices, rootOf }: Channels,
  watch: Watch,
): Promise<readonly Reader[]> {
  const read = new Map(slices.flatMap((slice) => (slice.role === "reads" && slice.input === 1 ? [[slice.node.name, slice]] : [])));
  const layers = layersOf(graph, compiled).filter(({ node }) => read.has(node.name));
  const walks = openWalks(compiled, crewOf(watch, module), samples);
  const products = new MomentProducts(module);
  const readers: Reader[] = [];
  try {
    for (const [i, layer] of layers.entries()) {
      const observed = await walks.observe(layer);
      const { axis, ids } = read.get(layer.node.name)!;
      for (let g = 0; g < layer.window.groups; g++) {
        const moments = momentsOf(observed, products, g, layer.depth, layer.bias !== null);
        const size = (layer.outputs / layer.window.groups) * layer.depth;
        const rows = layer.weights.subarray(g * size, (g + 1) * size);
        const { matrix } = ridgeOf(moments);
        const whole = factor(matrix, layer.depth);
        if (!whole) throw notFinite(layer.node);
        const columns = new Map<number, number[]>();
        for (let k = 0; k < layer.depth; k++) {
          const root = rootOf(ids[channelAt(layer, axis, g * size + k)]!);
          columns.set(root, [...(columns.get(root) ?? []), k]);
        }
        readers.push({
          depth: layer.depth,
          rows: Float64Array.from(rows),
          inverse: await invert(whole, watch.pause),
          signal: signalOf(rows, layer.depth, moments) || 1,
          columns,
        });
      }
      watch.step(i + 1, layers.length);
    }
  } finally {
    walks.dispose();
    products.dispose();
  }
  return readers;
}

/** The position along an axis of the model's tensor of the weight that is i-th in the file. */
function channelAt({ node, places }: Layer, axis: number, i: number): number {
  const { shape } = requiredInput(node, 1).constant!;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return Math.floor(places[i]! / inner) % shape[axis]!;
}

async function rankFamily(
  { channels }: Family,
  all: readonly Reader[],
  losses: Map<number, number>,
  pause: () => Promise<void>,
): Promise<void> {
  const readers = all
    .filter(({ columns }) => channels.some((root) => columns.has(root)))
    .map((reader) => ({ ...reader, rows: reader.rows.slice(), inverse: reader.inverse.slice() }));
  if (readers.length === 0) {
    for (const root of channels) losses.set(root, Number.POSITIVE_INFINITY);
    return;
  }
  const left = new Set(channels);
  let worst = 0;
  while (left.size > 0) {
    await pause();
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    for (const root of left) {
      let loss = 0;
      for (const reader of readers) loss += lossOf(reader, reader.columns.get(root) ?? []) / reader.signal;
      if (loss < least || best < 0) [best, least] = [root, loss];
    }
    left.delete(best);
    worst = Math.max(worst, least);
    losses.set(best, worst);
    if (left.size > 0) for (const reader of readers) for (const column of reader.columns.get(best) ?? []) remove(reader, column);
  }
}

/** Σ over outputs of w_P · ((H⁻¹)_PP)⁻¹ · w_Pᵀ. */
function lossOf({ rows, inverse, depth }: Reader, columns: readonly number[]): number {
  const count = columns.length;
  if (count === 0) return 0;
  // Of the matrix [H⁻¹_PP w_Pᵀ…] only what elimination needs: the sum of squares of L⁻¹·w_Pᵀ.
  const lower = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = inverse[columns[i]! * depth + columns[j]!]!;
      for (let k = 0; k < j; k++) sum -= lower[i * count + k]! * lower[j * count + k]!;
      lower[i * count + j] = i === j ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / lower[j * count + j]!;
    }
  }
  const solved = new Float64Array(count);
  let total = 0;
  for (let first = 0; first < rows.length; first += depth) {
    for (let i = 0; i < count; i++) {
      let sum = rows[first + columns[i]!]!;
      for (let k = 0; k < i; k++) sum -= lower[i * count + k]! * solved[k]!;
      solved[i] = sum / lower[i * count + i]!;
      total += solved[i]! * solved[i]!;
    }
  }
  return total;
}

/** Takes an input away from all outputs; what is left adjusts. */
function remove({ rows, inverse, depth }: Reader, column: number): void {
  const h = inverse.slice(column * depth, (column + 1) * depth);
  const pivot = h[column]!;
  if (!(pivot > 0)) return;
  for (let first = 0; first < rows.length; first += depth) {
    const factor = rows[first + column]! / pivot;
    for (let k = 0; k < depth; k++) rows[first + k] = rows[first + k]! - factor * h[k]!;
    rows[first + column] = 0;
  }
  for (let i = 0; i < depth; i++) {
    const factor = h[i]! / pivot;
    if (factor === 0) continue;
    for (let k = 0; k < depth; k++) inverse[i * depth + k] = inverse[i * depth + k]! - factor * h[k]!;
  }
  for (let k = 0; k < depth; k++) {
    inverse[column * depth + k] = 0;
    inverse[k * depth + column] = 0;
  }
}
