/** The command line's grammar: every command, argument and option, with its help. Values are checked here, before any work. */
import { Command } from "commander";
import { MOST_PRUNE_STEPS, MOST_WORKERS } from "../options.ts";
import { PRODUCER } from "../pipeline.ts";

import { CRITERIA, RECONSTRUCTIONS } from "../prune/pattern.ts";
import { LARGEST_GROUP, LEAST_GROUP } from "../quantize/groups.ts";
import { WEIGHT_BITS, type WeightBits } from "../quantize/weight-bits.ts";

import { bench } from "./commands/bench.ts";
import { compare } from "./commands/compare.ts";
import { type CompileCommandOptions, compileFile } from "./commands/compile.ts";
import { evaluate } from "./commands/eval.ts";
import { inspect } from "./commands/inspect.ts";
import { runOnce } from "./commands/run.ts";
import { verify } from "./commands/verify.ts";
import { wrongUsage } from "./errors.ts";
import { METRICS, type Metric } from "./metrics.ts";
import {
  parseBytes,
  parseChoice,
  parseCount,
  parseFraction,
  parseInputs,
  parseMs,
  parsePattern,
  parseReal,
  parseShapes,
  parseStates,
  parseThreads,
  parseWhole,
} from "./options.ts";
import { printResult, type Result } from "./output/result.ts";

/** Columns of help texts that do not go to a terminal. */
const HELP_WIDTH = 110;

const DATA = "a .npy (first axis = samples), a .npz (by input name), a folder of images, or a .csv (file,label) beside its images";
const SPEC = "how images become the input (JSON); unless given, what the .eqm stores, else MODEL.preprocess.json beside the model";

/** A fresh parser. It throws CommanderError instead of ending the process. */
export function createProgram(): Command {
  const program = new Command("eqm")
    .description("Compiles ONNX models to small quantized files (.eqm) and runs, measures and checks them.")
    .version(PRODUCER.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: helpWidth,
      getErrHelpWidth: helpWidth,
      outputError: (message, write) => write(message.replace(/^error: /, "eqm: ")),
    })
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 the input is at fault, 2 wrong usage, 3 a quality floor or a verification failed,\n4 a fault of eqm itself, 130 interrupted. EQM_DEBUG=1 prints stack traces. KB is 1000 bytes.",
    );
  addCompile(program);
  addRun(program);
  addEval(program);
  addCompare(program);
  addInspect(program);
  addBench(program);
  addVerify(program);
  return program;
}

function helpWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : HELP_WIDTH;
}

/** The values as commander gives them: flags, texts and lists of texts. */
type Values = Readonly<Record<string, unknown>>;

function text(values: Values, name: string): string | undefined {
  return values[name] as string | undefined;
}

function optional<T>(values: Values, name: string, parse: (value: string) => T): T | undefined {
  const value = text(values, name);
  return value === undefined ? undefined : parse(value);
}

function list(values: Values, name: string): readonly string[] {
  return (values[name] as readonly string[] | undefined) ?? [];
}

async function finish(values: Values, result: Promise<Result>): Promise<void> {
  printResult(await result, values["json"] === true);
}

function command(program: Command, name: string, summary: string): Command {
  return program.command(name).description(summary).helpOption("-h, --help", "print help");
}

function withJson(target: Command): Command {
  return target.option("--json", "print one JSON object on stdout and nothing else there");
}

function withShape(target: Command): Command {
  return target.option(
    "--shape <NAME=DIM,DIM...>",
    "sizes of a dynamic dimension: NAME of the model, or input:axis; an unbound batch is 1. Of a .eqm of several plans it chooses one",
  );
}

function addCompile(program: Command): void {
  const target = command(program, "compile", "compile an .onnx to a .eqm, or to a quantized .onnx")
    .argument("<model.onnx>", "the model")
    .requiredOption(
      "-o, --output <FILE>",
      "where the result goes: a .eqm, or an .onnx for the int8 model with QuantizeLinear and DequantizeLinear, with --precision float32 for the pruned model",
    )
    .option("--calibrate <DATA>", `samples to choose the int8 ranges with: ${DATA}; without it, inputs are synthesised`)
    .option("--preprocess <spec.json>", `${SPEC}; stored in the .eqm`)
    .option("--labels <labels.txt>", "names of the classes, one a line; stored in the .eqm")
    .option(
      "--precision <TYPE>",
      "mixed: int8, but for nodes that are sooner done in float32 or that the outputs suffer from most; int8: all that has an int8 form; float32",
      "mixed",
    )
    .option("--target-sqnr <DB>", "the SQNR of every output that mixed precision aims at (default: 22)")
    .option("--weights <BITS>", "bits of int8 weights, 8 to 2; depthwise layers keep 8, of 5 and fewer the first and last layers too", "8")
    .option(
      "--group-size <N>",
      `with --weights 4, 3 or 2: so many adjacent weights of an output share a factor of their scale, ${LEAST_GROUP} to ${LARGEST_GROUP}, as 32; unless given, all of an output share one scale`,
    )
    .option(
      "--prune <FRACTION>",
      "part of the weights to remove, above 0 and below 1, of all layers but the first, the last and depthwise ones; takes --calibrate",
    )
    .option("--prune-steps <N>", "prune in so many rounds, each from what the one before left fitted; not nm and channel (default: 1)")
    .option(
      "--pattern <NAME>",
      "which weights go together: block (8 outputs × 1 input), block8x2, nm (N of each 4 inputs stay, or as 2:4), unstructured, or channel: whole filters, neurons and attention heads are cut out, FRACTION then counts MACs (default: block)",
    )
    .option("--criterion <NAME>", "how they are chosen: obc (by what the results lose), wanda or magnitude (default: obc)")
    .option(
      "--reconstruction <RULE>",
      "what becomes of the weights that stay: least-squares (fitted to the samples), or, with --criterion magnitude, none (default: least-squares)",
    )
    .option("--exclude <NODE...>", 'nodes not to prune, by name; "first" and "last" are the first and last layer')
    .option("--observer <RULE>", "how int8 ranges are chosen: mse, minmax, percentile or entropy", "mse")
    .option("--rounding <RULE>", "how weights are rounded: gptq (for what the results lose least by) or nearest", "gptq")
    .option("--no-pair-safe", "leave weights as large as they are where the relaxed build would multiply smaller ones faster")
    .option("--no-bias-correction", "leave biases as they are")
    .option("--keep-float <NODE...>", 'nodes to leave in float32, by name; "first" and "last" are the first and last layer')
    .option("--min-sqnr <DB>", "fail (exit code 3) where an output's SQNR is lower", "10")
    .option("--compression <CODING>", "how weights stand in the file: rans (entropy coded where that makes it smaller) or none", "rans")
    .option("--target-size <SIZE>", "search the bits of each layer so that the file has at most this size: 30KB, 1.5MB or 30000")
    .option(
      "--target-macs <COUNT>",
      "search how much of each layer to prune so that at most so many multiply-accumulates are by weights that are not zero: 5M or 5000000; with --pattern channel cut out channels until no more are left",
    )
    .option(
      "--target-latency <TIME>",
      "search bits and pruning of each layer so that the steps of one inference add up to at most this time here, on one thread: 2ms, 800us or 1.5",
    )
    .option(
      "--latency-table <FILE.json>",
      "with --target-latency: times of steps, read where the file is there, else written for the next time",
    )
    .option(
      "--max-drop <POINTS>",
      "lose at most so many points of top-1 where the calibration data are labelled, else of agreement with the float model's top class; without a target the smallest such file",
    )
    .option(
      "--calibration-labels <LABELS>",
      "with --max-drop: the right class of each calibration sample, where the data have no label column",
    )
    .option("--label-offset <N>", "with --max-drop: added to every label, as 1 for a model with a background class", "0")
    .option("--report <report.json>", "write the report to a file as well, with the time of each layer before and after")
    .option("--layers", "print a table of the layers: bits, zeros, bytes, predicted and measured SQNR, time before and after")
    .option(
      "--workers <N>",
      `workers to share the calibration samples out to, 1 to ${MOST_WORKERS}; 1: none; the file is the same (default: as many as there are processors, at most 4)`,
    )
    .option("--force", "replace existing files, and write the model although it is below the floor");
  target
    .option("--state <OUTPUT=INPUT...>", "outputs that the next run takes as inputs, for a stream; unless given, found by their names")
    .option("--no-state", "look for none");
  const shape =
    "sizes of a dynamic dimension: NAME of the model, or input:axis; an unbound batch is 1. Several sizes, or names, give a plan for each combination";
  withJson(target.option("--shape <NAME=DIM,DIM...>", shape)).action((model: string, values: Values) => {
    const targetSqnr = text(values, "targetSqnr");
    const options = {
      output: text(values, "output") as string,
      calibrate: text(values, "calibrate"),
      preprocess: text(values, "preprocess"),
      labels: text(values, "labels"),
      precision: parseChoice("--precision", text(values, "precision") ?? "", ["mixed", "int8", "float32"]),
      targetSqnrDb: targetSqnr === undefined ? undefined : parseReal("--target-sqnr", targetSqnr),
      weights: Number(parseChoice("--weights", text(values, "weights") ?? "", WEIGHT_BITS.map(String), ["auto"])) as WeightBits,
      groupSize: optional(values, "groupSize", (value) => parseWhole("--group-size", value, LEAST_GROUP, LARGEST_GROUP)),
      prune: optional(values, "prune", (value) => parseFraction("--prune", value)),
      pruneSteps: optional(values, "pruneSteps", (value) => parseWhole("--prune-steps", value, 1, MOST_PRUNE_STEPS)),
      pattern: optional(values, "pattern", parsePattern),
      criterion: optional(values, "criterion", (value) => parseChoice("--criterion", value, CRITERIA)),
      reconstruction: optional(values, "reconstruction", (value) => parseChoice("--reconstruction", value, RECONSTRUCTIONS)),
      exclude: list(values, "exclude"),
      observer: parseChoice("--observer", text(values, "observer") ?? "", ["mse", "minmax", "percentile", "entropy"]),
      rounding: parseChoice("--rounding", text(values, "rounding") ?? "", ["gptq", "nearest"]),
      pairSafe: values["pairSafe"] === true,
      biasCorrection: values["biasCorrection"] === true,
      keepFloat: list(values, "keepFloat"),
      shapes: parseShapes(list(values, "shape")),
      state: values["state"] === false ? {} : values["state"] === undefined ? undefined : parseStates(list(values, "state")),
      minSqnrDb: parseReal("--min-sqnr", text(values, "minSqnr") ?? ""),
      compression: parseChoice("--compression", text(values, "compression") ?? "", ["rans", "none"]),
      ...budgetOf(values),
      report: text(values, "report"),
      layers: values["layers"] === true,
      workers: optional(values, "workers", (value) => parseWhole("--workers", value, 1, MOST_WORKERS)),
      force: values["force"] === true,
    };
    return finish(values, compileFile(model, options));
  });
}

function budgetOf(
  values: Values,
): Pick<CompileCommandOptions, "target" | "maxDrop" | "latencyTable" | "calibrationLabels" | "labelOffset"> {
  const [drop, labels] = [text(values, "maxDrop"), text(values, "calibrationLabels")];
  const bytes = optional(values, "targetSize", (value) => parseBytes("--target-size", value));
  const macs = optional(values, "targetMacs", (value) => parseCount("--target-macs", value));
  const latencyMs = optional(values, "targetLatency", (value) => parseMs("--target-latency", value));
  const latencyTable = text(values, "latencyTable");
  if (latencyMs === undefined && latencyTable !== undefined)
    throw wrongUsage("--latency-table: it belongs to --target-latency; pass that too.");
  const labelOffset = parseWhole("--label-offset", text(values, "labelOffset") ?? "", Number.MIN_SAFE_INTEGER);
  if (drop === undefined && (labels !== undefined || labelOffset !== 0))
    throw wrongUsage(`${labels === undefined ? "--label-offset" : "--calibration-labels"}: it belongs to --max-drop; pass that too.`);
  return {
    ...((bytes ?? macs ?? latencyMs) !== undefined && {
      target: { ...(bytes !== undefined && { bytes }), ...(macs !== undefined && { macs }), ...(latencyMs !== undefined && { latencyMs }) },
    }),
    ...(latencyTable !== undefined && { latencyTable }),
    ...(drop !== undefined && { maxDrop: parseReal("--max-drop", drop) }),
    ...(labels !== undefined && { calibrationLabels: labels }),
    labelOffset,
  };
}

const THREADS = "threads to run on";
const FAST_FLOAT = "let float32 products round once where the machine can: faster, and not bit for bit the same everywhere";

function addRun(program: Command): void {
  const target = command(program, "run", "run a model once")
    .argument("<model>", "a .eqm, or an .onnx (in float32)")
    .option(
      "-i, --input <NAME=FILE...>",
      "a .npy, .jpg or .png for each input; FILE alone where the model has one input, or a .npz by input name",
    )
    .option("--output <FILE>", "write the outputs to a .npz, or the only output to a .npy")
    .option("--top <N>", "how many of the best classes to print", "5")
    .option("--labels <labels.txt>", "names of the classes, one a line; unless given, those stored in the .eqm")
    .option("--preprocess <spec.json>", SPEC)
    .option("--fast-float", FAST_FLOAT)
    .option("--threads <N>", THREADS, "1")
    .option("--force", "replace an existing output file");
  withJson(withShape(target)).action((model: string, values: Values) => {
    const options = {
      inputs: parseInputs(list(values, "input")),
      output: text(values, "output"),
      top: parseWhole("--top", text(values, "top") ?? "", 0),
      labels: text(values, "labels"),
      preprocess: text(values, "preprocess"),
      shapes: parseShapes(list(values, "shape")),
      force: values["force"] === true,
      fastFloat: values["fastFloat"] === true,
      threads: parseThreads(text(values, "threads") ?? ""),
    };
    return finish(values, runOnce(model, options));
  });
}

function addEval(program: Command): void {
  const metrics = Object.keys(METRICS) as Metric[];
  const target = command(program, "eval", "measure a model's accuracy on labelled data")
    .argument("<model>", "a .eqm, or an .onnx (in float32)")
    .requiredOption("--data <DATA>", DATA)
    .option("--labels <LABELS>", "the right class of each sample: a .npy or a .csv; may be left out where the data has a label column")
    .option("--metric <NAME>", metrics.join(" or "), "top1")
    .option("--label-offset <N>", "added to every label, as 1 for a model with a background class", "0")
    .option("--preprocess <spec.json>", SPEC)
    .option("--threads <N>", THREADS, "1");
  withJson(withShape(target)).action((model: string, values: Values) => {
    const options = {
      data: text(values, "data") as string,
      labels: text(values, "labels"),
      metric: parseChoice("--metric", text(values, "metric") ?? "", metrics),
      labelOffset: parseWhole("--label-offset", text(values, "labelOffset") ?? "", Number.MIN_SAFE_INTEGER),
      preprocess: text(values, "preprocess"),
      shapes: parseShapes(list(values, "shape")),
      threads: parseThreads(text(values, "threads") ?? ""),
    };
    return finish(values, evaluate(model, options));
  });
}

function addCompare(program: Command): void {
  const target = command(program, "compare", "compare a compiled model's outputs with those of its source, output by output")
    .argument("<reference>", "the source: an .onnx (in float32), or a .eqm")
    .argument("<model>", "the model to compare: a .eqm, or an .onnx")
    .requiredOption("--data <DATA>", DATA)
    .option("--preprocess <spec.json>", SPEC);
  withJson(withShape(target)).action((reference: string, model: string, values: Values) =>
    finish(
      values,
      compare(reference, model, {
        data: text(values, "data") as string,
        preprocess: text(values, "preprocess"),
        shapes: parseShapes(list(values, "shape")),
      }),
    ),
  );
}

function addInspect(program: Command): void {
  const target = command(program, "inspect", "show a model's ops, steps, shapes, sizes, memory, and all that is not supported").argument(
    "<model>",
    "an .onnx or a .eqm",
  );
  withJson(withShape(target)).action((model: string, values: Values) =>
    finish(values, inspect(model, { shapes: parseShapes(list(values, "shape")) })),
  );
}

function addBench(program: Command): void {
  const target = command(program, "bench", "measure how fast a .eqm loads and runs here")
    .argument("<model.eqm>", "the model")
    .option("--threads <N>", THREADS, "1")
    .option("--fast-float", FAST_FLOAT)
    .option("--profile", "print for every step its time, MACs, rate and the fraction of this machine's peak, which is measured too")
    .option("--top <N>", "with --profile: print only the N slowest steps")
    .option("--trace <FILE>", "with --profile: write one run as a Chrome trace (JSON), for chrome://tracing or Perfetto")
    .option("--force", "replace an existing trace");
  withJson(target.option("--shape <NAME=DIM...>", "of a .eqm of several plans: measure this one alone")).action(
    (model: string, values: Values) => {
      const [profile, top, trace] = [values["profile"] === true, text(values, "top"), text(values, "trace")];
      if (!profile && (top ?? trace) !== undefined)
        throw wrongUsage(`${top === undefined ? "--trace" : "--top"}: it belongs to --profile; pass that too.`);
      const options = {
        profile,
        top: top === undefined ? undefined : parseWhole("--top", top, 1),
        trace,
        shapes: parseShapes(list(values, "shape")),
        force: values["force"] === true,
        fastFloat: values["fastFloat"] === true,
        threads: parseThreads(text(values, "threads") ?? ""),
      };
      return finish(values, bench(model, options));
    },
  );
}

function addVerify(program: Command): void {
  const target = command(program, "verify", "check a .eqm's hashes, and its golden vector on this machine").argument(
    "<model.eqm>",
    "the model",
  );
  withJson(target).action((model: string, values: Values) => finish(values, verify(model)));
}
