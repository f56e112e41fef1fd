/** What earlier opsets say of training, which a compiled model never does; and other forms that were withdrawn. */
import { numberAttribute } from "../../ir/attributes.ts";
import { attributesToInputs } from "./attributes-to-inputs.ts";
import { Refusal, type Rewrite, without } from "./draft.ts";
import { asNode } from "./reading.ts";

/** BatchNormalization and Dropout before opset 7: `is_test` has to be 1 where it is given. */
export const inferenceOnly: Rewrite = (draft) => {
  if (numberAttribute(asNode(draft), "is_test", 1) === 0)
    throw new Refusal("it is in training mode (is_test = 0); export the model for inference");
  return { ...draft, attributes: without(draft.attributes, "is_test") };
};

/** BatchNormalization before opset 9: `spatial` 0 normalises each position by itself. */
export const spatialOnly: Rewrite = (draft) => {
  if (numberAttribute(asNode(draft), "spatial", 1) === 0) throw new Refusal("it has spatial = 0, which ONNX withdrew with opset 9");
  return { ...draft, attributes: without(draft.attributes, "spatial") };
};

/** BatchNormalization before opset 14: more outputs than one meant training. */
export const oneOutput: Rewrite = (draft) => {
  if (draft.outputs.slice(1).some((name) => name !== ""))
    throw new Refusal("its statistics are outputs, which is training; export the model for inference");
  return draft;
};

/** Dropout before opset 12: `ratio` became an input. Before opset 10 its mask was of the data's type. */
export const dropoutRatio: Rewrite = (draft, rewriting) => {
  if (rewriting.opset < 10 && draft.outputs[1])
    throw new Refusal("its mask is an output, which opset 10 changed; export it with opset 10 or later");
  return attributesToInputs({ attribute: "ratio", input: 1, kind: "float" })(draft, rewriting);
};
