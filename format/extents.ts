/**
 * How a step states what it touches: the host proves every step of a plan against the memory map before the first run, and
 * the planner's tests prove the plans. Addresses and sizes are offsets and bytes in the data region; arithmetic is in float64,
 * so that hostile words cannot overflow.
 */
export interface Extents {
  /** The step reads `bytes` bytes from `address` (and may read up to GUARD_BYTES further). */
  read(address: number, bytes: number): void;
  /**
   * The step writes only within `bytes` bytes from `address`. The first call is the result, which may lie over what the step
   * reads; whatever a further call names (scratch, indices) is apart from everything else.
   */
  write(address: number, bytes: number): void;
  /** A condition that the kernel relies on. */
  check(holds: boolean, claim: string): void;
}

/** Reads (or writes) of a strided block: `dims` and `strides` start at these word indices, `rank` each, in elements. */
export function stridedExtent(
  w: Int32Array,
  e: Extents,
  address: number,
  dims: number,
  strides: number,
  rank: number,
  elementBytes: number,
  isWrite: boolean,
): void {
  let low = 0;
  let high = 0;
  for (let i = 0; i < rank; i++) {
    const d = w[dims + i]!;
    const s = w[strides + i]!;
    e.check(d > 0, "a dimension is positive");
    if (s > 0) high += (d - 1) * s;
    else low += (d - 1) * s;
  }
  const start = address + low * elementBytes;
  const bytes = (high - low + 1) * elementBytes;
  if (isWrite) e.write(start, bytes);
  else e.read(start, bytes);
}

/**
 * Checks one axis of a sliding window: lengths, kernel, stride and dilation are positive, the pad is not negative, and no
 * position that a kernel computes, inside the image or in the padding, leaves 30 bits.
 */
export function windowAxis(
  e: Extents,
  inLength: number,
  outLength: number,
  kernel: number,
  stride: number,
  dilation: number,
  pad: number,
): void {
  e.check(
    inLength > 0 && outLength > 0 && kernel > 0 && stride > 0 && dilation > 0 && pad >= 0,
    "lengths, kernel, stride and dilation are positive, the pad is not negative",
  );
  e.check(inLength + pad + outLength * stride + kernel * dilation < 1073741824, "positions stay within 30 bits");
}
