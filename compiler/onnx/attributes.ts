/** AttributeProto to the graph's attributes. */
import type { Attribute } from "../ir/graph.ts";
import { invalidModel } from "./errors.ts";
import type { ExternalData } from "./external-location.ts";
import { ATTRIBUTE_TYPES, type AttributeType, type Int64, type Message } from "./fields.ts";
import { readTensor, refusedType } from "./tensor.ts";
import { utf8Text } from "./wire.ts";

type AttributeProto = Message<"AttributeProto">;

/** A node's attributes, and those that eqm cannot represent, each with the reason. */
export interface ReadAttributes {
  readonly attributes: Record<string, Attribute>;
  readonly refused: readonly string[];
}

/** Decodes a node's attributes; `where` names the node in errors. Errors: `invalid-model`, `bad-tensor`, `external-data`. */
export function readAttributes(protos: readonly AttributeProto[], where: string, externalData?: ExternalData): ReadAttributes {
  const attributes = Object.create(null) as Record<string, Attribute>;
  const refused: string[] = [];
  for (const proto of protos) {
    const name = proto.name ?? "";
    if (name === "") throw invalidModel(`${where} has an attribute without a name`);
    if (name in attributes) throw invalidModel(`${where} has two attributes named ${name}`);
    if (proto.refAttrName) throw invalidModel(`the attribute ${name} of ${where} refers to a function's attribute outside of a function`);
    const value = readAttribute(proto, name, where, externalData);
    if (typeof value === "object" && "refused" in value) refused.push(value.refused);
    else attributes[name] = value;
  }
  return { attributes, refused };
}

interface Refused {
  readonly refused: string;
}

function readAttribute(proto: AttributeProto, name: string, where: string, externalData: ExternalData | undefined): Attribute | Refused {
  const type = attributeType(proto, name, where);
  switch (type) {
    case "FLOAT":
      return proto.f ?? 0;
    case "INT":
      return integer(proto.i ?? 0, name, where);
    case "STRING":
      return utf8Text(proto.s ?? new Uint8Array(0));
    case "FLOATS":
      return proto.floats;
    case "INTS":
      return proto.ints.map((value) => integer(value, name, where));
    case "STRINGS":
      return proto.strings.map(utf8Text);
    case "TENSOR": {
      if (!proto.t) throw invalidModel(`the attribute ${name} of ${where} has no tensor`);
      const reason = refusedType(proto.t.dataType ?? 0);
      return reason
        ? { refused: `its attribute ${name} is ${reason}` }
        : readTensor({ ...proto.t, name: proto.t.name || `${where}.${name}` }, externalData);
    }
    case "GRAPH":
    case "GRAPHS":
      return { refused: "it runs a subgraph" };
    case "TENSORS":
    case "SPARSE_TENSOR":
    case "SPARSE_TENSORS":
    case "TYPE_PROTO":
    case "TYPE_PROTOS":
      return { refused: `its attribute ${name} is a ${type.toLowerCase().replace("_", " ")}` };
    case "UNDEFINED":
      throw new Error("unreachable: an attribute without a type");
  }
}

/** The declared type; models of IR version 1 declare none, there it is the field that is set. */
function attributeType(proto: AttributeProto, name: string, where: string): AttributeType {
  const declared = proto.type ?? 0;
  const type = ATTRIBUTE_TYPES[declared];
  if (type === undefined) throw invalidModel(`the attribute ${name} of ${where} has the unknown type ${declared}`);
  if (type !== "UNDEFINED") return type;
  const set = (Object.keys(BY_FIELD) as (keyof typeof BY_FIELD)[]).filter((field) => {
    const value = proto[field];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (set.length > 1) throw invalidModel(`the attribute ${name} of ${where} has several values and no type`);
  return set.length === 1 ? BY_FIELD[set[0]!] : "INTS";
}

const BY_FIELD = {
  f: "FLOAT",
  i: "INT",
  s: "STRING",
  t: "TENSOR",
  g: "GRAPH",
  floats: "FLOATS",
  ints: "INTS",
  strings: "STRINGS",
  tensors: "TENSORS",
  graphs: "GRAPHS",
  sparseTensor: "SPARSE_TENSOR",
  sparseTensors: "SPARSE_TENSORS",
  tp: "TYPE_PROTO",
  typeProtos: "TYPE_PROTOS",
} as const satisfies Partial<Record<keyof AttributeProto, AttributeType>>;

/** Slice's "up to the end" and its kin: the ends of int64, which a number holds to within one. */
const INT64_ENDS: readonly Int64[] = [2n ** 63n - 1n, -(2n ** 63n)];

function integer(value: Int64, name: string, where: string): number {
  if (typeof value === "bigint" && !INT64_ENDS.includes(value)) {
    throw invalidModel(`the attribute ${name} of ${where} is ${value}, out of every range`);
  }
  return Number(value);
}
