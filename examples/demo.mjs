/**
 * `npm run demo`: compiles the doodle classifier of this folder to int8, measures it beside the float32 model on images that neither
 * its training nor its calibration saw, and prints what came out. The report goes to build/doodles/report.json.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";

const examples = dirname(fileURLToPath(import.meta.url));
const root = dirname(examples);
const source = join(examples, "doodles");
const work = join(root, "build/doodles");
const model = join(source, "model.onnx");
const data = ["--data", join(work, "eval_x.npy"), "--labels", join(work, "eval_y.npy")];
const preprocess = ["--preprocess", join(source, "preprocess.json")];

mkdirSync(work, { recursive: true });
if (!existsSync(join(work, "eval_y.npy"))) {
  process.stderr.write("drawing the data set …\n");
  run([join(source, "synthesise.mjs"), work]);
}

const rows = ["float32", "int8"].map((precision) => {
  const output = join(work, `model.${precision}.eqm`);
  const calibrate = precision === "int8" ? ["--calibrate", join(work, "calib_x.npy"), "--report", join(work, "report.json")] : [];
  const report = eqm(
    "compile",
    model,
    "-o",
    output,
    "--force",
    "--precision",
    precision,
    "--labels",
    join(source, "labels.txt"),
    ...preprocess,
    ...calibrate,
  );
  return { precision, output, report, accuracy: eqm("eval", output, ...data), speed: eqm("bench", output) };
});

const [float, int8] = rows;
const table = new Table({
  head: ["doodles", "float32", "int8"],
  colAligns: ["left", "right", "right"],
  style: { head: [], border: [] },
});
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
const ms = (value) => `${value.toFixed(value < 10 ? 3 : 1)} ms`;
table.push(
  [`right of ${float.accuracy.samples} images`, ...rows.map(({ accuracy }) => `${(accuracy.value * 100).toFixed(2)} %`)],
  [".eqm file", ...rows.map(({ report }) => kilobytes(report.bytes))],
  ["memory to run", ...rows.map(({ report }) => kilobytes(report.memoryBytes))],
  ["one inference (median)", ...rows.map(({ speed }) => ms(speed.warmMs.median))],
  ["load and first inference", ...rows.map(({ speed }) => ms(speed.coldMs))],
);
const points = (int8.accuracy.value - float.accuracy.value) * 100;
const [output] = int8.report.outputs;
const shown = (path) => relative(process.cwd(), path);
console.log(`
${table.toString()}

int8: ${(float.report.sourceBytes / int8.report.bytes).toFixed(1)} times smaller than the .onnx of ${kilobytes(float.report.sourceBytes)}, ${(float.speed.warmMs.median / int8.speed.warmMs.median).toFixed(1)} times faster than float32, ${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)} points; ${output.sqnrDb.toFixed(1)} dB SQNR.
Everything about the compilation is in ${shown(join(work, "report.json"))}. Next:

  node dist/cli.js inspect ${shown(int8.output)}
  node dist/cli.js bench ${shown(int8.output)} --profile
  node dist/cli.js compile your-model.onnx -o your-model.eqm --calibrate your-samples.npy
`);

/** The result of a command of the built command line; its progress bars go to the terminal. */
function eqm(...args) {
  return JSON.parse(run([join(root, "dist/cli.js"), ...args, "--json"]));
}

function run(args) {
  const { status, signal, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) process.exit(status ?? (signal === "SIGINT" ? 130 : 1));
  return stdout;
}
