/** Which positions of a sliding window lie inside an axis. The window's first position is `start`, perhaps negative. */

/** The first position whose coordinate is not negative. */
export function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** Behind the last of `kernel` positions whose coordinate lies before `size`; at least firstTap. */
export function lastTap(start: i32, dilation: i32, kernel: i32, size: i32): i32 {
  const inside = start >= size ? 0 : (size - 1 - start) / dilation + 1;
  return max(min(kernel, inside), firstTap(start, dilation));
}
