/** Upsample and the Resize of opset 10, both with coordinates x / scale, as Resize; and Resize's operands that are given empty. */

import type { Tensor } from "../../../host/tensor.ts";
import { numbersAttribute, stringAttribute } from "../../ir/attributes.ts";
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
  if (!scales)
    throw new Refusal(
      "its scales are computed, and opset 10 rounds by them; export it with opset 11 or later, or fold the model's constants",
    );
  const values = [...scales.data].map(Number);
  const reduces = values.some((scale) => scale < 1);
  if (reduces && values.some((scale) => scale > 1))
    throw new Refusal("it enlarges one axis and reduces another in opset 10; export it with opset 11 or later");
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
export const dropEmptyOperands: Rewrite = (draft, rewriting) => {
  const inputs = draft.inputs.map((value, i) => (i > 0 && value && rewriting.typeOf(value)?.shape.includes(0) ? null : value));
  while (inputs.length > 1 && inputs[inputs.length - 1] === null) inputs.pop();
  return { ...draft, inputs };
};

/** Rounding of a half_pixel coordinate x that gives what another rounding gives of x + ½. */
const ROUNDED_HALF_LOWER: Readonly<Record<string, string>> = { round_prefer_floor: "ceil", floor: "round_prefer_ceil" };

/** `tf_half_pixel_for_nn`, withdrawn with opset 13, is half_pixel without its −½. */
export const withdrawnCoordinates: Rewrite = (draft) => {
  if (draft.attributes["coordinate_transformation_mode"] !== "tf_half_pixel_for_nn") return draft;
  const nearestMode = ROUNDED_HALF_LOWER[stringAttribute(asNode(draft), "nearest_mode", "round_prefer_floor")];
  if (!isNearest(draft) || nearestMode === undefined)
    throw new Refusal("ONNX withdrew its mode tf_half_pixel_for_nn; export it with opset 13 or later");
  return { ...draft, attributes: { ...draft.attributes, coordinate_transformation_mode: "half_pixel", nearest_mode: nearestMode } };
};
