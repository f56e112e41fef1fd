/** The measurements as Markdown: bench/ACCURACY.md. */

/**
 * @param {{ command: string, node: string, rows: readonly object[] }} results rows with `verdicts`, and with `error` where one could not be measured
 * @param {Record<string, Record<string, string>>} reasons why a claim is missed, by model and claim; `note` is said whatever is missed
 */
export function markdown({ command, node, rows }, reasons) {
  const asked = rows.filter(({ extra }) => !extra);
  const extras = rows.filter(({ extra }) => extra);
  const peer = rows.find(({ agreement }) => agreement !== undefined)?.agreement.peer;
  const sections = [
    "# Accuracy",
    `Written by \`${command}\` in Node ${node}; not by hand. Every model is compiled with all its calibration samples and the same default options ` +
      "(only shapes and preprocessing differ), and measured on evaluation samples that calibration never saw.",
    "- **float**: `eqm eval` of the .onnx, in float32; **published**: MANIFEST.json of the shared models; **int8**: `eqm eval` of the .eqm; **bar**: the least that int8 shall reach\n" +
      "- **SQNR**: `eqm compare`, the worst output over the evaluation samples; **same class**: how often both give the same top class\n" +
      `- **Δ**: the largest difference of a float32 output from that of ${peer ?? "onnxruntime-node, which was not installed"}, over its largest value, on single evaluation samples; at most 1e-4 is wanted. An output that a Sigmoid computes is held against the exact sigmoid of onnxruntime's argument: onnxruntime's own is off by about 1e-7 whatever its result (bench/accuracy/peer.mjs)\n` +
      "- KB is 1000 bytes",
    table(asked),
  ];
  if (extras.length > 0) sections.push("## Beyond what was asked", table(extras));
  const missed = rows.flatMap(({ name, verdicts = [] }) =>
    verdicts
      .filter(({ met }) => !met)
      .map(({ claim, measured }) => `- **${name}**, ${claim} (${measured}): ${reasons[name]?.[claim] ?? "no reason is known"}`),
  );
  const failed = rows.filter(({ error }) => error !== undefined).map(({ name, error }) => `- **${name}** could not be measured: ${error}`);
  sections.push("## Missed", [...missed, ...failed].join("\n") || "Nothing.");
  const notes = rows.filter(({ name }) => reasons[name]?.note !== undefined).map(({ name }) => `- **${name}**: ${reasons[name].note}`);
  if (notes.length > 0) sections.push("## Notes", notes.join("\n"));
  const many = rows.filter(({ outputs }) => outputs !== undefined && outputs.length > 1);
  if (many.length > 0)
    sections.push("## SQNR by output", many.map(({ name, outputs }) => `- ${name}: ${outputs.map(outputText).join(", ")}`).join("\n"));
  return `${sections.join("\n\n")}\n`;
}

const HEADINGS = "model|data|n|calib.|metric|float|published|int8|bar|SQNR dB|same class|Δ|.onnx KB|int8 KB|of .onnx|compile s|".split("|");

function table(rows) {
  const cells = rows.map((row) => (row.error === undefined ? cellsOf(row) : [row.name, ...HEADINGS.slice(1).map(() => "–")]));
  const lines = [HEADINGS, HEADINGS.map((_, column) => (column < 2 || column === 4 ? "---" : "--:")), ...cells];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function cellsOf(row) {
  const { metric, outputs, agreement, sourceBytes, int8Bytes, verdicts } = row;
  const worst = outputs.reduce((a, b) => (b.sqnrDb < a.sqnrDb ? b : a));
  const figure = (value) => (value === undefined ? "–" : metricText(metric.name, value));
  return [
    row.name,
    row.data,
    row.samples,
    row.calibrationSamples,
    metric?.name ?? "–",
    figure(metric?.float32),
    figure(row.published),
    figure(metric?.int8),
    figure(barOf(row)),
    worst.sqnrDb.toFixed(1),
    row.sameClass === undefined ? "–" : `${(100 * row.sameClass).toFixed(1)} %`,
    agreement === undefined ? "–" : Math.max(...Object.values(agreement.outputs)).toExponential(1),
    (sourceBytes / 1000).toFixed(0),
    (int8Bytes / 1000).toFixed(0),
    `${((100 * int8Bytes) / sourceBytes).toFixed(1)} %`,
    (row.compileMs / 1000).toFixed(1),
    verdicts.every(({ met }) => met)
      ? "pass"
      : `**misses ${verdicts
          .filter(({ met }) => !met)
          .map(({ claim }) => claim)
          .join(", ")}**`,
  ];
}

function barOf({ bar, mostLoss, lessIsBetter, metric }) {
  return mostLoss === undefined ? bar : metric.float32 - mostLoss * (lessIsBetter ? -1 : 1);
}

function metricText(name, value) {
  if (name === "top-1") return (100 * value).toFixed(2);
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

function outputText({ name, sqnrDb }) {
  return `${name} ${sqnrDb.toFixed(1)}`;
}
