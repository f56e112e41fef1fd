/** `eqm inspect`: what is in a model, and whether it can be compiled. */
import { MISSING_STEPS } from "../../../build/core-steps.ts";
import { HEADER_MEMORY_BYTES } from "../../../format/file.ts";
import { OPCODE } from "../../../format/plan.ts";
import { chooseBuild } from "../../../host/builds.ts";
import { layoutOf } from "../../../host/layouts.ts";
import { type Program, programsOf } from "../../../host/program.ts";
import { readEqm } from "../../../host/reader.ts";
import { createScanner } from "../../../host/scanner.ts";
import { scheduledMemoryBytes, schedules } from "../../../host/schedule.ts";
import type { DType } from "../../../host/tensor.ts";
import { bindingText, type Shapes } from "../../bindings.ts";
import { CompileError, problemsOf, type Unsupported } from "../../errors.ts";
import { compile, type Report } from "../../index.ts";
import { readModel } from "../../onnx/model.ts";
import { fileParts } from "../../report/file-parts.ts";
import { blocksText, type StepWeights, weightsOf } from "../../report/step-weights.ts";
import { readBytes } from "../data/file.ts";
import { externalDataBeside } from "../external-data.ts";
import { stopSignal } from "../interruption.ts";
import { modelKind, withPath } from "../model-file.ts";
import { fileText } from "../output/file-parts.ts";
import type { Result } from "../output/result.ts";
import { formatFacts, formatTable } from "../output/table.ts";
import { formatBytes, formatCount, formatShape } from "../output/units.ts";

/** Checked options of the command. */
export interface InspectOptions {
  readonly shapes: Shapes;
}

interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One of several plans. */
interface PlanRow {
  readonly sizes: Readonly<Record<string, number>>;
  /** What a smaller batch is filled up to. */
  readonly batch: number | null;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly steps: number;
}

interface StepRow {
  readonly step: number;
  readonly kernel: string;
  readonly op: string;
  readonly nodes: readonly string[];
  readonly weights?: StepWeights;
}

/**
 * Runs the command. JSON: `{ kind, supported, unsupported: [{ node, op, reason, code? }], bytes, … }`; for a supported model also inputs, outputs, steps,
 * weightBytes, memoryBytes, threadsMemoryBytes (by their number), plans where there are several (inputs, outputs and steps are then those of the
 * first), entries of the package that have all its steps, and for an .onnx ops, opset, macs and layers.
 *
 * @throws CompileError, EqmError where the file is no model at all
 */
export async function inspect(path: string, options: InspectOptions): Promise<Result> {
  const bytes = readBytes(path);
  return modelKind(bytes, path) === "eqm" ? await inspectEqm(path, bytes) : await inspectOnnx(path, bytes, options);
}

async function inspectEqm(path: string, bytes: Uint8Array): Promise<Result> {
  const program = await withPath(path, async () => readEqm(bytes, createScanner((await chooseBuild()).module)));
  const facts = programFacts(program, headerMemoryBytes(bytes));
  const file = fileParts(bytes, program);
  const { producer, name, preprocess, labels, states = [], provenance } = program.metadata;
  return {
    json: {
      kind: "eqm",
      supported: true,
      unsupported: [],
      bytes: bytes.length,
      producer,
      name,
      ...facts,
      file,
      golden: programsOf(program).every(({ golden }) => golden !== undefined),
      preprocess,
      labels,
      states,
      provenance,
    },
    text:
      formatFacts([
        ["file", `${path}, ${formatBytes(bytes.length)}`],
        ["written by", producer],
        ["model", name || "(no name)"],
        ["made of", fileText(file)],
        ["memory", memoryText(facts)],
        ["runs on", facts.entries.join(" and ")],
        ...states.map(({ input, output }) => ["state", `${output} to ${input}`] as const),
        ["preprocessing", preprocess === undefined ? "none stored" : JSON.stringify(preprocess)],
        ["golden vector", program.golden === undefined ? "none" : "stored (eqm verify checks it)"],
      ]) + portsAndSteps(facts),
  };
}

async function inspectOnnx(path: string, bytes: Uint8Array, { shapes }: InspectOptions): Promise<Result> {
  const model = await withPath(path, () => readModel(bytes));
  const ops = countOps(model.graph.node.map(({ opType, domain }) => (domain ? `${domain}:${opType}` : (opType ?? "?"))));
  const general = {
    kind: "onnx",
    bytes: bytes.length,
    opset: model.opset,
    producer: model.proto.producerName ?? "",
    name: model.graph.name ?? "",
    nodes: model.graph.node.length,
    ops,
  };
  const generalFacts: readonly (readonly [string, string])[] = [
    ["file", `${path}, ${formatBytes(bytes.length)}`],
    ["model", `${general.name || "(no name)"}, opset ${general.opset}, ${general.nodes} nodes`],
    [
      "ops",
      Object.entries(ops)
        .map(([op, count]) => `${op} ${count}`)
        .join(", "),
    ],
  ];
  const found = await withPath(path, () => compileOrUnsupported(path, bytes, shapes));
  if ("unsupported" in found) {
    const rows = found.unsupported.map(({ node, op, reason }) => [op, node, reason]);
    return {
      json: { ...general, supported: false, unsupported: found.unsupported },
      text: `${formatFacts([...generalFacts, ["supported", "no"]])}\n${formatTable([{ title: "unsupported op" }, { title: "node" }, { title: "reason" }], rows)}`,
    };
  }
  const { program, report } = found;
  const facts = programFacts(program, report.memoryBytes);
  const { alreadyQuantized, macs, layers } = report;
  const how = alreadyQuantized ? "as it is quantized" : "in float32";
  return {
    json: { ...general, supported: true, unsupported: [], alreadyQuantized, ...facts, macs, layers },
    text:
      formatFacts([
        ...generalFacts,
        ["supported", "yes"],
        ["weights", `${formatBytes(facts.weightBytes)} ${how}`],
        ["memory", `${formatBytes(facts.memoryBytes)} ${how}`],
        ["MACs", formatCount(macs)],
      ]) + portsAndSteps(facts),
  };
}

async function compileOrUnsupported(
  path: string,
  bytes: Uint8Array,
  shapes: Shapes,
): Promise<{ readonly program: Program; readonly report: Report } | { readonly unsupported: readonly Unsupported[] }> {
  try {
    const { bytes: eqm, report } = await compile(bytes, {
      precision: "float32",
      shapes,
      externalData: externalDataBeside(path),
      signal: stopSignal,
    });
    return { program: readEqm(eqm, createScanner((await chooseBuild()).module)), report };
  } catch (error) {
    const problems = error instanceof CompileError ? problemsOf(error) : null;
    if (problems) return { unsupported: problems };
    throw error;
  }
}

function programFacts(
  program: Program,
  memoryBytes: number,
): {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly weightBytes: number;
  readonly memoryBytes: number;
  /** On so many threads. */
  readonly threadsMemoryBytes: Readonly<Record<string, number>>;
  readonly arenaBytes: number;
  readonly steps: readonly StepRow[];
  readonly plans?: readonly PlanRow[];
  /** Entries of the package that have all its steps. */
  readonly entries: readonly string[];
} {
  const { metadata, constants, plan } = program;
  const port = ({ name, dtype, shape }: Port): Port => ({ name, dtype, shape });
  const programs = programsOf(program);
  const plans = programs.map(
    (each): PlanRow => ({
      sizes: Object.fromEntries((each.metadata.sizes ?? []).map(({ name, size }) => [name, size])),
      batch: each.metadata.batch?.size ?? null,
      inputs: each.metadata.inputs.map(port),
      outputs: each.metadata.outputs.map(port),
      steps: each.plan.steps.length,
    }),
  );
  return {
    inputs: metadata.inputs.map(port),
    outputs: metadata.outputs.map(port),
    weightBytes: constants.reduce((sum, constant) => sum + constant.bytes.length, 0),
    memoryBytes,
    threadsMemoryBytes: Object.fromEntries(
      [2, 4, 8].map((threads) => [threads, scheduledMemoryBytes(program, schedules(program, threads))]),
    ),
    arenaBytes: plan.arenaBytes,
    ...(plans.length > 1 && { plans }),
    entries: programs.some(({ plan: { steps } }) => steps.some((words) => MISSING_STEPS.has(words[OPCODE] as number)))
      ? ["eqm"]
      : ["eqm", "eqm/core"],
    steps: plan.steps.map((words, step) => {
      const weights = weightsOf(words, constants);
      return {
        step,
        kernel: layoutOf(words[OPCODE] as number)?.name ?? "?",
        op: metadata.steps[step]?.op ?? "",
        nodes: metadata.steps[step]?.nodes ?? [],
        ...(weights && { weights }),
      };
    }),
  };
}

function memoryText({ memoryBytes, threadsMemoryBytes }: ReturnType<typeof programFacts>): string {
  const more = Object.entries(threadsMemoryBytes).map(([threads, bytes]) => `${formatBytes(bytes)} on ${threads}`);
  return `${formatBytes(memoryBytes)} on one thread, ${more.join(", ")}`;
}

function planTable(plans: readonly PlanRow[]): string {
  const shapes = (ports: readonly Port[]): string => ports.map(({ name, shape }) => `${name} ${formatShape(shape)}`).join(", ");
  return formatTable(
    [{ title: "plan" }, { title: "batch", align: "right" }, { title: "inputs" }, { title: "outputs" }, { title: "steps", align: "right" }],
    plans.map(({ sizes, batch, inputs, outputs, steps }) => [
      bindingText(sizes),
      batch === null ? "as it is" : `up to ${batch}`,
      shapes(inputs),
      shapes(outputs),
      String(steps),
    ]),
  );
}

function portsAndSteps({ inputs, outputs, steps, plans }: ReturnType<typeof programFacts>): string {
  const rows = [...inputs.map((port) => ["input", port] as const), ...outputs.map((port) => ["output", port] as const)].map(
    ([side, { name, dtype, shape }]) => [side, name, dtype, formatShape(shape)],
  );
  const ports = formatTable([{ title: "side" }, { title: "name" }, { title: "type" }, { title: "shape" }], rows);
  const table = formatTable(
    [{ title: "step", align: "right" }, { title: "kernel" }, { title: "weights", align: "right" }, { title: "op" }, { title: "nodes" }],
    steps.map(({ step, kernel, op, nodes, weights }) => [
      String(step),
      kernel,
      weights ? `${weights.bits} bits${weights.blocks ? ` in ${blocksText(weights.blocks)}` : ""}, ${formatBytes(weights.fileBytes)}` : "",
      op,
      nodes.join(", "),
    ]),
  );
  return `\n${plans ? `${planTable(plans)}\nThe first plan:\n` : ""}${ports}\n${table}`;
}

function headerMemoryBytes(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(HEADER_MEMORY_BYTES * 4, true);
}

function countOps(ops: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const op of ops) counts.set(op, (counts.get(op) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
