/** Strided blocks: merging axes so that a step's six dimensions suffice and kernels see long runs. */

/** A block of `dims` with, for each operand, one stride an axis, in elements. */
export interface Block {
  readonly dims: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** Row-major strides of a shape. */
export function rowMajorStrides(shape: readonly number[]): readonly number[] {
  const strides: number[] = [];
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides.unshift(stride);
    stride *= shape[i]!;
  }
  return strides;
}

/** Strides of `shape` broadcast to `target`: 0 where it repeats. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): readonly number[] {
  const own = rowMajorStrides(shape);
  const lead = target.length - shape.length;
  return target.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : own[i - lead]!));
}

/** Drops axes of length 1 and merges neighbours that every operand walks evenly; pads to six axes in front. */
export function collapse({ dims, strides }: Block): Block | null {
  const axes: { size: number; steps: number[] }[] = [];
  dims.forEach((size, i) => {
    if (size === 1) return;
    const steps = strides.map((list) => list[i]!);
    const last = axes[axes.length - 1];
    if (last?.steps.every((s, j) => s === steps[j]! * size)) axes[axes.length - 1] = { size: last.size * size, steps };
    else axes.push({ size, steps });
  });
  if (axes.length > 6) return null;
  while (axes.length < 6) axes.unshift({ size: 1, steps: strides.map(() => 0) });
  return { dims: axes.map(({ size }) => size), strides: strides.map((_, j) => axes.map(({ steps }) => steps[j]!)) };
}

/** Six numbered words, NAME0 … NAME5. */
export function sixWords(name: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${name}${i}`, value]));
}
