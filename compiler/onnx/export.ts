/**
 * The compiler's graph as an .onnx, for other runtimes: the same graph gives the same bytes.
 *
 * Weights are raw data. The compiler's own SiLU becomes x · Sigmoid(x), which every opset has. A clamp (`clampMin`, `clampMax` on a node: its first output is limited) becomes a Relu or Clip behind the node.
 */
import { newArray, type Tensor } from "../../host/tensor.ts";
import { type Attribute, type Graph, type Node, onlyOutput, requiredInput, type Value, type ValueType } from "../ir/graph.ts";
import { onnxCode } from "./data-types.ts";
import { ExportNames } from "./export-names.ts";
import { ATTRIBUTE_TYPES, type AttributeType } from "./fields.ts";
import type { ModelMetadata } from "./model.ts";
import { type AttributeKind, signature } from "./operators.ts";
import { type Draft, utf8Bytes, writeMessage } from "./wire.ts";

/** What the file says of its origin and meaning. */
export type ExportMetadata = Pick<ModelMetadata, "producer" | "opsets" | "domain" | "modelVersion" | "doc" | "properties">;

const SILU = "eqm:Silu";

/** The opset that files are written for unless an operator needs a later one, and the IR version of each opset. */
const USUAL_OPSET = 21;
const IR_VERSIONS: Readonly<Record<number, number>> = { 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13 };

/** Operators and attributes (`Op.attribute`) that are younger than USUAL_OPSET. */
const YOUNG: Readonly<Record<string, number>> = {
  Attention: 25,
  BitCast: 26,
  "Cast.round_mode": 24,
  "CastLike.round_mode": 24,
  CumProd: 26,
  "DequantizeLinear.output_dtype": 23,
  "QuantizeLinear.precision": 23,
  RMSNormalization: 23,
  RotaryEmbedding: 23,
  Swish: 24,
  TensorScatter: 24,
};

/** Encodes a graph that still is in ONNX's layout, with only ONNX's operators and attributes and clamps. */
export function exportModel(graph: Graph, metadata: ExportMetadata): Uint8Array {
  const names = new ExportNames(graph);
  const outputs = new Set(graph.outputs);
  const nodes: Draft<"NodeProto">[] = [];
  const initializers: Draft<"TensorProto">[] = [];
  const written = new Set<Value>();
  const addConstants = (values: readonly (Value | null)[]): void => {
    for (const value of values) {
      if (!value?.constant || written.has(value)) continue;
      written.add(value);
      initializers.push(tensorProto(names.of(value), value.constant));
    }
  };
  for (const node of graph.nodes) {
    addConstants(node.inputs);
    nodes.push(...(node.op === SILU ? siluProtos(node, names) : nodeProtos(node, outputs, names, initializers)));
  }
  addConstants(graph.outputs);
  for (const { from, to } of names.copies) {
    nodes.push({ opType: "Identity", name: names.freshNode(`${to}/copy`), input: [names.of(from)], output: [to] });
  }
  const opset = neededOpset(graph);
  return writeMessage("ModelProto", {
    irVersion: IR_VERSIONS[opset]!,
    producerName: metadata.producer.name,
    producerVersion: metadata.producer.version,
    ...(metadata.domain ? { domain: metadata.domain } : {}),
    modelVersion: metadata.modelVersion,
    ...(metadata.doc ? { docString: metadata.doc } : {}),
    graph: {
      node: nodes,
      name: graph.name || "model",
      initializer: initializers,
      input: graph.inputs.map((value) => valueInfo(names.of(value), value.type)),
      output: graph.outputs.map((value, i) => valueInfo(graph.outputNames[i]!, value.type)),
    },
    opsetImport: [
      { domain: "", version: opset },
      ...otherDomains(graph).map((domain) => ({ domain, version: metadata.opsets[domain] ?? 1 })),
    ],
    metadataProps: Object.entries(metadata.properties).map(([key, value]) => ({ key, value })),
  });
}

function neededOpset(graph: Graph): number {
  let opset = USUAL_OPSET;
  for (const node of graph.nodes) {
    for (const name of [node.op, ...Object.keys(node.attributes).map((attribute) => `${node.op}.${attribute}`)]) {
      if (Object.hasOwn(YOUNG, name)) opset = Math.max(opset, YOUNG[name]!);
    }
  }
  return opset;
}

function otherDomains(graph: Graph): readonly string[] {
  return [...new Set(graph.nodes.flatMap(({ op }) => (op === SILU ? [] : splitOperator(op).domain || [])))].sort();
}

function splitOperator(op: string): { readonly domain: string; readonly opType: string } {
  const colon = op.lastIndexOf(":");
  return { domain: colon < 0 ? "" : op.slice(0, colon), opType: op.slice(colon + 1) };
}

/** silu(x) = x · sigmoid(x) */
function siluProtos(node: Node, names: ExportNames): readonly Draft<"NodeProto">[] {
  const x = names.of(requiredInput(node, 0));
  const gate = names.freshValue(`${names.of(onlyOutput(node))}/sigmoid`);
  return [
    { opType: "Sigmoid", name: names.freshNode(`${node.name}/sigmoid`), input: [x], output: [gate] },
    { opType: "Mul", name: names.freshNode(node.name), input: [x, gate], output: [names.of(onlyOutput(node))] },
  ];
}

/** The node, and the one that clamps its output. */
function nodeProtos(
  node: Node,
  graphOutputs: ReadonlySet<Value>,
  names: ExportNames,
  initializers: Draft<"TensorProto">[],
): readonly Draft<"NodeProto">[] {
  if (node.channelsLast) throw new Error(`unreachable: ${node.name} is exported in another layout than ONNX's`);
  const { clampMin, clampMax, ...attributes } = node.attributes;
  const limits = { low: bound(clampMin, Number.NEGATIVE_INFINITY), high: bound(clampMax, Number.POSITIVE_INFINITY) };
  const clamped = limits.low !== Number.NEGATIVE_INFINITY || limits.high !== Number.POSITIVE_INFINITY;
  const optional = signature(node.op)?.outputs ?? "";
  const output = trimmed(
    node.outputs.map((value, i) => (optional[i] === "o" && value.readers.size === 0 && !graphOutputs.has(value) ? "" : names.of(value))),
  );
  const input = trimmed(node.inputs.map((value) => (value ? names.of(value) : "")));
  const { domain, opType } = splitOperator(node.op);
  const main: Draft<"NodeProto"> = {
    input,
    output,
    name: names.freshNode(node.name),
    opType,
    attribute: Object.keys(attributes)
      .sort()
      .map((name) => attributeProto(node, name, attributes[name]!)),
    ...(domain ? { domain } : {}),
  };
  if (!clamped) return [main];
  const unclamped = names.freshValue(`${output[0]}/unclamped`);
  const clamp = clampProto(node, unclamped, output[0]!, limits, names, initializers);
  return [{ ...main, output: [unclamped, ...output.slice(1)] }, clamp];
}

/** Names without those at the end that are left out. */
function trimmed(names: string[]): readonly string[] {
  while (names[names.length - 1] === "") names.pop();
  return names;
}

function bound(attribute: Attribute | undefined, otherwise: number): number {
  return typeof attribute === "number" ? attribute : otherwise;
}

function clampProto(
  node: Node,
  input: string,
  output: string,
  { low, high }: { readonly low: number; readonly high: number },
  names: ExportNames,
  initializers: Draft<"TensorProto">[],
): Draft<"NodeProto"> {
  if (low === 0 && high === Number.POSITIVE_INFINITY)
    return { opType: "Relu", name: names.freshNode(`${node.name}/relu`), input: [input], output: [output] };
  const dtype = onlyOutput(node).type?.dtype ?? "float32";
  const limit = (role: string, value: number): string => {
    if (!Number.isFinite(value)) return "";
    const name = names.freshValue(`${node.name}/${role}`);
    const data = newArray(dtype, 1);
    data[0] = dtype === "int64" ? BigInt(value) : value;
    initializers.push(tensorProto(name, { dtype, shape: [], data }));
    return name;
  };
  const limits = [limit("min", low), limit("max", high)];
  return {
    opType: "Clip",
    name: names.freshNode(`${node.name}/clip`),
    input: limits[1] ? [input, ...limits] : [input, limits[0]!],
    output: [output],
  };
}

function tensorProto(name: string, { dtype, shape, data }: Tensor): Draft<"TensorProto"> {
  return { dims: shape, dataType: onnxCode(dtype), name, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function valueInfo(name: string, type: ValueType | null): Draft<"ValueInfoProto"> {
  if (!type) return { name };
  return { name, type: { tensorType: { elemType: onnxCode(type.dtype), shape: { dim: type.shape.map((dimValue) => ({ dimValue })) } } } };
}

const TYPE_OF_KIND: Readonly<Record<AttributeKind, AttributeType>> = {
  i: "INT",
  f: "FLOAT",
  s: "STRING",
  t: "TENSOR",
  I: "INTS",
  F: "FLOATS",
  S: "STRINGS",
  g: "GRAPH",
  x: "SPARSE_TENSOR",
  p: "TYPE_PROTO",
};

function attributeProto(node: Node, name: string, value: Attribute): Draft<"AttributeProto"> {
  const form = signature(node.op);
  const kind = form?.attributes.get(name)?.kind;
  if (form && !kind) throw new Error(`unreachable: ${node.op} ${node.name} is exported with the attribute ${name}`);
  const type = kind ? TYPE_OF_KIND[kind] : unambiguousType(node, name, value);
  return { name, ...attributeValue(type, value), type: ATTRIBUTE_TYPES.indexOf(type) };
}

/** The graph does not know whether another domain's number is an INT or a FLOAT. */
function unambiguousType(node: Node, name: string, value: Attribute): AttributeType {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first === "string") return Array.isArray(value) ? "STRINGS" : "STRING";
  if (typeof first === "object" && !Array.isArray(value)) return "TENSOR";
  throw new Error(`unreachable: ${node.op} ${node.name} is exported with the number ${name}`);
}

function attributeValue(type: AttributeType, value: Attribute): Draft<"AttributeProto"> {
  switch (type) {
    case "INT":
      return { i: value as number };
    case "FLOAT":
      return { f: value as number };
    case "STRING":
      return { s: utf8Bytes(value as string) };
    case "INTS":
      return { ints: value as readonly number[] };
    case "FLOATS":
      return { floats: value as readonly number[] };
    case "STRINGS":
      return { strings: (value as readonly string[]).map(utf8Bytes) };
    case "TENSOR":
      return { t: tensorProto("", value as Tensor) };
    default:
      throw new Error(`unreachable: an attribute of type ${type}`);
  }
}
