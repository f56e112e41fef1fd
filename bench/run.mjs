/**
 * Measures eqm beside its peers: `npm run bench [-- options]`, see HELP. Writes RESULTS.md and results.json, prints the tables.
 *
 * Every contestant runs in Node 24 where `npm run hosts:install` has brought it, else in the Node that runs this file. eqm is also measured in
 * Chromium beside LiteRT.js, in Firefox, WebKit, Deno and Bun, where they are.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compileModel } from "./compile.mjs";
import { measureEngines } from "./engines.mjs";
import { judge } from "./goals.mjs";
import { measureDecoding, measureDownloads, measureModel, measureThreads, measureWeights } from "./measure.mjs";
import { listModels, ROOT } from "./models.mjs";
import { profileDense } from "./profile.mjs";
import { markdown } from "./report.mjs";

const HELP = `npm run bench [-- options]

  --models A,B     names below examples/ or the shared models, or paths of .onnx files (default: the examples, the encoder and five shared models)
  --rounds N       at least N rounds of turns (default 20)
  --seconds S      and at least S seconds per model (default 6; never more than ten times that)
  --no-engines     leave out the measurements in browsers, Deno and Bun
  --no-threads     leave out those on two threads
  --quick          a smoke test: 5 rounds, one cold start, the first model only; writes no files unless --output is given
  --json           the results as one JSON object on stdout, progress on stderr
  --output DIR     where RESULTS.md and results.json go, an existing folder (default bench/)
  --dist DIR       a built eqm (default dist/)

Exit code 1 when a contestant did not run, 2 for wrong usage or a missing build.`;

const FULL = {
  warmMs: 500,
  turnMs: 10,
  minRounds: 20,
  minSeconds: 6,
  maxSeconds: 60,
  threadSeconds: 5,
  coldStarts: 5,
  pageSeconds: 6,
  engineSeconds: 1,
};
const QUICK = {
  warmMs: 100,
  turnMs: 2,
  minRounds: 5,
  minSeconds: 0,
  maxSeconds: 20,
  threadSeconds: 0,
  coldStarts: 1,
  pageSeconds: 0,
  engineSeconds: 0,
};

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (!["onnxruntime-web", "@litertjs/core"].every((peer) => existsSync(join(ROOT, "bench/node_modules", peer)))) {
    console.error("the peers are not installed: npm run bench:install");
    return 2;
  }
  for (const file of ["cli.js", "index.js"]) {
    if (existsSync(join(options.settings.dist, file))) continue;
    console.error(`${file} is not built: npm run build`);
    return 2;
  }

  const progress = (text) => console.error(text);
  const { settings, models } = options;
  const results = {
    command: options.command,
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    engine: engineOf(settings.node, progress),
    models: {},
    threads: {},
    weights: {},
    decoding: {},
    engines: {},
    dense: {},
  };
  for (const model of models) {
    progress(`${model.name}: compiling`);
    const compiled = compileModel(model, join(settings.dist, "cli.js"), settings.node);
    results.models[model.name] = await measureModel(model, compiled, settings, progress);
    if (options.threads) results.threads[model.name] = measureThreads(model, compiled, settings, progress);
    const weights = measureWeights(model, compiled, settings, progress);
    if (weights !== undefined) results.weights[model.name] = weights;
    const decoding = measureDecoding(model, compiled, settings, progress);
    if (decoding !== undefined) results.decoding[model.name] = decoding;
    if (compiled.files["eqm-int8"] !== undefined) results.dense[model.name] = profileDense(compiled.files["eqm-int8"], settings);
    if (options.engines) results.engines[model.name] = await measureEngines(model, compiled, settings, progress);
  }
  results.downloads = await measureDownloads(settings);
  results.goals = judge(results);

  const published = JSON.parse(JSON.stringify(results, roundNumbers));
  const text = markdown(published);
  if (options.output !== undefined) {
    writeFileSync(join(options.output, "RESULTS.md"), text);
    writeFileSync(join(options.output, "results.json"), `${JSON.stringify(published, null, 1)}\n`);
  }
  console.log(options.json ? JSON.stringify(published) : text);

  const failed = [
    Object.values(results.models),
    Object.values(results.threads),
    Object.values(results.weights),
    Object.values(results.dense).filter((found) => found !== undefined),
    Object.values(results.engines).map((engines) => engines.flatMap(({ rows }) => rows)),
  ]
    .flat(2)
    .filter(({ error }) => error !== undefined);
  for (const { label, error } of failed) console.error(`${label} did not run: ${error}`);
  return failed.length > 0 ? 1 : 0;
}

function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      "no-engines": { type: "boolean", default: false },
      "no-threads": { type: "boolean", default: false },
      output: { type: "string" },
      dist: { type: "string", default: join(ROOT, "dist") },
      help: { type: "boolean", default: false },
    },
  });
  const settings = { ...(values.quick ? QUICK : FULL), node: findNode(), dist: resolve(values.dist) };
  if (values.rounds !== undefined) settings.minRounds = positive("--rounds", values.rounds);
  if (values.seconds !== undefined) settings.minSeconds = positive("--seconds", values.seconds);
  settings.maxSeconds = Math.max(settings.maxSeconds, settings.minSeconds * 10);
  if (values.help) return { help: true };
  const models = listModels(values.models?.split(","));
  if (models.length === 0) throw new Error("no model to measure: no examples/*/model.onnx and no shared models");
  const output = values.output ?? (values.quick ? undefined : join(ROOT, "bench"));
  return {
    command: commandOf(values),
    settings,
    models: values.quick && values.models === undefined ? models.slice(0, 1) : models,
    engines: !values["no-engines"],
    // Two threads on one core say nothing.
    threads: !values["no-threads"] && cpus().length > 1,
    json: values.json,
    output,
  };
}

/** The command, but for where things lie on this machine. */
function commandOf({ output: _output, dist: _dist, json: _json, models, ...values }) {
  const names = models?.split(",").map((model) => basename(model, ".onnx"));
  const asked = Object.entries({ ...(names && { models: names.join(",") }), ...values }).flatMap(([name, value]) =>
    value === false ? [] : [`--${name}`, ...(value === true ? [] : [value])],
  );
  return ["npm run bench", ...(asked.length > 0 ? ["--", ...asked] : [])].join(" ");
}

function positive(name, text) {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} ${text}: a number above 0 is expected`);
  return value;
}

function findNode() {
  const binary = join(ROOT, `test/hosts/node_modules/node-linux-${arch()}/bin/node`);
  return existsSync(binary) ? binary : process.execPath;
}

function engineOf(node, progress) {
  const { stdout } = spawnSync(node, ["-p", "process.versions.node"], { encoding: "utf8" });
  if (node === process.execPath) progress(`Node 24 is not installed (npm run hosts:install): measuring in this Node ${stdout.trim()}`);
  return `Node ${stdout.trim()}`;
}

// The instruction sets that decide which kernels a runtime chooses.
function describeMachine() {
  const list = cpus();
  const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const features = ["avx2", "avx512_vnni", "avx_vnni", "asimddp", "i8mm"].filter((name) => new RegExp(`\\b${name}\\b`).test(flags));
  return { cpu: list[0]?.model.trim() ?? "unknown", arch: arch(), cores: list.length, features, load: loadavg()[0] };
}

// Single turns are left out and numbers kept to 4 significant digits: results.json stays small and differences in it readable.
function roundNumbers(key, value) {
  if (key === "turnsMs") return undefined;
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}
