/** What there is to say of each layer. */
import { CONV_I8 } from "../../format/opcodes.ts";
import { isPairSafe, PAIR_SAFE, RUN_SAFE } from "../../format/steps/conv-i8.ts";
import type { Graph } from "../ir/graph.ts";
import type { Quantized } from "../pipeline.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { macsOf } from "./macs.ts";
import type { LayerReport } from "./report.ts";

/** PAIR_SAFE of the nodes whose steps have weights that the pair dot is right for; sparse ones are, as they are packed. */
function pairSafeNodes({ program: { plan }, stepNodes }: Compiled): ReadonlyMap<string | null, number> {
  const marks = plan.steps.map((words) => (words[0] === CONV_I8 ? words[PAIR_SAFE]! : 0));
  return new Map(stepNodes.flatMap((name, i) => (isPairSafe(marks[i]!) ? [[name, marks[i]!] as const] : [])));
}

/** The layers of a graph: nodes that multiply and accumulate. */
export function layersOf(float: Graph, quantized: Quantized | null): readonly LayerReport[] {
  const values = new Map(quantized?.comparison.values.map((value) => [value.name, value.sqnrDb]));
  const int8 = new Map((quantized?.graph ?? float).nodes.map((node) => [node.outputs[0]?.name, node]));
  const pairSafe = quantized ? pairSafeNodes(quantized.compiled) : new Map<string | null, number>();
  const moved = new Map(quantized?.mixed?.moves.flatMap(({ nodes, aloneDb }) => nodes.map((value) => [value, aloneDb])));
  const rounding = new Map(quantized?.rounding?.layers.map((layer) => [layer.name, layer]));
  return float.nodes
    .filter((node) => macsOf(node) > 0)
    .map((node) => {
      const name = node.outputs[0]!.name;
      const weights = int8.get(name)?.inputs[1]?.producer;
      const isInt8 = weights?.op === "DequantizeLinear" && int8.get(name)?.inputs[0]?.producer?.op === "DequantizeLinear";
      const sqnrDb = values.get(name);
      const weightBits = isInt8 ? (quantized?.weightBits.get(node.name) ?? 8) : 32;
      const rounded = rounding.get(node.name);
      const stored = node.inputs[1]?.constant ?? node.inputs[1]?.producer?.inputs[0]?.constant;
      const count = stored?.data.length ?? 0;
      return {
        name: node.name,
        op: node.op,
        sources: node.sources,
        precision: isInt8 ? "int8" : "float32",
        ...(!isInt8 && moved.has(name) && { aloneDb: moved.get(name)! }),
        ...(sqnrDb !== undefined && { sqnrDb }),
        weightBits,
        weightBytes: Math.ceil((count * weightBits) / 8),
        macs: macsOf(node),
        ...(pairSafe.has(node.name) && { pairSafe: true as const }),
        ...(pairSafe.get(node.name) === RUN_SAFE && { runSafe: true as const }),
        ...(rounded && { rounding: { nearest: rounded.noiseOfNearest, now: rounded.noise } }),
      };
    });
}
