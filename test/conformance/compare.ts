/** How a result is held against the expected one, after the suite's README. */
import type { Tensor } from "../../host/tensor.ts";

/**
 * Why `got` is not `want`, or null where it is: same element type and shape; floats within atol + rtol·|want|, NaN equal to NaN, infinities
 * by sign; integers and bool exactly.
 */
export function difference(want: Tensor, got: Tensor, rtol: number, atol: number): string | null {
  if (got.dtype !== want.dtype) return `${got.dtype} instead of ${want.dtype}`;
  if (got.shape.length !== want.shape.length || got.shape.some((d, i) => d !== want.shape[i]))
    return `shape [${got.shape.join(", ")}] instead of [${want.shape.join(", ")}]`;
  let count = 0;
  let worst = 0;
  for (let i = 0; i < want.data.length; i++) {
    const [w, g] = [want.data[i]!, got.data[i]!];
    if (w === g || (Number.isNaN(w) && Number.isNaN(g))) continue;
    const distance = Math.abs(Number(g) - Number(w));
    if (want.dtype === "float32" && Number.isFinite(w) && distance <= atol + rtol * Math.abs(Number(w))) continue;
    count++;
    worst = Number.isNaN(distance) ? Infinity : Math.max(worst, distance);
  }
  return count === 0 ? null : `${count} of ${want.data.length} elements differ, by up to ${Number(worst.toPrecision(3))}`;
}
