/**
 * Moves tensors between the caller's arrays and the model's memory, after checking type, length and shape.
 *
 * Tensors with a scale also take and give real numbers: q = saturate(roundHalfEven(x / scale) + zeroPoint) with a float32
 * division, NaN to the zero point; x = (q − zeroPoint)·scale: the rules of the QUANTIZE and DEQUANTIZE steps.
 */
import { InputError } from "./errors.ts";
import type { TensorRegion } from "./metadata.ts";
import { dtypeOfArray, elementCount, isTensor, newArray, sameShape, type Tensor, type TypedArray } from "./tensor.ts";

/** Writes what the caller gave for `region` into its `view`. Throws InputError `wrong-dtype`, `wrong-length` or `wrong-shape`. */
export function writeTensor(given: TypedArray | Tensor, region: TensorRegion, view: TypedArray): void {
  const data = checked(given, region, "input");
  if (region.dtype === "float32" || data.BYTES_PER_ELEMENT !== view.BYTES_PER_ELEMENT) {
    if (region.scale !== undefined)
      quantize(data as Float32Array, region.scale, region.zeroPoint!, region.dtype === "uint8", view as Int8Array);
    else (view as Float32Array).set(data as Float32Array);
  } else if (region.dtype === "bool") {
    for (let i = 0; i < view.length; i++) view[i] = data[i] ? 1 : 0;
  } else {
    (view as Int8Array).set(data as Int8Array);
  }
}

/** Gives a copy of `view`, in `into` where the caller brought an array: of an output that is counted, in its front. Throws InputError. */
export function readTensor(view: TypedArray, region: TensorRegion, into: TypedArray | undefined): TypedArray {
  const whole = into === undefined ? newArray(region.dtype, view.length) : checked(into, region, "output");
  const target = whole.length === view.length ? whole : whole.subarray(0, view.length);
  if (target.BYTES_PER_ELEMENT === view.BYTES_PER_ELEMENT) {
    (target as Int8Array).set(view as Int8Array);
  } else {
    for (let i = 0; i < view.length; i++) target[i] = ((view[i] as number) - region.zeroPoint!) * region.scale!;
  }
  return target;
}

/** Checks an array or tensor against `region` and gives its data. */
function checked(given: TypedArray | Tensor, region: TensorRegion, what: "input" | "output"): TypedArray {
  const { name, dtype, shape, scale } = region;
  const is = `The ${what} ${JSON.stringify(name)}`;
  const tensor = isTensor(given) ? given : undefined;
  const data = (tensor ? tensor.data : given) as TypedArray;
  const got = dtypeOfArray(data);
  const wanted = scale === undefined ? dtype : `${dtype} or float32`;
  const fits = (type: string | undefined) =>
    type === dtype || (type === "uint8" && dtype === "bool") || (type === "float32" && scale !== undefined);
  if (!fits(got) || (tensor && tensor.dtype !== got && tensor.dtype !== dtype)) {
    const found = tensor ? `a tensor of ${tensor.dtype}` : got === undefined ? "no typed array" : `an array of ${got}`;
    throw new InputError("wrong-dtype", `${is} takes ${wanted}, got ${found}.`, {
      [what]: name,
      expected: wanted,
      got: tensor ? tensor.dtype : got,
    });
  }
  if (tensor && !sameShape(tensor.shape, shape)) {
    throw new InputError("wrong-shape", `${is} has shape [${shape}], got [${tensor.shape}].`, {
      [what]: name,
      expected: shape,
      got: tensor.shape,
    });
  }
  if (data.length !== elementCount(shape)) {
    throw new InputError("wrong-length", `${is} of shape [${shape}] takes ${elementCount(shape)} elements, got ${data.length}.`, {
      [what]: name,
      expected: elementCount(shape),
      got: data.length,
    });
  }
  return data;
}

/** The nearest integer, ties to even, of a number below 2⁵¹: there the sum with 1.5·2⁵² has no place for a fraction. */
export function roundHalfEven(x: number): number {
  return x + 6755399441055744 - 6755399441055744;
}

function quantize(data: Float32Array, scale: number, zeroPoint: number, unsigned: boolean, view: Int8Array | Uint8Array): void {
  const low = unsigned ? 0 : -128;
  const high = unsigned ? 255 : 127;
  for (let i = 0; i < data.length; i++) {
    const x = Math.fround(data[i]! / scale);
    const rounded = roundHalfEven(Math.min(Math.max(x, -65536), 65536));
    view[i] = Number.isNaN(x) ? zeroPoint : Math.min(Math.max(rounded + zeroPoint, low), high);
  }
}
