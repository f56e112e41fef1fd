/**
 * The fields of ONNX's protobuf messages (onnx.proto at IR version 13, opset 26): `name: [number, kind]`.
 *
 * What the compiler has no use for is left out and skipped in reading: training_info, value_info, configuration and
 * device_configurations, Opaque types; doc_string and metadata_props but for the model's own.
 */

/** An integer of 64 bits, exact: a bigint only beyond ±2^53. */
export type Int64 = number | bigint;

/** Kind of a field: a scalar or a message, `[]` where it repeats. */
type Kind = keyof Scalars | `${keyof Scalars}[]` | (string & {});

interface Scalars {
  int32: number;
  int64: Int64;
  float: number;
  string: string;
  bytes: Uint8Array;
  /** Packed numbers, left undecoded: each entry is the bytes of one or more elements. */
  packedFloat: Uint8Array;
  packedDouble: Uint8Array;
  packedVarint: Uint8Array;
}

export const MESSAGES = {
  ModelProto: {
    irVersion: [1, "int64"],
    producerName: [2, "string"],
    producerVersion: [3, "string"],
    domain: [4, "string"],
    modelVersion: [5, "int64"],
    docString: [6, "string"],
    graph: [7, "GraphProto"],
    opsetImport: [8, "OperatorSetIdProto[]"],
    metadataProps: [14, "StringStringEntryProto[]"],
    functions: [25, "FunctionProto[]"],
  },
  GraphProto: {
    node: [1, "NodeProto[]"],
    name: [2, "string"],
    initializer: [5, "TensorProto[]"],
    docString: [10, "string"],
    input: [11, "ValueInfoProto[]"],
    output: [12, "ValueInfoProto[]"],
    quantizationAnnotation: [14, "TensorAnnotation[]"],
    sparseInitializer: [15, "SparseTensorProto[]"],
  },
  NodeProto: {
    input: [1, "string[]"],
    output: [2, "string[]"],
    name: [3, "string"],
    opType: [4, "string"],
    attribute: [5, "AttributeProto[]"],
    domain: [7, "string"],
    overload: [8, "string"],
  },
  AttributeProto: {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "int64"],
    s: [4, "bytes"],
    t: [5, "TensorProto"],
    g: [6, "GraphProto"],
    floats: [7, "float[]"],
    ints: [8, "int64[]"],
    strings: [9, "bytes[]"],
    tensors: [10, "TensorProto[]"],
    graphs: [11, "GraphProto[]"],
    tp: [14, "TypeProto"],
    typeProtos: [15, "TypeProto[]"],
    type: [20, "int32"],
    refAttrName: [21, "string"],
    sparseTensor: [22, "SparseTensorProto"],
    sparseTensors: [23, "SparseTensorProto[]"],
  },
  TensorProto: {
    dims: [1, "int64[]"],
    dataType: [2, "int32"],
    segment: [3, "Segment"],
    floatData: [4, "packedFloat[]"],
    int32Data: [5, "packedVarint[]"],
    stringData: [6, "bytes[]"],
    int64Data: [7, "packedVarint[]"],
    name: [8, "string"],
    rawData: [9, "bytes"],
    doubleData: [10, "packedDouble[]"],
    uint64Data: [11, "packedVarint[]"],
    externalData: [13, "StringStringEntryProto[]"],
    dataLocation: [14, "int32"],
  },
  Segment: { begin: [1, "int64"], end: [2, "int64"] },
  SparseTensorProto: { values: [1, "TensorProto"], indices: [2, "TensorProto"], dims: [3, "int64[]"] },
  ValueInfoProto: { name: [1, "string"], type: [2, "TypeProto"] },
  TypeProto: {
    tensorType: [1, "TensorType"],
    sequenceType: [4, "SequenceType"],
    mapType: [5, "MapType"],
    denotation: [6, "string"],
    sparseTensorType: [8, "TensorType"],
    optionalType: [9, "SequenceType"],
  },
  TensorType: { elemType: [1, "int32"], shape: [2, "TensorShapeProto"] },
  SequenceType: { elemType: [1, "TypeProto"] },
  MapType: { keyType: [1, "int32"], valueType: [2, "TypeProto"] },
  TensorShapeProto: { dim: [1, "Dimension[]"] },
  Dimension: { dimValue: [1, "int64"], dimParam: [2, "string"], denotation: [3, "string"] },
  StringStringEntryProto: { key: [1, "string"], value: [2, "string"] },
  OperatorSetIdProto: { domain: [1, "string"], version: [2, "int64"] },
  TensorAnnotation: { tensorName: [1, "string"], quantParameterTensorNames: [2, "StringStringEntryProto[]"] },
  FunctionProto: {
    name: [1, "string"],
    input: [4, "string[]"],
    output: [5, "string[]"],
    attribute: [6, "string[]"],
    node: [7, "NodeProto[]"],
    opsetImport: [9, "OperatorSetIdProto[]"],
    domain: [10, "string"],
    attributeProto: [11, "AttributeProto[]"],
    overload: [13, "string"],
  },
} as const satisfies Record<string, Record<string, readonly [number, Kind]>>;

/** Name of a message. */
export type MessageName = keyof typeof MESSAGES;

type Element<K> = K extends keyof Scalars ? Scalars[K] : K extends MessageName ? Message<K> : never;

/** A decoded message: a repeated field is an array, any other may be undefined. */
export type Message<N extends MessageName> = {
  readonly [F in keyof (typeof MESSAGES)[N]]: (typeof MESSAGES)[N][F] extends readonly [number, infer K]
    ? K extends `${infer E}[]`
      ? readonly Element<E>[]
      : Element<K> | undefined
    : never;
};

/** AttributeProto.type. */
export const ATTRIBUTE_TYPES = [
  "UNDEFINED",
  "FLOAT",
  "INT",
  "STRING",
  "TENSOR",
  "GRAPH",
  "FLOATS",
  "INTS",
  "STRINGS",
  "TENSORS",
  "GRAPHS",
  "SPARSE_TENSOR",
  "SPARSE_TENSORS",
  "TYPE_PROTO",
  "TYPE_PROTOS",
] as const;

/** Name of an attribute's type. */
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number];
