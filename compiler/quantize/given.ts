/**
 * Models that come quantized, from quantization-aware training or another quantizer: their own scales are kept, nothing is calibrated, and what they
 * compute in float32 stays so.
 */
import type { GoldenRange } from "../../host/golden.ts";
import { CompileError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import { tensorParameters } from "../passes/quantized/parameters.ts";

/**
 * What a user has to know who compiles a quantized model with `options`.
 *
 * @throws CompileError `already-quantized` where they ask for another quantization
 */
export function notesOnGiven(options: CompileOptions): readonly string[] {
  const { weights = 8, groupSize, keepFloat = [], prune, masks, target, maxDrop, targetSqnrDb } = options;
  const others = {
    weights: weights !== 8,
    groupSize: groupSize !== undefined,
    keepFloat: keepFloat.length > 0,
    prune: prune !== undefined,
    masks: masks !== undefined,
    target: target !== undefined,
    maxDrop: maxDrop !== undefined,
    targetSqnrDb: targetSqnrDb !== undefined,
  };
  const asked = Object.entries(others).flatMap(([name, isAsked]) => (isAsked ? [name] : []));
  if (asked.length > 0) {
    throw new CompileError(
      "already-quantized",
      `The model is quantized already, and keeps its own scales: ${asked.join(" and ")} cannot be applied. Give the float32 model that it was made from.`,
      { options: asked },
      "usage",
    );
  }
  if (options.calibration === undefined) return [];
  return ["The model is quantized already and keeps its own scales: the calibration samples were not needed."];
}

/** What a quantized model's input can be: the numbers that its own quantization has. Null where nothing says so. */
export function givenRange(graph: Graph, name: string): GoldenRange | null {
  for (const reader of graph.inputs.find((input) => input.name === name)?.readers ?? []) {
    const parameters = tensorParameters(reader);
    if (!parameters) continue;
    const [least, most] = parameters.dtype === "int8" ? [-128, 127] : [0, 255];
    if (reader.op === "DequantizeLinear") return { low: least, high: most };
    const { scale, zeroPoint } = parameters;
    return { low: Math.fround((least - zeroPoint) * scale), high: Math.fround((most - zeroPoint) * scale) };
  }
  return null;
}
