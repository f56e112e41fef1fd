/** What there is to say of each layer. */
import { CONV_I8 } from "../../format/opcodes.ts";
import { isPairSafe, PAIR_SAFE, RUN_SAFE } from "../../format/steps/conv-i8.ts";
import type { Graph, Node } from "../ir/graph.ts";
import type { Quantized } from "../pipeline.ts";
import type { PrunedLayer } from "../prune/prune-graph.ts";
import type { Compiled } from "../run/graph-runner.ts";
import type { FileParts } from "./file-parts.ts";
import type { LayerTimes } from "./layer-times.ts";
import { storedWeights, zerosOf } from "./layer-weights.ts";
import { macsOf } from "./macs.ts";
import type { LayerReport } from "./report.ts";

/** What is known beside the graphs. */
export interface LayerFindings {
  /** Layers of which weights are gone. */
  readonly prunedLayers: readonly PrunedLayer[];
  readonly file: FileParts | null;
  readonly times: LayerTimes | null;
}

/** PAIR_SAFE of the nodes whose steps have weights that the pair dot is right for; sparse ones are, as they are packed. */
function pairSafeNodes({ program: { plan }, stepNodes }: Compiled): ReadonlyMap<string | null, number> {
  const marks = plan.steps.map((words) => (words[0] === CONV_I8 ? words[PAIR_SAFE]! : 0));
  return new Map(stepNodes.flatMap((name, i) => (isPairSafe(marks[i]!) ? [[name, marks[i]!] as const] : [])));
}

/** The layers of a graph: nodes that multiply and accumulate. */
export function layersOf(float: Graph, quantized: Quantized | null, { prunedLayers, file, times }: LayerFindings): readonly LayerReport[] {
  const values = new Map(quantized?.comparison.values.map((value) => [value.name, value.sqnrDb]));
  const int8 = new Map((quantized?.graph ?? float).nodes.map((node) => [node.outputs[0]?.name, node]));
  const pairSafe = quantized ? pairSafeNodes(quantized.compiled) : new Map<string | null, number>();
  const moved = new Map(quantized?.mixed?.moves.flatMap(({ nodes, aloneDb }) => nodes.map((value) => [value, aloneDb])));
  const rounding = new Map(quantized?.rounding?.layers.map((layer) => [layer.name, layer]));
  const losses = new Map(prunedLayers.map(({ name, loss }) => [name, loss]));
  return float.nodes
    .filter((node) => macsOf(node) > 0)
    .map((node) => {
      const name = node.outputs[0]!.name;
      const weights = int8.get(name)?.inputs[1]?.producer;
      const isInt8 = weights?.op === "DequantizeLinear" && int8.get(name)?.inputs[0]?.producer?.op === "DequantizeLinear";
      const sqnrDb = values.get(name);
      const weightBits = isInt8 ? (quantized?.weightBits.get(node.name) ?? 8) : 32;
      const rounded = rounding.get(node.name);
      const stored = storedWeights(int8.get(name) ?? node);
      const count = stored?.length ?? 0;
      const noise = (rounded?.noise ?? 0) + (losses.get(node.name) ?? 0);
      const fileBytes = file && bytesOf(file, node);
      const ms = times && msOf(times, node.name);
      return {
        name: node.name,
        op: node.op,
        sources: node.sources,
        precision: isInt8 ? "int8" : "float32",
        ...(!isInt8 && moved.has(name) && { aloneDb: moved.get(name)! }),
        ...(sqnrDb !== undefined && { sqnrDb }),
        ...(noise > 0 && { predictedDb: -10 * Math.log10(noise) }),
        weightBits,
        sparsity: stored ? zerosOf(stored) / count : 0,
        ...(rounded?.groupSize !== undefined && { groupSize: rounded.groupSize }),
        // Factors of groups take four bits each.
        weightBytes: Math.ceil((count * weightBits) / 8) + Math.ceil((rounded?.groups ?? 0) / 2),
        ...(fileBytes !== null && { fileBytes }),
        macs: macsOf(node),
        ...(pairSafe.has(node.name) && { pairSafe: true as const }),
        ...(pairSafe.get(node.name) === RUN_SAFE && { runSafe: true as const }),
        ...(rounded && { rounding: { nearest: rounded.noiseOfNearest, now: rounded.noise } }),
        ...(ms && { ms }),
      };
    });
}

/** What the weights of a node take, of all steps of the first plan that it became. */
function bytesOf({ steps }: FileParts, { sources }: Node): number {
  const own = steps.filter(({ plan = 0, nodes }) => plan === 0 && sources.length > 0 && sources.every((source) => nodes.includes(source)));
  return own.reduce((sum, { weights }) => sum + weights, 0);
}

function msOf({ float32, dense, now }: LayerTimes, name: string): NonNullable<LayerReport["ms"]> {
  const [before, full] = [float32?.byLayer.get(name), dense?.byLayer.get(name)];
  return { ...(before !== undefined && { float32: before }), ...(full !== undefined && { dense: full }), now: now.byLayer.get(name) ?? 0 };
}
