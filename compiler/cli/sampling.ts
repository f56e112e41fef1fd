/** Runs a model over all samples, with progress, and with pauses in which Ctrl-C counts. */
import type { TensorDescription } from "../../host/description.ts";
import { type DType, elementCount, newArray, type TypedArray } from "../../host/tensor.ts";
import type { Feeder, Feeds } from "./data/feeds.ts";
import { pause } from "./interruption.ts";
import { startProgress } from "./output/progress.ts";

/** Buffers for outputs that hold real numbers where their integers stand for them. */
export function outputBuffers(outputs: readonly TensorDescription[]): Record<string, TypedArray> {
  return Object.fromEntries(
    outputs.map(({ name, dtype, shape, scale }) => [name, newArray<DType>(scale === undefined ? dtype : "float32", elementCount(shape))]),
  );
}

/** Sample `index` of a feed's output: its row where the output's first axis is the batch, else all of it. */
export function rowOf(values: TypedArray, shape: readonly number[], index: number, batch: number): TypedArray {
  if (batch === 1 || shape[0] !== batch) return values;
  const size = values.length / batch;
  return values.subarray(index * size, (index + 1) * size) as TypedArray;
}

/**
 * Calls `visit` once for each feed.
 *
 * @param length number of samples
 * @param visit gets the index of the feed's first sample and how many real samples it holds
 * @throws CompileError, EqmError; `interrupted` on Ctrl-C
 */
export async function forEachFeed(
  feeder: Feeder,
  length: number,
  phase: string,
  visit: (feeds: Feeds, first: number, used: number) => void | Promise<void>,
): Promise<void> {
  const progress = startProgress();
  try {
    for (let first = 0; first < length; ) {
      progress.update(phase, first, length);
      const { feeds, used } = await feeder.feed(first);
      await visit(feeds, first, used);
      first += used;
      await pause();
    }
  } finally {
    progress.stop();
  }
}
