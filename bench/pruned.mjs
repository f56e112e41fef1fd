/** Measures models pruned and of few bits against what they must reach: `npm run accuracy:pruned [-- options]`, see HELP. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DIST, runCommand } from "./accuracy/commands.mjs";
import { ASSETS, isPresent, MODELS, pathsOf, ROOT } from "./accuracy/models.mjs";
import { runChild } from "./child.mjs";
import { listModels } from "./models.mjs";
import { medianRatio } from "./statistics.mjs";

const HELP = `npm run accuracy:pruned [-- options]

  --models A,B     only these; their rows are replaced in bench/pruned.json and bench/PRUNED.md
  --only REGEX     of them only rows whose model and options match
  --node PATH      the Node that times are measured in (default: this one)
  --json           the results as one JSON object on stdout

Exit code 1 where a row could not be measured or misses what it must reach; 2 for wrong usage, a missing build or missing models.`;

const FILES = { json: join(ROOT, "bench/pruned.json"), markdown: join(ROOT, "bench/PRUNED.md") };

const unstructured = (fraction) => ["--prune", fraction, "--pattern", "unstructured"];
const channel = (criterion, ...options) => ["--prune", "0.5", "--pattern", "channel", "--criterion", criterion, ...options];
const IMAGENET = ["mobilenetv2_100_deq", "mobilenetv1_075_224", "squeezenet11", "tiny_darknet"];

/** A seventh of a model's .onnx. */
const SEVENTHS = { mobilenetv2_100_deq: "1995KB", mobilenetv1_075_224: "1488KB", squeezenet11: "705KB", tiny_darknet: "599KB" };

/** How models are timed in turns (turns.mjs). */
const TURNS = { warmMs: 500, turnMs: 20, minRounds: 21, minSeconds: 5, maxSeconds: 30 };

const QUARTER_LEFT = ["--prune", "0.75", "--pattern", "block8x2", "--precision", "int8"];

/**
 * Rows of the table: what is asked of the command line, the least top-1 (or the most that is lost of float's), the most KB of weights, the least that the
 * .onnx's bytes are of the file's, and how many times as fast as plain int8 it shall be at least.
 *
 * @type {readonly { model: string, options: readonly string[], top1?: number, drop?: number, weightKB?: number, ratio?: number, speed?: number }[]}
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
  { model: "resnet56_cifar10", options: ["--prune", "0.5"], drop: 0.01, speed: 1.3 },
  { model: "resnet56_cifar10", options: channel("obc") },
  { model: "resnet56_cifar10", options: channel("magnitude") },
  { model: "resnet56_cifar10", options: channel("magnitude", "--reconstruction", "none") },
  // Four bits for all layers, or the bits that each of them needs for such a file: one of the two has to reach it.
  ...IMAGENET.map((model) => ({ model, options: ["--weights", "4"] })),
  ...Object.entries(SEVENTHS).map(([model, size]) => ({ model, options: ["--target-size", size], drop: 0.015, ratio: 7 })),
  // MobileNetV2's accuracy is lost without training, and float32 nodes do not bring it back: its rows are there for the time.
  ...IMAGENET.map((model) => ({ model, options: ["--prune", "0.5", ...(model === "mobilenetv2_100_deq" ? ["--precision", "int8"] : [])] })),
  { model: "mobilenetv2_100_deq", options: QUARTER_LEFT },
  // By magnitude every layer loses the same part; by what the outputs lose the first layers, where much of the time goes, keep theirs.
  { model: "mobilenetv2_100_deq", options: [...QUARTER_LEFT, "--criterion", "magnitude"], speed: 1.4 },
];

const HEADINGS = "model|options|float|top-1|must|weights KB|must|file KB|.onnx / file|must|zeros|MACs M|compile s|speed|must|".split("|");

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  let options;
  try {
    options = parseArgs({
      args,
      options: {
        models: { type: "string" },
        only: { type: "string", default: "" },
        node: { type: "string", default: process.execPath },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
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
  const earlier = (wanted || options.only) && existsSync(FILES.json) ? JSON.parse(readFileSync(FILES.json, "utf8")).rows : [];
  const known = { float: new Map(), dense: new Map() };
  const rows = [];
  for (const row of ROWS) {
    if ((!wanted || wanted.includes(row.model)) && new RegExp(options.only).test(keyOf(row))) rows.push(measure(row, known, options.node));
    else rows.push(...earlier.filter((old) => keyOf(old) === keyOf(row)).map((old) => (old.error === undefined ? judge(row, old) : old)));
  }
  const timesNode = execFileSync(options.node, ["-p", "process.versions.node"], { encoding: "utf8" }).trim();
  const results = { command: "npm run accuracy:pruned", node: process.versions.node, timesNode, rows };
  writeFileSync(FILES.json, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(FILES.markdown, markdown(results));
  console.log(options.json ? JSON.stringify(results) : markdown(results));
  return rows.some(({ met, error }) => met === false || error !== undefined) ? 1 : 0;
}

function keyOf({ model, options }) {
  return [model, ...options].join(" ");
}

function measure(row, { float, dense }, node) {
  const { model, options } = row;
  const paths = pathsOf(MODELS.find(({ name }) => name === model));
  const spec = paths.preprocess === undefined ? [] : ["--preprocess", paths.preprocess];
  const output = join(paths.folder, "pruned.eqm");
  mkdirSync(paths.folder, { recursive: true });
  const evaluate = (file) => runCommand(DIST, ["eval", file, "--data", paths.evaluate, "--labels", paths.labels, ...spec]).json;
  const compile = (file, given) =>
    runCommand(DIST, ["compile", paths.onnx, "-o", file, "--calibrate", paths.calibrate, "--force", ...spec, ...given]);
  try {
    if (!float.has(model)) float.set(model, evaluate(paths.onnx).value);
    const { json, durationMs } = compile(output, options);
    const plain = join(paths.folder, "dense.eqm");
    if (!dense.has(model)) dense.set(model, compile(plain, []));
    const timed = options.length > 0 && timesAsFast(model, plain, output, node);
    const weightBytes = json.file.steps.reduce((sum, { weights }) => sum + weights, 0);
    const value = evaluate(output).value;
    const { layers = [], channels } = json.pruning ?? {};
    const [zeros, weights] = ["zeros", "weights"].map((key) => layers.reduce((sum, layer) => sum + layer[key], 0));
    console.error(`${keyOf(row)}: ${(100 * value).toFixed(2)}, ${(durationMs / 1000).toFixed(0)} s`);
    return judge(row, {
      float: float.get(model),
      value,
      bytes: json.bytes,
      weightBytes,
      sourceBytes: json.sourceBytes,
      ...(weights > 0 && { sparsity: zeros / weights }),
      macs: json.macs,
      ...(channels && { macsBefore: channels.macsBefore }),
      compileMs: Math.round(durationMs),
      ...(timed && { timed }),
    });
  } catch (error) {
    console.error(`${keyOf(row)}: ${error.message}`);
    return { ...row, error: error.message };
  }
}

/** What was measured of a row, now or earlier, and whether it reaches what the row asks. */
function judge(row, measured) {
  const { top1, drop, weightKB, ratio, speed } = row;
  const { float, value, bytes, weightBytes, sourceBytes, sparsity, macs, macsBefore, compileMs, timed } = measured;
  const least = top1 ?? (drop === undefined ? undefined : float - drop);
  const isAsked = [least, weightKB, ratio, speed].some((demand) => demand !== undefined);
  const met =
    (least === undefined || value >= least - 1e-9) &&
    (weightKB === undefined || weightBytes <= weightKB * 1000) &&
    (ratio === undefined || sourceBytes >= ratio * bytes) &&
    (speed === undefined || timed?.speed >= speed);
  const found = { float, value, bytes, weightBytes, sourceBytes, sparsity, macs, macsBefore, compileMs, timed };
  return { ...row, ...(least !== undefined && { least }), ...found, ...(isAsked && { met }) };
}

/** How many times as fast as the file `plain` the file `pruned` runs on one thread, the two taking turns in one process: the median of all rounds. */
function timesAsFast(model, plain, pruned, node) {
  const [{ range, shapes }] = listModels([model]);
  const contestants = [plain, pruned].map((path, i) => ({ id: `${i}`, runtime: "eqm", path }));
  const { results, errors } = runChild("interleave.mjs", { ...TURNS, range, shapes, dist: DIST, contestants }, node);
  for (const error of Object.values(errors)) throw new Error(error);
  const [before, after] = results;
  return { speed: medianRatio(before.turnsMs, after.turnsMs), build: before.features.build, rounds: before.turnsMs.length };
}

function markdown({ command, node, timesNode, rows }) {
  const lines = [HEADINGS, HEADINGS.map((_, column) => (column < 2 ? "---" : "--:")), ...rows.map(cellsOf)];
  const sections = [
    "# Pruned, and of few bits",
    `Written by \`${command}\` in Node ${node}; not by hand. Every model is compiled from its float .onnx with all its calibration samples, whose labels are not looked at, and measured on evaluation samples that compiling never saw.`,
    `- **weights**: bytes of the layers' weights in the file; biases, scales and the program are in **file**\n- **zeros**: of the weights of the layers that are pruned\n- **MACs**: of the model as compiled, zeros counted\n- **speed**: how many times as fast as plain int8, on one thread, both in turns in one process of Node ${timesNode}: the median of all rounds; in brackets the build of the runtime\n- KB is 1000 bytes`,
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
    ratio,
    sourceBytes,
    sparsity,
    macs,
    macsBefore,
    compileMs,
    timed,
    speed,
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
    (sourceBytes / bytes).toFixed(2),
    ratio ?? "–",
    sparsity === undefined ? "–" : `${percent(sparsity, 1)} %`,
    macsBefore === undefined ? (macs / 1e6).toFixed(1) : `${(macs / 1e6).toFixed(1)} of ${(macsBefore / 1e6).toFixed(1)}`,
    (compileMs / 1000).toFixed(0),
    timed === undefined ? "–" : `${timed.speed.toFixed(2)} (${timed.build})`,
    speed ?? "–",
    met === undefined ? "" : met ? "pass" : "**misses**",
  ];
}
