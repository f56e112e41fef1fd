/**
 * An .onnx to the compiler's graph, in the form of opset 26 whatever the model's.
 *
 * Nodes that no output depends on are left out. All that is not supported is collected into one error.
 */
import { type DType, elementCount, type Tensor } from "../../host/tensor.ts";
import { CompileError, together, type Unsupported, unsupported } from "../errors.ts";
import { Graph, type Node, type Value, type ValueType } from "../ir/graph.ts";
import { findOp, inferNode } from "../ops/index.ts";
import { dataType, dataTypeCode, dataTypeName } from "./data-types.ts";
import { type BoundShapes, bindDimensions, type DeclaredInput, declaredDimensions } from "./dimensions.ts";
import { badConstantOption, invalidModel, unboundDimensions, unboundProblems } from "./errors.ts";
import type { ExternalData } from "./external-location.ts";
import type { Message } from "./fields.ts";
import { inlineFunctions } from "./functions.ts";
import { importNode, type NodeContext } from "./import-node.ts";
import { type Model, type ModelMetadata, readModel } from "./model.ts";
import { orderNodes } from "./order.ts";
import { subgraphs } from "./scope.ts";
import { refusedType } from "./tensor.ts";
import { type KnownValue, ValueTable } from "./value-table.ts";

/** What import may be told. */
export interface ImportOptions {
  /** Sizes of dynamic dimensions, by their name or as `input:axis`. */
  readonly shapes?: Readonly<Record<string, number>>;
  readonly externalData?: ExternalData;
  /** Inputs that are given their value here and are no inputs any more, in the element type that eqm has for theirs. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Finds what else is wrong with the part of the graph that could be read, to be reported with what could not. */
  readonly findFaults?: (graph: Graph) => readonly CompileError[];
  /** Whether an operator is supported (`Op` or `domain:Op`); those of compiler/ops unless given. */
  readonly supports?: (op: string) => boolean;
}

/** A model read. */
export interface ImportedModel {
  readonly graph: Graph;
  readonly metadata: ModelMetadata;
}

/**
 * Reads a model.
 *
 * Errors: `not-onnx`, `malformed-onnx`, `too-large`, `invalid-model`, `unsupported-opset`, `unsupported-ir-version`, `bad-tensor`, `external-data`,
 * `bad-attribute`, `bad-shape-option`, `bad-constant-option`, `unbound-dimensions`, and `unsupported` with everything that eqm does not have.
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): ImportedModel {
  const read = readModel(bytes);
  const { graph: inlined, opsets } = inlineFunctions(read.graph, read.proto.functions);
  const model: Model = { ...read, graph: inlined };
  const { nodes, used } = orderNodes(model.graph);
  const problems: Unsupported[] = [];
  const notes = new Set<string>();
  const graph = new Graph(model.graph.name ?? "");
  const values = new ValueTable(model.graph, graph, options.externalData);
  const bound = addInputs(model, graph, values, options, problems, notes);
  const context: NodeContext = {
    graph,
    values,
    used,
    opset: model.opset,
    supports: options.supports ?? ((op) => findOp(op) !== undefined),
    infer: inferredTypes,
    folds: nodes.some(({ proto }) => subgraphs(proto).length > 0),
    opsets,
    problems,
    notes,
    nodeNames: new Set(nodes.flatMap(({ proto }) => (proto.name ? [proto.name] : []))),
    takenNodeNames: new Set(),
    externalData: options.externalData,
  };
  for (const node of nodes) {
    const opset = opsets.get(node.proto);
    importNode(node, opset === undefined ? context : { ...context, opset });
  }
  const outputs = model.graph.output.map(({ name }) => ({ name: name!, value: values.get(name!) }));
  for (const { name, value } of outputs)
    if ("refused" in value && !value.reported) problems.push({ node: name, op: "output", reason: `it is ${value.refused}` });
  const { unbound, flags } = bound;
  if (problems.length > 0) {
    problems.push(...unboundProblems(unbound, flags));
    // Where sizes are missing, nothing can be said of shapes.
    const faults = unbound.length === 0 ? (options.findFaults?.(graph) ?? []) : [];
    throw together([unsupported(problems), ...faults]);
  }
  if (unbound.length > 0) throw unboundDimensions(unbound, flags);
  graph.setOutputs(
    outputs.map(({ value }) => graphValue(value)),
    outputs.map(({ name }) => name),
  );
  return { graph, metadata: readMetadata(model, values, notes) };
}

function graphValue(known: KnownValue): Value {
  if ("refused" in known) throw new Error("unreachable: a refused value after the problems were reported");
  return known.value;
}

/** Faults are left to inference proper, which comes later and reports them. */
function inferredTypes(node: Node): readonly ValueType[] | null {
  try {
    return inferNode(node);
  } catch (error) {
    if (error instanceof CompileError) return null;
    throw error;
  }
}

function addInputs(
  model: Model,
  graph: Graph,
  values: ValueTable,
  { shapes = {}, constants = {} }: ImportOptions,
  problems: Unsupported[],
  notes: Set<string>,
): BoundShapes {
  const inputs = model.graph.input.filter(({ name }) => !values.isInitializer(name!));
  for (const name of Object.keys(constants)) {
    if (!inputs.some((input) => input.name === name))
      throw badConstantOption(name, `the model has no such input. It has ${inputs.map((input) => input.name).join(", ")}.`);
  }
  const tensors = inputs.filter((input) => inputProblem(input) === null && !Object.hasOwn(constants, input.name!));
  const bound = bindDimensions(
    tensors.map(({ name, type }) => ({ name: name!, dimensions: declaredDimensions(type!.tensorType!.shape) })),
    shapes,
  );
  if (bound.batches.length > 0) notes.add(`The batch (${bound.batches.join(", ")}) is 1.`);
  for (const input of inputs) {
    const name = input.name!;
    const problem = inputProblem(input);
    if (problem !== null) {
      problems.push({ node: name, op: "input", reason: problem });
      values.set(name, { refused: problem, reported: true });
      continue;
    }
    const code = input.type!.tensorType!.elemType ?? 0;
    const { dtype, name: typeName } = dataType(code)!;
    if (Object.hasOwn(constants, name)) {
      const tensor = constants[name]!;
      checkConstant(name, tensor, dtype!, declaredDimensions(input.type!.tensorType!.shape));
      values.setConstant(name, { tensor, type: typeName });
      continue;
    }
    values.set(name, { value: graph.addInput(name, { dtype: dtype!, shape: bound.shapes.get(name)! }), type: typeName });
  }
  return bound;
}

function checkConstant(name: string, { dtype, shape, data }: Tensor, expected: DType, dimensions: DeclaredInput["dimensions"]): void {
  if (dtype !== expected) throw badConstantOption(name, `it is ${dtype}, the input takes ${expected}`);
  if (data.length !== elementCount(shape))
    throw badConstantOption(name, `it has ${data.length} elements, its shape takes ${elementCount(shape)}`);
  const fits =
    !dimensions ||
    (dimensions.length === shape.length && dimensions.every((size, axis) => typeof size === "string" || size === shape[axis]));
  if (!fits)
    throw badConstantOption(
      name,
      `it has the shape [${shape.join(", ")}], the input takes [${dimensions!.map((d) => d || "?").join(", ")}]`,
    );
}

/** Why an input cannot be one of eqm's, or null. */
function inputProblem({ name, type }: Message<"ValueInfoProto">): string | null {
  if (type?.tensorType) {
    const code = type.tensorType.elemType ?? 0;
    const refused = refusedType(code);
    if (refused && !dataType(code)) throw invalidModel(`the input "${name}" has ${dataTypeName(code)}`);
    return refused ? `it is ${refused}` : null;
  }
  if (type?.sequenceType) return "it is a sequence";
  if (type?.optionalType) return "it is optional";
  if (type?.mapType) return "it is a map";
  if (type?.sparseTensorType) return "it is a sparse tensor";
  throw invalidModel(`the input "${name}" has no type that eqm knows`);
}

function readMetadata({ proto, graph, opsets }: Model, values: ValueTable, notes: ReadonlySet<string>): ModelMetadata {
  const convertedTypes = values.convertedTypes();
  const types = [...new Set(Object.values(convertedTypes))].sort();
  const properties = Object.create(null) as Record<string, string>;
  for (const { key, value } of proto.metadataProps) properties[key ?? ""] = value ?? "";
  return {
    producer: { name: proto.producerName ?? "", version: proto.producerVersion ?? "" },
    irVersion: Number(proto.irVersion ?? 0),
    opsets,
    domain: proto.domain ?? "",
    modelVersion: Number(proto.modelVersion ?? 0),
    doc: proto.docString || graph.docString || "",
    properties,
    convertedTypes,
    notes: [...notes, ...types.map((type) => `${type} is represented as ${dataType(dataTypeCode(type))!.dtype}.`)],
  };
}
