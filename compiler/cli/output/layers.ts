/** What became of each layer, for people. */
import type { LayerReport, Report } from "../../index.ts";
import { type Column, formatTable } from "./table.ts";
import { formatBytes, formatCount, formatMs } from "./units.ts";

/** A column with the cell of a layer; a column without any is left out. */
interface LayerColumn extends Column {
  readonly cell: (layer: LayerReport) => string | undefined;
  /** The cell of the row of all steps that belong to no layer. */
  readonly rest?: string | undefined;
}

/** A table of all layers, and of the time that the other steps take. */
export function layerTable({ layers, times }: Report): string {
  const restOf = (time: "float32" | "dense" | "now"): string | undefined => {
    const all = times?.[time] ?? null;
    return all === null ? undefined : formatMs(Math.max(0, all - layers.reduce((sum, { ms }) => sum + (ms?.[time] ?? 0), 0)));
  };
  const columns: readonly LayerColumn[] = [
    { title: "layer", cell: ({ name }) => name, rest: "(other steps)" },
    { title: "op", cell: ({ op }) => op },
    { title: "MACs", align: "right", cell: ({ macs }) => formatCount(macs) },
    { title: "bits", align: "right", cell: ({ weightBits }) => `${weightBits}` },
    { title: "zeros", align: "right", cell: ({ sparsity }) => (sparsity > 0 ? `${(100 * sparsity).toFixed(0)} %` : undefined) },
    { title: "weights", align: "right", cell: ({ fileBytes }) => (fileBytes === undefined ? undefined : formatBytes(fileBytes)) },
    { title: "predicted", align: "right", cell: ({ predictedDb }) => decibels(predictedDb) },
    { title: "measured", align: "right", cell: ({ sqnrDb }) => decibels(sqnrDb) },
    { title: "float32", align: "right", cell: ({ ms }) => time(ms?.float32), rest: restOf("float32") },
    { title: "dense", align: "right", cell: ({ ms }) => time(ms?.dense), rest: restOf("dense") },
    { title: "now", align: "right", cell: ({ ms }) => time(ms?.now), rest: restOf("now") },
  ];
  const used = columns.filter(({ cell }) => layers.some((layer) => cell(layer) !== undefined));
  const rows = layers.map((layer) => used.map(({ cell }) => cell(layer) ?? ""));
  return formatTable(used, times ? [...rows, used.map(({ rest = "" }) => rest)] : rows);
}

function decibels(db: number | undefined): string | undefined {
  return db === undefined ? undefined : `${db.toFixed(1)} dB`;
}

function time(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatMs(ms);
}
