/** Measures models pruned and of few bits against what they must reach: `npm run accuracy:pruned [-- options]`, see HELP. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DIST, runCommand } from "./accuracy/commands.mjs";
import { ASSETS, isPresent, MODELS, pathsOf, ROOT } from "./accuracy/models.mjs";

const HELP = `npm run accuracy:pruned [-- options]

  --models A,B     only these; their rows are replaced in bench/pruned.json and bench/PRUNED.md
  --json           the results as one JSON object on stdout

Exit code 1 where a row could not be measured or misses what it must reach; 2 for wrong usage, a missing build or missing models.`;

const FILES = { json: join(ROOT, "bench/pruned.json"), markdown: join(ROOT, "bench/PRUNED.md") };

const unstructured = (fraction) => ["--prune", fraction, "--pattern", "unstructured"];
const channel = (criterion, ...options) => ["--prune", "0.5", "--pattern", "channel", "--criterion", criterion, ...options];
const IMAGENET = ["mobilenetv2_100_deq", "mobilenetv1_075_224", "squeezenet11", "tiny_darknet"];

/**
 * Rows of the table: what is asked of the command line, the least top-1 (or the most that is lost of float's) and the most KB of weights.
 *
 * @type {readonly { model: string, options: readonly string[], top1?: number, drop?: number, weightKB?: number }[]}
 */
const ROWS = [
  { model: "resnet8_cifar10", options: [], drop: 0.01 },
  { model: "resnet8_cifar10", options: ["--weights", "4"], top1: 0.864, weightKB: 36 },
  { model: "resnet8_cifar10", options: ["--weights", "3"], top1: 0.855 },
  { model: "resnet8_cifar10", options: unstructured("0.5"), top1: 0.855, weightKB: 46 },
  { model: "resnet8_cifar10", options: unstructured("0.75"), top1: 0.805, weightKB: 27 },
  { model: "resnet8_cifar10", options: [...unstructured("0.5"), "--weights", "4"] },
  { model: "resnet8_cifar10", options: ["--prune", "0.5"] },
  { model: "kws_dscnn", options: ["--weights", "4"], top1: 0.91 },
  { model: "kws_dscnn", options: ["--weights", "3"], top1: 0.9 },
  { model: "kws_dscnn", options: unstructured("0.5"), top1: 0.88 },
  { model: "resnet56_cifar10", options: ["--prune", "0.5"], drop: 0.01 },
  { model: "resnet56_cifar10", options: channel("obc") },
  { model: "resnet56_cifar10", options: channel("magnitude") },
  { model: "resnet56_cifar10", options: channel("magnitude", "--reconstruction", "none") },
  ...IMAGENET.map((model) => ({ model, options: ["--weights", "4"], drop: 0.015 })),
  ...IMAGENET.map((model) => ({ model, options: ["--prune", "0.5"] })),
];

const HEADINGS = "model|options|float|top-1|must|weights KB|must|file KB|of .onnx|zeros|MACs M|compile s|".split("|");

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  let options;
  try {
    options = parseArgs({
      args,
      options: { models: { type: "string" }, json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
    }).values;
    if (!options.help && !isPresent) throw new Error(`the shared models are not at ${ASSETS} (EQM_ASSETS)`);
    if (!options.help && !existsSync(join(DIST, "cli.js"))) throw new Error("cli.js is not built: npm run build");
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const wanted = options.models?.split(",");
  const earlier = wanted && existsSync(FILES.json) ? JSON.parse(readFileSync(FILES.json, "utf8")).rows : [];
  const float = new Map();
  const rows = [];
  for (const row of ROWS) {
    if (!wanted || wanted.includes(row.model)) rows.push(measure(row, float));
    else rows.push(...earlier.filter((old) => keyOf(old) === keyOf(row)));
  }
  const results = { command: "npm run accuracy:pruned", node: process.versions.node, rows };
  writeFileSync(FILES.json, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(FILES.markdown, markdown(results));
  console.log(options.json ? JSON.stringify(results) : markdown(results));
  return rows.some(({ met, error }) => met === false || error !== undefined) ? 1 : 0;
}

function keyOf({ model, options }) {
  return [model, ...options].join(" ");
}

function measure(row, float) {
  const { model, options, top1, drop, weightKB } = row;
  const paths = pathsOf(MODELS.find(({ name }) => name === model));
  const spec = paths.preprocess === undefined ? [] : ["--preprocess", paths.preprocess];
  const output = join(paths.folder, "pruned.eqm");
  mkdirSync(paths.folder, { recursive: true });
  const evaluate = (file) => runCommand(DIST, ["eval", file, "--data", paths.evaluate, "--labels", paths.labels, ...spec]).json;
  try {
    if (!float.has(model)) float.set(model, evaluate(paths.onnx).value);
    const args = ["compile", paths.onnx, "-o", output, "--calibrate", paths.calibrate, "--force", ...spec, ...options];
    const { json, durationMs } = runCommand(DIST, args);
    const weightBytes = json.file.steps.reduce((sum, { weights }) => sum + weights, 0);
    const value = evaluate(output).value;
    const least = top1 ?? (drop === undefined ? undefined : float.get(model) - drop);
    const asked = least !== undefined || weightKB !== undefined;
    const met = asked
      ? (least === undefined || value >= least - 1e-9) && (weightKB === undefined || weightBytes <= weightKB * 1000)
      : undefined;
    const { layers = [], channels } = json.pruning ?? {};
    const [zeros, weights] = ["zeros", "weights"].map((key) => layers.reduce((sum, layer) => sum + layer[key], 0));
    console.error(`${keyOf(row)}: ${(100 * value).toFixed(2)}, ${(durationMs / 1000).toFixed(0)} s`);
    return {
      ...row,
      ...(least !== undefined && { least }),
      float: float.get(model),
      value,
      bytes: json.bytes,
      weightBytes,
      sourceBytes: json.sourceBytes,
      ...(weights > 0 && { sparsity: zeros / weights }),
      macs: json.macs,
      ...(channels && { macsBefore: channels.macsBefore }),
      compileMs: Math.round(durationMs),
      ...(met !== undefined && { met }),
    };
  } catch (error) {
    console.error(`${keyOf(row)}: ${error.message}`);
    return { ...row, error: error.message };
  }
}

function markdown({ command, node, rows }) {
  const lines = [HEADINGS, HEADINGS.map((_, column) => (column < 2 ? "---" : "--:")), ...rows.map(cellsOf)];
  const sections = [
    "# Pruned, and of few bits",
    `Written by \`${command}\` in Node ${node}; not by hand. Every model is compiled from its float .onnx with all its calibration samples, whose labels are not looked at, and measured on evaluation samples that compiling never saw.`,
    "- **weights**: bytes of the layers' weights in the file; biases, scales and the program are in **file**\n- **zeros**: of the weights of the layers that are pruned\n- **MACs**: of the model as compiled, zeros counted\n- KB is 1000 bytes",
    lines.map((line) => `| ${line.join(" | ")} |`).join("\n"),
  ];
  return `${sections.join("\n\n")}\n`;
}

function cellsOf(row) {
  const {
    model,
    options,
    error,
    least,
    float,
    value,
    bytes,
    weightBytes,
    weightKB,
    sourceBytes,
    sparsity,
    macs,
    macsBefore,
    compileMs,
    met,
  } = row;
  const asked = options.join(" ") || "(int8)";
  if (error !== undefined) return [model, asked, ...HEADINGS.slice(3).map(() => "–"), error];
  const percent = (share, digits) => (100 * share).toFixed(digits);
  return [
    model,
    asked,
    percent(float, 2),
    percent(value, 2),
    least === undefined ? "–" : percent(least, 2),
    (weightBytes / 1000).toFixed(1),
    weightKB ?? "–",
    (bytes / 1000).toFixed(1),
    `${percent(bytes / sourceBytes, 1)} %`,
    sparsity === undefined ? "–" : `${percent(sparsity, 1)} %`,
    macsBefore === undefined ? (macs / 1e6).toFixed(1) : `${(macs / 1e6).toFixed(1)} of ${(macsBefore / 1e6).toFixed(1)}`,
    (compileMs / 1000).toFixed(0),
    met === undefined ? "" : met ? "pass" : "**misses**",
  ];
}
