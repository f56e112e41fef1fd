/** Attributes that name an element type: to the types that eqm computes with. */
import { numberAttribute } from "../../ir/attributes.ts";
import { dataType, dataTypeCode, dataTypeName, onnxCode } from "../data-types.ts";
import { type Draft, Refusal, type Rewrite } from "./draft.ts";
import { asNode } from "./reading.ts";

/** Cast before opset 6: the type by its name. */
export const castByName: Rewrite = (draft) => {
  const to = draft.attributes["to"];
  return typeof to === "string" ? { ...draft, attributes: { ...draft.attributes, to: dataTypeCode(to) } } : draft;
};

/** Attributes that hold an element type, by operator. */
const TYPE_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  Cast: ["to"],
  BitCast: ["to"],
  EyeLike: ["dtype"],
  RandomNormal: ["dtype"],
  RandomNormalLike: ["dtype"],
  RandomUniform: ["dtype"],
  RandomUniformLike: ["dtype"],
  Bernoulli: ["dtype"],
  Multinomial: ["dtype"],
  HannWindow: ["output_datatype"],
  HammingWindow: ["output_datatype"],
  BlackmanWindow: ["output_datatype"],
  MelWeightMatrix: ["output_datatype"],
  QuantizeLinear: ["output_dtype", "precision"],
  DequantizeLinear: ["output_dtype"],
};

/**
 * Replaces element types by those that stand for them. Floats of any width are float32 here; an integer type that wraps or
 * saturates elsewhere than the one that holds it is refused.
 *
 * `note` is told of each float type that was replaced.
 */
export function replaceTypes(draft: Draft, note: (type: string) => void): Draft {
  const attributes = { ...draft.attributes };
  for (const name of TYPE_ATTRIBUTES[draft.op] ?? []) {
    const code = numberAttribute(asNode(draft), name, 0);
    if (code === 0) continue;
    const dtype = dataType(code)?.dtype;
    if (!dtype) throw new Refusal(`its attribute ${name} is ${dataTypeName(code)}, which eqm does not compute with`);
    if (onnxCode(dtype) === code) continue;
    if (dtype !== "float32" || draft.op === "BitCast")
      throw new Refusal(`its attribute ${name} is ${dataTypeName(code)}, whose range eqm does not keep to`);
    note(dataTypeName(code));
    attributes[name] = onnxCode(dtype);
  }
  return { ...draft, attributes };
}
