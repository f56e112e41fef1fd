/** What mixed precision did, for the report. */
import type { Graph } from "../ir/graph.ts";
import type { Mixed } from "../quantize/mix-precisions.ts";
import type { LayerReport, Report } from "./report.ts";

/** The report's `mixed`; `float` is the graph that was quantized, `layers` are its layers. */
export function mixedOf(
  float: Graph,
  { goalDb, beforeDb, afterDb, unsuited, moves }: Mixed,
  layers: readonly LayerReport[],
): NonNullable<Report["mixed"]> {
  const nodes = new Map(float.nodes.map(({ name, op, outputs }) => [outputs[0]!.name, { name, op }]));
  const macsOfAll = (some: readonly LayerReport[]): number => some.reduce((sum, { macs }) => sum + macs, 0);
  return {
    goalDb,
    int8MacsShare: macsOfAll(layers.filter(({ precision }) => precision === "int8")) / Math.max(1, macsOfAll(layers)),
    beforeDb,
    afterDb,
    unsuited: [...unsuited].map(([{ name, op }, reason]) => ({ name, op, reason })).reverse(),
    moved: moves.flatMap((move) => move.nodes.map((name) => ({ ...nodes.get(name)!, aloneDb: move.aloneDb }))),
  };
}
