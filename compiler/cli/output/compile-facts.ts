/** What compiling found out, for people. */
import type { Report } from "../../index.ts";
import { WEIGHT_BITS } from "../../quantize/weight-bits.ts";
import { budgetFacts, frontTable } from "./budget.ts";
import { fileText } from "./file-parts.ts";
import { formatFacts } from "./table.ts";
import { formatBytes, formatCount, formatMs, formatReal } from "./units.ts";

/** The report of compiling `path` to `output`, as lines of facts; with a table of the models that a search made. */
export function compileFacts(path: string, output: string, report: Report): string {
  const { sourceBytes, bytes, weightBytes, memoryBytes, macs, calibration, pruning, mixed, pairSafety, outputs, timings, latency } = report;
  const float = report.layers.filter(({ precision }) => precision === "float32").length;
  const totalMs = Object.values(timings).reduce((sum, ms) => sum + ms, 0);
  return formatFacts([
    ["model", path],
    ["written", output],
    ["size", `${formatBytes(sourceBytes)} -> ${formatBytes(bytes)} (${((bytes / sourceBytes) * 100).toFixed(1)} %)`],
    ...(report.file === null ? [["weights", formatBytes(weightBytes)] as const] : [["file", fileText(report.file)] as const]),
    [
      "precision",
      report.precision === "float32"
        ? "float32"
        : [
            report.alreadyQuantized ? "int8, quantized already: its own scales" : "int8",
            ...fewerBits(report),
            ...(float > 0 ? [`${float} of ${report.layers.length} layers in float32`] : []),
          ].join(", "),
    ],
    ...(mixed === null || mixed.unsuited.length + mixed.moved.length === 0
      ? []
      : [
          [
            "float32 nodes",
            `${mixed.moved.length} for the outputs' sake (${mixed.beforeDb.toFixed(1)} -> ${mixed.afterDb.toFixed(1)} dB, the goal is ${mixed.goalDb.toFixed(1)}), ${mixed.unsuited.length} for time or range; ${(mixed.int8MacsShare * 100).toFixed(1)} % of the MACs in int8`,
          ] as const,
        ]),
    ["memory", formatBytes(memoryBytes)],
    ["MACs", formatCount(macs)],
    ...report.states.map(
      ({ input, output, detected }) => ["state", `${output} to ${input}${detected ? ", found by their names" : ""}`] as const,
    ),
    ...(latency === null
      ? []
      : [["one inference", `${latency.float32Ms.toFixed(2)} ms in float32, ${latency.int8Ms.toFixed(2)} ms in int8, here`] as const]),
    ...(calibration === null
      ? []
      : [
          [
            "calibrated",
            `${calibration.samples} ${calibration.synthetic ? "synthesised samples" : "samples"}, ${calibration.observer}`,
          ] as const,
        ]),
    ...(pruning === null
      ? []
      : [
          ["pruned", pruningText(pruning)] as const,
          ...pruning.outputs.map(({ name, sqnrDb }) => [`SQNR ${name}, unpruned`, `${sqnrDb.toFixed(2)} dB`] as const),
        ]),
    ...(pairSafety === null || pairSafety.candidates === 0
      ? []
      : [
          [
            "pair-safe",
            `${pairSafety.layers} of ${pairSafety.candidates} layers, ${(pairSafety.macsShare * 100).toFixed(0)} % of the MACs`,
          ] as const,
          ["run-safe", `${pairSafety.runs.layers} of them, ${(pairSafety.runs.macsShare * 100).toFixed(0)} % of the MACs`] as const,
        ]),
    ...outputs.map(({ name, sqnrDb, maxAbs }) => [`SQNR ${name}`, `${sqnrDb.toFixed(2)} dB, max error ${formatReal(maxAbs)}`] as const),
    ...budgetFacts(report),
    ["time", formatMs(totalMs)],
  ]).concat(report.budget === null ? "" : `\n${frontTable(report.budget)}`);
}

/** How much of which layers is gone. */
function pruningText({ layers, channels, pattern, criterion }: NonNullable<Report["pruning"]>): string {
  if (channels) {
    const [all, kept] = channels.families.reduce(([a, k], family) => [a + family.channels, k + family.kept], [0, 0]);
    const share = 100 * (1 - channels.macsAfter / Math.max(1, channels.macsBefore));
    return `${all - kept} of ${all} channels that may go, ${share.toFixed(1)} % of the MACs, ${criterion}`;
  }
  const [zeros, weights] = [layers.map((layer) => layer.zeros), layers.map((layer) => layer.weights)].map((counts) =>
    counts.reduce((sum, count) => sum + count, 0),
  ) as [number, number];
  const share = weights > 0 ? (100 * zeros) / weights : 0;
  return `${formatCount(zeros)} of ${formatCount(weights)} weights (${share.toFixed(1)} %) in ${layers.length} layers, ${pattern}, ${criterion}`;
}

/** How many layers have weights of fewer than eight bits, and in groups of what size. */
function fewerBits({ layers }: Report): readonly string[] {
  return WEIGHT_BITS.filter((bits) => bits < 8).flatMap((bits) => {
    const found = layers.filter(({ weightBits }) => weightBits === bits);
    const grouped = found.filter(({ groupSize }) => groupSize !== undefined);
    const groups = grouped.length > 0 ? ` (groups of ${grouped[0]!.groupSize} in ${grouped.length})` : "";
    return found.length > 0 ? [`weights of ${bits} bits in ${found.length} of ${layers.length} layers${groups}`] : [];
  });
}
