/** Moves a batch that does not fill a plan's: its members lie in front along one axis of the memory, the rest of which is cleared. */
import type { TensorRegion } from "./metadata.ts";
import { elementCount, newArray, type Tensor, type TypedArray } from "./tensor.ts";
import { readTensor, writeTensor } from "./transfer.ts";

/** Writes an input of `region`, whose shape holds `members` of the plan's `size` along `axis` of `view`. Throws as `writeTensor`. */
export function writeMembers(
  given: TypedArray | Tensor,
  region: TensorRegion,
  view: TypedArray,
  axis: number,
  members: number,
  size: number,
): void {
  const dense = newArray(region.dtype, elementCount(region.shape));
  writeTensor(given, region, dense);
  (view as Uint8Array).fill(region.dtype === "int64" ? (0n as unknown as number) : 0);
  eachRun(region, axis, members, size, (from, to, length) => {
    (view as Uint8Array).set(dense.subarray(to, to + length) as Uint8Array, from);
  });
}

/** Gives a copy of an output of `region`, as `writeMembers` has it, in `into` where the caller brought an array. Throws as `readTensor`. */
export function readMembers(
  view: TypedArray,
  region: TensorRegion,
  into: TypedArray | undefined,
  axis: number,
  members: number,
  size: number,
): TypedArray {
  const dense = newArray(region.dtype, elementCount(region.shape));
  eachRun(region, axis, members, size, (from, to, length) => {
    (dense as Uint8Array).set(view.subarray(from, from + length) as Uint8Array, to);
  });
  return readTensor(dense, region, into);
}

/** Calls `move` for each run of elements that lies together, with where it begins in the plan's tensor and in the smaller one. */
function eachRun(
  { shape }: TensorRegion,
  axis: number,
  members: number,
  size: number,
  move: (from: number, to: number, length: number) => void,
): void {
  const length = elementCount(shape.slice(axis));
  if (length === 0) return;
  const stride = (length / members) * size;
  const runs = elementCount(shape.slice(0, axis));
  for (let i = 0; i < runs; i++) move(i * stride, i * length, length);
}
