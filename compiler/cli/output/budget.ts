/** What a search for a budget found, for people. */
import type { BudgetReport, Report } from "../../index.ts";
import { formatTable } from "./table.ts";
import { formatBytes, formatCount, formatMs, formatPercent } from "./units.ts";

/** Lines on whether the budget is met, and what a drop was measured by. */
export function budgetFacts({ budget }: Report): readonly (readonly [string, string])[] {
  if (budget === null) return [];
  const { target, maxDrop, met, unmet, dropBy, heldOut, pattern, chosen } = budget;
  const asked = [
    ...(target.bytes === undefined ? [] : [`${target.bytes} bytes`]),
    ...(target.macs === undefined ? [] : [`${formatCount(target.macs)} MACs`]),
    ...(target.latencyMs === undefined ? [] : [formatMs(target.latencyMs)]),
    ...(maxDrop === null
      ? []
      : [`a drop of ${maxDrop} points (${dropBy === "labels" ? "top-1 by the labels" : "agreement with float32"})`]),
  ];
  return [
    ["budget", `${asked.join(" and ")} at most: ${met ? "met" : `not met: ${unmet.join(", ")}`}`],
    ["judged by", `${heldOut} samples held out`],
    ...(pattern === null ? [] : [["pruned", `${chosen.filter(({ sparsity }) => sparsity > 0).length} layers, ${pattern}`] as const]),
  ];
}

/** The models that were made, smallest first. */
export function frontTable({ front }: BudgetReport): string {
  const columns = [
    { title: "size", align: "right" },
    { title: "MACs", align: "right" },
    { title: "time", align: "right" },
    { title: "SQNR", align: "right" },
    { title: "same class", align: "right" },
    { title: "drop", align: "right" },
    { title: "layers × bits" },
  ] as const;
  return formatTable(
    columns,
    front.map(({ bytes, macs, latencyMs, measuredDb, agreement, drop, layersByBits, prunedLayers }) => [
      formatBytes(bytes),
      formatCount(macs),
      latencyMs === null ? "" : formatMs(latencyMs),
      `${measuredDb.toFixed(1)} dB`,
      agreement === null ? "" : formatPercent(agreement),
      drop === null ? "" : drop.toFixed(2),
      Object.entries(layersByBits)
        .reverse()
        .map(([bits, layers]) => `${layers}×${bits}`)
        .join(" ")
        .concat(prunedLayers > 0 ? `, ${prunedLayers} pruned` : ""),
    ]),
  );
}
