/** The results as Markdown: what bench/RESULTS.md holds and what the terminal shows. */
import { CONTESTANTS } from "./contestants/list.mjs";

/** The engine that all of ENGINE_CONTESTANTS share. */
const PAGE = "chromium";

const HEADINGS = [
  "contestant",
  "median ms",
  "10–90 %",
  "ratio",
  "load ms",
  "first run ms",
  "cold ms",
  "peak MB",
  "model KB",
  "of .onnx",
  "SQNR dB",
];

/**
 * @param {object} results as run.mjs gathers them: { command, date, machine, engine, downloads, models, engines, goals }
 * @returns {string} Markdown
 */
export function markdown({ command, date, machine, engine, downloads, models, engines = {}, goals }) {
  const sections = [
    "# Results",
    "Written by `npm run bench`; not by hand.",
    list([
      `machine: ${machine.cpu} (${machine.features.join(", ") || machine.arch}), ${machine.cores} cores, load ${machine.load.toFixed(1)} before the run`,
      `engine: ${engine}, one thread`,
      `versions: ${Object.entries(downloads)
        .map(([runtime, { version }]) => `${runtime} ${version}`)
        .join(", ")}`,
      `date: ${date}`,
      `command: \`${command}\``,
    ]),
    "All contestants of a model take turns in one process on the same inputs. **ratio**: time relative to " +
      `${CONTESTANTS[0].label}, the median over rounds. **load**: import of the runtime, reading and opening the model; ` +
      "**cold**: load and first run, in a fresh process. **peak**: most memory of that process over a bare Node. " +
      "**SQNR**: against the outputs of onnxruntime's float model on the benchmark's random inputs. MB and KB are powers of ten.",
    ...Object.entries(models).flatMap(([name, rows]) => [`## ${name}`, modelTable(rows)]),
    ...pageSection(engines),
    ...engineSection(engines),
    "## Download of the runtime",
    downloadTable(downloads),
  ];
  if (goals.length > 0) sections.push("## Goals", goalTable(goals));
  return `${sections.join("\n\n")}\n`;
}

function modelTable(rows) {
  const onnxBytes = rows.find(({ id }) => id === "ort-web-float32" || id === "ort-node-float32")?.modelBytes;
  const cells = rows.map((row) =>
    row.error === undefined
      ? [
          row.label,
          significant(row.medianMs),
          spread(row),
          ratio(row),
          significant(row.loadMs),
          significant(row.firstRunMs),
          significant(row.coldMs),
          (row.peakBytes / 1e6).toFixed(1),
          significant(row.modelBytes / 1e3),
          onnxBytes === undefined ? "–" : `${((100 * row.modelBytes) / onnxBytes).toFixed(1)} %`,
          sqnr(row),
        ]
      : [row.label, ...HEADINGS.slice(1).map(() => "–")],
  );
  const missing = rows.filter(({ error }) => error !== undefined).map(({ label, error }) => `${label} did not run: ${error}`);
  return [table(HEADINGS, cells), ...(missing.length > 0 ? [list(missing)] : [])].join("\n\n");
}

// A model has a table of its own only in Node: the page adds a few rows.
function pageSection(engines) {
  const pages = Object.entries(engines).flatMap(([model, measured]) =>
    measured.filter(({ engine }) => engine === PAGE).map((page) => ({ model, ...page })),
  );
  if (pages.length === 0) return [];
  const rows = pages.flatMap(({ model, rows }) => rows.map((row) => ({ model, ...row })));
  const missing = rows
    .filter(({ error }) => error !== undefined)
    .map(({ model, label, error }) => `${model}: ${label} did not run: ${error}`);
  return [
    "## In one Chromium page",
    `Chromium ${pages[0].version}, headless, one thread, taking turns. LiteRT.js runs the int8 .tflite that its own toolchain made of the same network; ` +
      "it is given quantized inputs and its outputs stay quantized, while eqm takes and gives float32 within its time. There is no float .tflite " +
      "of these networks at hand, so LiteRT.js float is not here. **SQNR**: against eqm's float model, on random inputs.",
    table(
      ["model", "contestant", "median ms", "10–90 %", "ratio", "SQNR dB"],
      rows.map((row) =>
        row.error === undefined
          ? [row.model, row.label, significant(row.medianMs), spread(row), ratio(row), sqnr(row)]
          : [row.model, row.label, ...Array(4).fill("–")],
      ),
    ),
    ...(missing.length > 0 ? [list(missing)] : []),
  ];
}

function engineSection(engines) {
  const names = [...new Set(Object.values(engines).flatMap((measured) => measured.map(({ engine, version }) => `${engine} ${version}`)))];
  if (names.length === 0) return [];
  const cell = (measured, name) => {
    const rows = measured.find(({ engine, version }) => `${engine} ${version}` === name)?.rows ?? [];
    return ["eqm-int8", "eqm-float32"].map((wanted) => significant(rows.find(({ id }) => id === wanted)?.medianMs)).join(" / ");
  };
  return [
    "## eqm in each engine",
    "Median ms, int8 / float, one thread; each engine by itself, Chromium as above.",
    table(
      ["model", ...names],
      Object.entries(engines).map(([model, measured]) => [model, ...names.map((name) => cell(measured, name))]),
    ),
  ];
}

function downloadTable(downloads) {
  const cells = Object.entries(downloads).map(([runtime, { files }]) => [
    runtime,
    files.map(({ name }) => name).join(", ") || "native, no download for a page",
    files.length === 0 ? "–" : significant(sum(files.map(({ bytes }) => bytes)) / 1e3),
    files.length === 0 ? "–" : significant(sum(files.map(({ gzipBytes }) => gzipBytes)) / 1e3),
  ]);
  return table(["runtime", "files", "KB", "gzip KB"], cells);
}

function goalTable(goals) {
  return table(
    ["goal", "measured", "met"],
    goals.map(({ goal, measured, met }) => [goal, measured, met ? "yes" : "**no**"]),
  );
}

function spread({ lowMs, highMs }) {
  return `${significant(lowMs)}–${significant(highMs)}`;
}

function ratio({ ratio }) {
  return ratio === undefined ? "–" : ratio.toFixed(2);
}

function sqnr({ agreement }) {
  return agreement === undefined ? "–" : agreement.sqnrDb === null ? "exact" : agreement.sqnrDb.toFixed(1);
}

function table(headings, rows) {
  const lines = [headings, headings.map((_, column) => (column === 0 ? "---" : "--:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function list(items) {
  return items.map((item) => `- ${item}`).join("\n");
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

// Three significant digits, never in exponents.
function significant(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 100) return value.toFixed(0);
  return value === 0 ? "0" : value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(value))));
}
