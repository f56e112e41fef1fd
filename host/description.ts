/** What a caller sees of a model's inputs, outputs and plans. */
import type { Batch, DimensionSize, Metadata, TensorRegion } from "./metadata.ts";
import type { DType } from "./tensor.ts";

/** An input or output. Real numbers that stand as integers have `scale` and `zeroPoint`: real = (q − zeroPoint)·scale. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly scale?: number;
  readonly zeroPoint?: number;
  /** The axis along which the data decide how many entries an output has: at most what `shape` says; `actualShape` tells from what `run` gave. */
  readonly counted?: number;
}

/** What a model takes and gives for one choice of sizes of its dynamic dimensions. */
export interface PlanDescription {
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  /** The sizes, by the names that --shape has for them; none where the model has one plan. */
  readonly sizes: readonly DimensionSize[];
  /** The batch that a smaller one may be filled up to; undefined where every size has to be met. */
  readonly batch?: Batch;
}

/** The shape of what a run gave for an output: that of its description but for the axis along which it is counted. */
export function actualShape(
  { shape, counted }: Pick<TensorDescription, "shape" | "counted">,
  data: { readonly length: number },
): readonly number[] {
  if (counted === undefined) return shape;
  const others = shape.reduce((product, size, i) => (i === counted ? product : product * size), 1);
  return shape.map((size, i) => (i === counted ? data.length / others : size));
}

/** Describes a plan. */
export function describePlan({ inputs, outputs, sizes = [], batch }: Metadata): PlanDescription {
  return { inputs: inputs.map(describeTensor), outputs: outputs.map(describeTensor), sizes, ...(batch && { batch }) };
}

function describeTensor({ name, dtype, shape, scale, zeroPoint, counted }: TensorRegion): TensorDescription {
  return { name, dtype, shape, ...(scale !== undefined && { scale, zeroPoint }), ...(counted && { counted: counted.axis }) };
}
