/** Images to a model's first input, by the specification that its file holds. */
import type { PlanDescription } from "./description.ts";
import { InputError } from "./errors.ts";
import type { Metadata } from "./metadata.ts";
import { type Batch, type Image, preprocess } from "./preprocess.ts";
import { type DType, elementCount, newArray, type TypedArray } from "./tensor.ts";
import { roundHalfEven } from "./transfer.ts";

/** The first input made of one image, or of as many as a plan's batch, or fewer where that may be filled up. Throws InputError `no-preprocess`, `bad-image` or `wrong-shape`. */
export function imageInput(
  images: Image | readonly Image[],
  { preprocess: spec, inputs }: Metadata,
  plans: readonly PlanDescription[],
): TypedArray {
  const input = inputs[0];
  if (!spec || !input)
    throw new InputError("no-preprocess", "The file holds no preprocessing specification: compile the model with --preprocess.");
  const batch = preprocess("data" in images ? [images] : images, spec);
  const { dtype, shape, scale, name } = input;
  if (!plans.some((plan) => takes(plan, batch))) {
    throw new InputError(
      "wrong-shape",
      `The input ${JSON.stringify(name)} has shape [${shape}], the images come out as [${batch.shape}].`,
      {
        input: name,
        expected: shape,
        got: batch.shape,
      },
    );
  }
  return dtype === "float32" || scale !== undefined ? batch.data : toIntegers(batch.data, dtype);
}

function takes({ inputs, batch }: PlanDescription, images: Batch): boolean {
  const { shape } = inputs[0]!;
  const mayBeFewer = batch?.inputs[0] === 0;
  const fits = (got: number, size: number): boolean => (mayBeFewer ? got <= size && got > 0 : got === size);
  if (shape.length !== 4)
    return fits(images.data.length, elementCount(shape)) && images.data.length % (elementCount(shape) / (batch?.size ?? 1)) === 0;
  return images.shape.every((dimension, i) => (i === 0 ? fits(dimension, shape[0]!) : dimension === shape[i]));
}

/** Rounds half to even and saturates. */
function toIntegers(data: Float32Array, dtype: Exclude<DType, "float32">): TypedArray {
  const integers = newArray(dtype, data.length);
  const [low, high] = dtype === "int8" ? [-128, 127] : dtype === "uint8" ? [0, 255] : dtype === "bool" ? [0, 1] : [-2147483648, 2147483647];
  for (const [i, x] of data.entries()) {
    const rounded = roundHalfEven(Math.min(Math.max(x, low), high));
    integers[i] = dtype === "int64" ? BigInt(rounded) : rounded;
  }
  return integers;
}
