/** Models written with onnx-proto, an encoder that shares no line with the compiler's. */
import onnxProto from "onnx-proto";

const { onnx } = onnxProto;

type AttributeValue = onnxProto.onnx.IAttributeProto;
/** TensorProto as onnx-proto takes it. */
export type TensorSpec = onnxProto.onnx.ITensorProto;
/** NodeProto as onnx-proto takes it. */
export type NodeSpec = onnxProto.onnx.INodeProto;

/** Attribute types as AttributeProto numbers them. */
const TYPE = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;

/** An INT attribute. */
export const int = (i: number): AttributeValue => ({ type: TYPE.INT, i });
/** An INTS attribute. */
export const ints = (...values: number[]): AttributeValue => ({ type: TYPE.INTS, ints: values });
/** A FLOAT attribute. */
export const float = (f: number): AttributeValue => ({ type: TYPE.FLOAT, f });
/** A FLOATS attribute. */
export const floats = (...values: number[]): AttributeValue => ({ type: TYPE.FLOATS, floats: values });
/** A STRING attribute. */
export const text = (s: string): AttributeValue => ({ type: TYPE.STRING, s: new TextEncoder().encode(s) });
/** A STRINGS attribute. */
export const texts = (...values: string[]): AttributeValue => ({
  type: TYPE.STRINGS,
  strings: values.map((s) => new TextEncoder().encode(s)),
});
/** A TENSOR attribute. */
export const tensor = (t: TensorSpec): AttributeValue => ({ type: TYPE.TENSOR, t });
/** A GRAPH attribute. */
export const subgraph = (g: onnxProto.onnx.IGraphProto): AttributeValue => ({ type: TYPE.GRAPH, g });

/** An int64 that a number cannot hold. */
export function long(value: bigint): number {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(BigInt.asIntN(32, bits)), high: Number(BigInt.asIntN(32, bits >> 32n)), unsigned: false } as unknown as number;
}

/** A node; attributes by name. */
export function node(
  opType: string,
  input: string[],
  output: string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  more: NodeSpec = {},
): NodeSpec {
  return { opType, input, output, attribute: Object.entries(attributes).map(([name, value]) => ({ name, ...value })), ...more };
}

/** A float32 tensor in float_data. */
export function floatTensor(name: string, dims: number[], values: readonly number[]): TensorSpec {
  return { name, dims, dataType: 1, floatData: [...values] };
}

/** An int64 tensor in int64_data. */
export function int64Tensor(name: string, dims: number[], values: readonly number[]): TensorSpec {
  return { name, dims, dataType: 7, int64Data: [...values] };
}

/** A value with a tensor type; a dimension is a size, a name, or "" for neither. */
export function value(name: string, dims: readonly (number | string)[] | null, elemType = 1): onnxProto.onnx.IValueInfoProto {
  const dim = dims?.map((d) => (typeof d === "number" ? { dimValue: d } : d === "" ? {} : { dimParam: d }));
  return { name, type: { tensorType: { elemType, ...(dim ? { shape: { dim } } : {}) } } };
}

/** What `model` takes. */
export interface ModelSpec {
  readonly opset?: number;
  readonly nodes?: NodeSpec[];
  readonly inputs?: onnxProto.onnx.IValueInfoProto[];
  readonly outputs?: readonly string[];
  readonly initializers?: TensorSpec[];
  readonly graph?: onnxProto.onnx.IGraphProto;
  readonly more?: onnxProto.onnx.IModelProto;
}

/** A model's bytes. Without nodes: y = Relu(x), x: float32[1, 4]. */
export function model(spec: ModelSpec = {}): Uint8Array {
  const {
    opset = 13,
    nodes = [node("Relu", ["x"], ["y"])],
    inputs = [value("x", [1, 4])],
    outputs = ["y"],
    initializers = [],
    graph = {},
    more = {},
  } = spec;
  const encoded = onnx.ModelProto.encode({
    irVersion: 8,
    producerName: "test",
    opsetImport: [{ domain: "", version: opset }],
    graph: { name: "g", node: nodes, input: inputs, output: outputs.map((name) => ({ name })), initializer: initializers, ...graph },
    ...more,
  }).finish();
  return new Uint8Array(encoded);
}

/** Reads a model back with the independent decoder. */
export function decode(bytes: Uint8Array): onnxProto.onnx.ModelProto {
  return onnx.ModelProto.decode(bytes);
}
