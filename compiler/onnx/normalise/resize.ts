/** Upsample and the Resize of opset 10, both with coordinates x / scale, as Resize; and Resize's operands that are given empty. */
import { numbersAttribute, stringAttribute } from "../../ir/attributes.ts";
import type { Tensor } from "../../../host/tensor.ts";
import type { Value } from "../../ir/graph.ts";
import { type Draft, floatList, Refusal, type Rewrite } from "./draft.ts";
import { asNode, operand } from "./reading.ts";

/** Upsample of opset 7: the scales are an attribute. */
export const upsampleScales: Rewrite = (draft, rewriting) => {
  const scales = rewriting.constant("scales", floatList(numbersAttribute(asNode(draft), "scales", [])));
  return { ...draft, inputs: [operand(draft, 0), scales] };
};

/** Upsample: nearest takes the element below. */
export const upsampleToResize: Rewrite = (draft) => resize(draft, operand(draft, 1), "floor");

/**
 * Resize of opset 10: nearest takes the element below where it enlarges and the one above where it reduces, which is what
 * ONNX's tests and onnxruntime say of it.
 */
export const resizeByScales: Rewrite = (draft) => {
  const scales = operand(draft, 1);
  return resize(draft, scales, isNearest(draft) ? nearestMode(scales.constant) : "floor");
};

function isNearest(draft: Draft): boolean {
  return stringAttribute(asNode(draft), "mode", "nearest") === "nearest";
}

function nearestMode(scales: Tensor | null): string {
  if (!scales) throw new Refusal("its scales are computed, and opset 10 rounds by them; export it with opset 11 or later, or fold the model's constants");
  const values = [...scales.data].map(Number);
  const reduces = values.some((scale) => scale < 1);
  if (reduces && values.some((scale) => scale > 1)) throw new Refusal("it enlarges one axis and reduces another in opset 10; export it with opset 11 or later");
  return reduces ? "ceil" : "floor";
}

function resize(draft: Draft, scales: Value, nearestMode: string): Draft {
  const mode = stringAttribute(asNode(draft), "mode", "nearest");
  return {
    ...draft,
    op: "Resize",
    inputs: [operand(draft, 0), null, scales],
    attributes: {
      mode: mode === "bilinear" ? "linear" : mode,
      coordinate_transformation_mode: "asymmetric",
      ...(isNearest(draft) ? { nearest_mode: nearestMode } : {}),
    },
  };
}

/** An empty `roi`, `scales` or `sizes` is one left out. */
export const dropEmptyOperands: Rewrite = (draft) => {
  const inputs = draft.inputs.map((value) => (value?.constant && value.constant.data.length === 0 ? null : value));
  while (inputs.length > 1 && inputs[inputs.length - 1] === null) inputs.pop();
  return { ...draft, inputs };
};

/** `tf_half_pixel_for_nn` was withdrawn with opset 13. */
export const refuseWithdrawnCoordinates: Rewrite = (draft) => {
  if (draft.attributes["coordinate_transformation_mode"] === "tf_half_pixel_for_nn") {
    throw new Refusal("ONNX withdrew its mode tf_half_pixel_for_nn; export it with opset 13 or later");
  }
  return draft;
};
