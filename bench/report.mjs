/** The results as Markdown: what bench/RESULTS.md holds and what the terminal shows. */
import { CONTESTANTS } from "./contestants/list.mjs";

/** The engine that all of ENGINE_CONTESTANTS share. */
const PAGE = "chromium";

const HEADINGS = [
  "contestant",
  "median ms",
  "10–90 %",
  "ratio",
  "import ms",
  "load ms",
  "first run ms",
  "cold ms",
  "peak MB",
  "model KB",
  "of .onnx",
  "SQNR dB",
];

/**
 * @param {object} results as run.mjs gathers them: { command, date, machine, engine, downloads, models, threads, weights, engines, goals }
 * @returns {string} Markdown
 */
export function markdown({
  command,
  date,
  machine,
  engine,
  downloads,
  models,
  threads = {},
  weights = {},
  decoding = {},
  engines = {},
  goals,
}) {
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
      `${CONTESTANTS[0].label}, the median over rounds. **import**: of the runtime's JavaScript; **load**: reading and opening the model, ` +
      "the runtime's WebAssembly included; **cold**: load and first run; each in a fresh process. **peak**: most memory of that process over " +
      "a bare Node. **int8 (QDQ)**: int8 activations and int8 weights, the very numbers that eqm runs; " +
      `${vnni(machine)} ` +
      "**SQNR**: against the outputs of onnxruntime's float model on the benchmark's random inputs. MB and KB are powers of ten.",
    ...Object.entries(models).flatMap(([name, rows]) => [`## ${name}`, modelTable(rows)]),
    ...threadSection(threads),
    ...weightSection(weights),
    ...decodingSection(decoding),
    ...pageSection(engines),
    ...engineSection(engines),
    "## Download of the runtime",
    downloadTable(downloads),
  ];
  if (goals.length > 0) sections.push("## Goals", ...goalTables(goals));
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
          significant(row.importMs),
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

// On x64, onnxruntime's int8 products saturate unless the processor has VNNI, but for those of int8 activations, which take longer then.
function vnni({ features, arch }) {
  if (arch !== "x64") return "";
  return features.some((name) => name.endsWith("vnni"))
    ? "this processor has VNNI, with which native int8 is exact at full speed."
    : "this processor has no VNNI, so that native int8 is exact only with int8 activations, as here.";
}

function threadSection(threads) {
  return turnSection(
    "## On two threads",
    "All in turns. **ratio**: time relative to eqm int8 on two threads; **speedup**: of eqm, over its time on one, in turns of these two alone.",
    threads,
    { speedup: (row) => row.speedup?.toFixed(2) ?? "–" },
  );
}

function weightSection(weights) {
  return turnSection(
    "## Weights of four bits",
    "Of all layers but the first and the last. **ratio**: time relative to weights of four bits.",
    weights,
    {},
  );
}

function decodingSection(decoding) {
  const entries = Object.entries(decoding);
  if (entries.length === 0) return [];
  const rows = entries.flatMap(([model, { decodedBytes, bytesPerSecond, coded, uncoded }]) => [
    [model, "entropy coded", ...times(coded), significant(decodedBytes / 1e6), significant(bytesPerSecond / 1e6)],
    [model, "as they are", ...times(uncoded), "–", "–"],
  ]);
  return [
    "## Loading with coded weights and without",
    "int8, in turns of fresh processes. **load** and **cold** as above; **decoded**: weights that come out of the decoder, and how fast, by a clock around its calls.",
    table(["model", "weights", "file KB", "load ms", "cold ms", "decoded MB", "MB/s"], rows),
  ];
}

function times({ fileBytes, loadMs, coldMs }) {
  return [significant(fileBytes / 1e3), significant(loadMs), significant(coldMs)];
}

/** Rows of all models in one table, with further columns, and what did not run. */
function turnSection(title, about, models, columns) {
  const rows = Object.entries(models).flatMap(([model, rows]) => rows.map((row) => ({ model, ...row })));
  if (rows.length === 0) return [];
  const missing = rows
    .filter(({ error }) => error !== undefined)
    .map(({ model, label, error }) => `${model}: ${label} did not run: ${error}`);
  const more = Object.values(columns);
  return [
    title,
    about,
    table(
      ["model", "contestant", "median ms", "10–90 %", "ratio", ...Object.keys(columns)],
      rows.map((row) =>
        row.error === undefined
          ? [row.model, row.label, significant(row.medianMs), spread(row), ratio(row), ...more.map((column) => column(row))]
          : [row.model, row.label, ...Array(3 + more.length).fill("–")],
      ),
    ),
    ...(missing.length > 0 ? [list(missing)] : []),
  ];
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
    `Chromium ${pages[0].version}, headless, one thread, taking turns. LiteRT.js int8 runs the .tflite that its own toolchain made of the same ` +
      "network where there is one, given quantized inputs and with outputs that stay quantized, while eqm takes and gives float32 within its time; else " +
      "the numbers that eqm runs, as .tflite. LiteRT.js float runs the float network as .tflite. Its images are channels last, eqm's channels first. " +
      "**fastFloat**: with fused multiply-add, outside of the promise of exactness. **SQNR**: against eqm's float model, on random inputs.",
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

function goalTables(goals) {
  const cells = goals.filter(({ cell }) => cell !== undefined);
  const others = goals.filter(({ cell }) => cell === undefined);
  const peers = [...new Set(cells.map(({ cell }) => cell.peer))];
  const rows = [...new Set(cells.map(({ cell }) => cell.model))].map((model) => [
    model,
    ...peers.map((peer) => {
      const found = cells.find(({ cell }) => cell.model === model && cell.peer === peer);
      if (found === undefined) return "–";
      const text = `${found.measured.replace("×", "")} (≥ ${found.cell.atLeast})`;
      return found.met ? text : `**${text}**`;
    }),
  ]);
  const matrix = [
    "How many times as fast as each peer eqm int8 is, and is to be; what is missed in bold.",
    table(["model", ...peers], rows),
  ];
  const lines = table(
    ["goal", "measured", "met"],
    others.map(({ goal, measured, met }) => [goal, measured, met ? "yes" : "**no**"]),
  );
  return [...(cells.length > 0 ? matrix : []), ...(others.length > 0 ? [lines] : [])];
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
