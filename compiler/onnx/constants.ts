/** Constants of a model: initializers and Constant nodes, read when something uses them. */
import type { Tensor } from "../../host/tensor.ts";
import { readAttributes } from "./attributes.ts";
import { dataType, dataTypeName } from "./data-types.ts";
import { invalidModel } from "./errors.ts";
import type { ExternalData } from "./external-location.ts";
import type { Int64, Message } from "./fields.ts";
import { floatList, floatScalar } from "./normalise/draft.ts";
import { readTensor, refusedInitializer } from "./tensor.ts";

/** A tensor and the element type that the model gave it; or why eqm cannot hold it. */
export type ReadConstant = { readonly tensor: Tensor; readonly type: string } | { readonly refused: string };

/** Decodes an initializer. Errors: `bad-tensor`, `external-data`. */
export function readInitializer(proto: Message<"TensorProto">, externalData?: ExternalData): ReadConstant {
  const code = proto.dataType ?? 0;
  const refused = refusedInitializer(code);
  if (refused && dataType(code)) return { refused };
  return { tensor: readTensor(proto, externalData), type: dataTypeName(code) };
}

/** The value of a Constant node; exactly one attribute gives it. Errors: `invalid-model`, `bad-tensor`, `external-data`. */
export function readConstantNode(
  attributes: readonly Message<"AttributeProto">[],
  where: string,
  externalData?: ExternalData,
): ReadConstant {
  const values = attributes.filter(({ name }) => name === "sparse_value" || (name ?? "").startsWith("value"));
  const [proto] = values;
  if (!proto || values.length > 1) throw invalidModel(`${where} has ${values.length} values instead of one`);
  switch (proto.name) {
    case "value":
      if (!proto.t) throw invalidModel(`${where} has no tensor`);
      return readInitializer({ ...proto.t, name: proto.t.name || where }, externalData);
    case "value_int":
      return { tensor: int64s([], [proto.i ?? 0]), type: "INT64" };
    case "value_ints":
      return { tensor: int64s([proto.ints.length], proto.ints), type: "INT64" };
    case "value_float":
      return { tensor: floatScalar(proto.f ?? 0), type: "FLOAT" };
    case "value_floats":
      return { tensor: floatList(proto.floats), type: "FLOAT" };
    case "value_string":
    case "value_strings":
      return { refused: "STRING, which eqm does not compute with" };
    case "sparse_value":
      return { refused: "a sparse tensor" };
    default:
      readAttributes(attributes, where);
      throw invalidModel(`${where} has the unknown attribute ${proto.name}`);
  }
}

function int64s(shape: readonly number[], values: readonly Int64[]): Tensor {
  return { dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) };
}
