/**
 * Removes channels from a graph whose samples are known: what reads them is fitted to what the whole network gave, as if their weights were
 * 0, layer by layer; then they are cut out.
 */

import { type Channels, traceChannels } from "../channels/channels.ts";
import { removeChannels } from "../channels/remove-channels.ts";
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import type { Sample, Watch } from "../quantize/calibrate.ts";
import type { Support } from "../quantize/least-squares.ts";
import type { Compiled } from "../run/graph-runner.ts";
import type { FittingRule } from "./fit-layer.ts";
import { type Layer, layersOf } from "./layers.ts";
import { fitLayers } from "./prune-graph.ts";

/** `float` without the channels whose roots `isRemoved` names. `compiled` is made from it with every value to be observed. Throws `not-finite`. */
export async function fitChannels(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  isRemoved: (root: number) => boolean,
  watch: Watch,
): Promise<Graph> {
  const channels = traceChannels(float);
  const layers = layersOf(float, compiled);
  const supports = new Map(layers.map((layer) => [layer.node.name, supportOf(layer, channels, isRemoved)]));
  const first = layers.findIndex(({ node }) => supports.get(node.name)!.includes(0));
  const graph =
    first < 0 || samples.length === 0
      ? cloneGraph(float)
      : (await fitLayers(float, compiled, module, samples, layers.slice(first), (layer) => ruleOf(supports.get(layer.node.name)!), watch))
          .graph;
  removeChannels(graph, traceChannels(graph), isRemoved);
  return graph;
}

function ruleOf(support: Support): FittingRule {
  return { shape: { outputs: 1, inputs: 1, groups: null }, criterion: "magnitude", sparsity: 0, support };
}

/** The weights of a layer, in the file's order, that neither make nor read a channel that goes. */
function supportOf({ node, places }: Layer, { slices, rootOf }: Channels, isRemoved: (root: number) => boolean): Support {
  const { shape, data } = requiredInput(node, 1).constant!;
  const stays = new Uint8Array(data.length).fill(1);
  for (const slice of slices) {
    if (slice.node !== node || slice.input !== 1) continue;
    const inner = shape.slice(slice.axis + 1).reduce((a, b) => a * b, 1);
    for (let i = 0; i < stays.length; i++) {
      const id = slice.ids[Math.floor(i / inner) % shape[slice.axis]!]!;
      if (isRemoved(rootOf(id))) stays[i] = 0;
    }
  }
  return Uint8Array.from(places, (place) => stays[place]!);
}
