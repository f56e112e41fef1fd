/**
 * If, Loop and Scan while compiling: the branch that is taken, or both and a choice between their results; the body as often as it runs.
 *
 * A subgraph's nodes come into the graph under names of their own, `node/branch/name`. How often a Loop runs has to be known.
 */
import type { Value } from "../ir/graph.ts";
import { invalidModel } from "./errors.ts";
import type { Message } from "./fields.ts";
import { emit, type NodeContext } from "./import-node.ts";
import { int64List, Refusal } from "./normalise/draft.ts";
import { definedNames, type NameMap, namesRead, renamedNode } from "./scope.ts";

type GraphProto = Message<"GraphProto">;
type NodeProto = Message<"NodeProto">;

/** Imports nodes: import-node.ts, which calls this file. */
export type ImportNode = (node: { readonly proto: NodeProto; readonly index: number }, context: NodeContext) => void;

/** The most times that a body may run: more would make a plan of its repetitions. */
const MAX_ITERATIONS = 4096;

/** Operators that run subgraphs. */
export const CONTROL_FLOW: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/** One node that runs subgraphs. */
interface Run {
  readonly node: NodeProto;
  readonly name: string;
  readonly context: NodeContext;
  readonly importNode: ImportNode;
}

/** Imports a node of CONTROL_FLOW. Throws `Refusal` and `invalid-model`. */
export function importControlFlow(node: NodeProto, name: string, context: NodeContext, importNode: ImportNode): void {
  const run: Run = { node, name, context, importNode };
  const outputs = node.opType === "If" ? runIf(run) : node.opType === "Loop" ? runLoop(run) : runScan(run);
  node.output.forEach((output, i) => {
    const value = outputs[i];
    if (output !== "" && value) context.values.set(output, { value, type: null });
  });
}

function graphAttribute({ node, name }: Run, attribute: string): GraphProto {
  const graph = node.attribute.find((a) => a.name === attribute)?.g;
  if (!graph) throw invalidModel(`${node.opType} "${name}" lacks the subgraph ${attribute}`);
  return graph;
}

function readValue({ context }: Run, name: string): Value {
  const known = context.values.get(name);
  // What feeds it has been reported.
  if ("refused" in known) throw new Refusal(known.reported ? "" : `its input "${name}" is ${known.refused}`);
  return known.value;
}

/** An input of the node, or null where it is left out. */
function operand(run: Run, index: number): Value | null {
  const name = run.node.input[index];
  return name ? readValue(run, name) : null;
}

/** Brings a subgraph in, its inputs being `inputs`, and gives its outputs. */
function importGraph(run: Run, graph: GraphProto, label: string, inputs: readonly Value[]): readonly Value[] {
  const { context, name } = run;
  if (graph.sparseInitializer.length > 0) throw new Refusal("its subgraph has a sparse tensor");
  const prefix = context.values.freshPrefix(`${name}/${label}`);
  const own = definedNames(graph);
  const map: NameMap = (inner) => (own.has(inner) ? `${prefix}/${inner}` : inner);
  graph.input.forEach(({ name: inner }, i) => {
    const value = inputs[i];
    if (!value)
      throw invalidModel(`${run.node.opType} "${name}" gives its subgraph ${inputs.length} inputs, it takes ${graph.input.length}`);
    context.values.set(map(inner ?? ""), { value, type: null });
  });
  const given = new Set(graph.input.map(({ name: inner }) => inner));
  context.values.addInitializers(
    graph.initializer.filter((tensor) => !given.has(tensor.name)).map((tensor) => ({ ...tensor, name: map(tensor.name ?? "") })),
  );
  const nodes = graph.node.map((node, i) => ({
    ...renamedNode(node, map),
    name: `${prefix}/${node.name || `${node.opType ?? "node"}_${i}`}`,
  }));
  const results = graph.output.map((output) => map(output.name ?? ""));
  const used = new Set([...nodes.flatMap(namesRead), ...results]);
  nodes.forEach((proto, i) => {
    const opset = context.opsets.get(graph.node[i]!);
    run.importNode({ proto, index: i }, { ...context, used, ...(opset !== undefined && { opset }) });
  });
  return results.map((result) => readValue(run, result));
}

/** One number of a constant, or null where it is known only when running. */
function known(value: Value | null): number | null {
  return value?.constant?.data.length === 1 ? Number(value.constant.data[0]) : null;
}

function runIf(run: Run): readonly Value[] {
  const condition = operand(run, 0);
  if (!condition) throw invalidModel(`If "${run.name}" has no condition`);
  const taken = known(condition);
  if (taken !== null) return importGraph(run, graphAttribute(run, taken ? "then_branch" : "else_branch"), taken ? "then" : "else", []);
  const [yes, no] = [
    importGraph(run, graphAttribute(run, "then_branch"), "then", []),
    importGraph(run, graphAttribute(run, "else_branch"), "else", []),
  ];
  return run.node.output.map((output, i) => chosen(run, output, condition, yes[i], no[i]));
}

/** The one value or the other; both are computed. */
function chosen(run: Run, output: string, condition: Value, yes: Value | undefined, no: Value | undefined): Value {
  if (!yes || !no) throw invalidModel(`If "${run.name}" has more outputs than its branches`);
  if (
    !yes.type ||
    !no.type ||
    yes.type.dtype !== no.type.dtype ||
    `${yes.type.shape}` !== `${no.type.shape}` ||
    yes.type.shape.length !== no.type.shape.length
  )
    throw new Refusal(`which branch is taken is known only when running, and "${output}" is of another type or shape in each`);
  const one =
    condition.type && condition.type.shape.length > 0 ? emit(run.context, run.name, "Reshape", [condition, list(run, [])]) : condition;
  return emit(run.context, run.name, "Where", [one, yes, no]);
}

function list({ context, name }: Run, values: readonly number[]): Value {
  return context.graph.addConstant(context.values.freshName(`${name}/list`), int64List(values));
}

function constant({ context, name }: Run, role: string, dtype: "int64" | "bool", value: number): Value {
  const data = dtype === "int64" ? BigInt64Array.of(BigInt(value)) : Uint8Array.of(value);
  return context.graph.addConstant(context.values.freshName(`${name}/${role}`), { dtype, shape: [], data });
}

function runLoop(run: Run): readonly Value[] {
  const body = graphAttribute(run, "body");
  const [trips, first] = [operand(run, 0), operand(run, 1)];
  const count = trips ? known(trips) : Number.POSITIVE_INFINITY;
  if (count === null) throw new Refusal("how often it runs is known only when running; make its trip count a constant");
  let states = run.node.input.slice(2).map((_, i) => operand(run, i + 2)!);
  let condition = first ?? constant(run, "condition", "bool", 1);
  const scans: Value[][] = Array.from({ length: Math.max(0, body.output.length - 1 - states.length) }, () => []);
  for (let i = 0; i < count; i++) {
    const isRunning = known(condition);
    if (isRunning === null) throw new Refusal("whether it goes on is known only when running; make its condition a constant");
    if (isRunning === 0) break;
    if (i === MAX_ITERATIONS) throw new Refusal(`it runs more than ${MAX_ITERATIONS} times`);
    const outputs = importGraph(run, body, `${i}`, [constant(run, "iteration", "int64", i), condition, ...states]);
    condition = outputs[0]!;
    states = outputs.slice(1, states.length + 1);
    outputs.slice(states.length + 1).forEach((value, s) => scans[s]!.push(value));
  }
  return [...states, ...scans.map((values) => stacked(run, values, 0))];
}

/** Values side by side along a new axis. */
function stacked(run: Run, values: readonly Value[], axis: number): Value {
  if (values.length === 0) throw new Refusal("it never runs, and the shape of what it would collect is not known");
  const parts = values.map((value) => emit(run.context, run.name, "Unsqueeze", [value, list(run, [axis])]));
  return parts.length === 1 ? parts[0]! : emit(run.context, run.name, "Concat", parts, { axis });
}

function integers({ node }: Run, attribute: string, count: number): readonly number[] {
  const given = node.attribute.find(({ name }) => name === attribute)?.ints.map(Number) ?? [];
  return Array.from({ length: count }, (_, i) => given[i] ?? 0);
}

function runScan(run: Run): readonly Value[] {
  const { node, context } = run;
  if (context.opset < 9) throw new Refusal(`its form of opset ${context.opset} is not supported; export the model with opset 9 or later`);
  const body = graphAttribute(run, "body");
  const scanCount = Number(node.attribute.find(({ name }) => name === "num_scan_inputs")?.i ?? 0);
  const stateCount = node.input.length - scanCount;
  if (scanCount < 1 || stateCount < 0)
    throw invalidModel(`Scan "${run.name}" has ${node.input.length} inputs and scans ${scanCount} of them`);
  const inputs = node.input.map((_, i) => operand(run, i)!);
  let states: readonly Value[] = inputs.slice(0, stateCount);
  const scanned = inputs.slice(stateCount);
  const axes = integers(run, "scan_input_axes", scanCount).map((axis, i) =>
    axis < 0 ? axis + (scanned[i]!.type?.shape.length ?? 0) : axis,
  );
  const directions = integers(run, "scan_input_directions", scanCount);
  const count = scanned[0]!.type?.shape[axes[0]!];
  if (count === undefined || count > MAX_ITERATIONS)
    throw new Refusal(count === undefined ? "how often it runs is not known" : `it runs more than ${MAX_ITERATIONS} times`);
  const collected: Value[][] = Array.from({ length: body.output.length - stateCount }, () => []);
  for (let i = 0; i < count; i++) {
    const parts = scanned.map((value, s) => {
      const place = constant(run, "place", "int64", directions[s] ? count - 1 - i : i);
      return emit(context, run.name, "Gather", [value, place], { axis: axes[s]! });
    });
    const outputs = importGraph(run, body, `${i}`, [...states, ...parts]);
    states = outputs.slice(0, stateCount);
    outputs.slice(stateCount).forEach((value, s) => collected[s]!.push(value));
  }
  const outAxes = integers(run, "scan_output_axes", collected.length);
  const outDirections = integers(run, "scan_output_directions", collected.length);
  return [...states, ...collected.map((values, s) => stacked(run, outDirections[s] ? [...values].reverse() : values, outAxes[s]!))];
}
