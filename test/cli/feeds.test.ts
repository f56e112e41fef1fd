/** From samples to inputs: shapes, types, batches and several inputs. */
import { expect, it } from "vitest";
import type { Sample } from "../../compiler/cli/data/dataset.ts";
import { createFeeder, type InputShape } from "../../compiler/cli/data/feeds.ts";
import type { NpyArray, NpyType } from "../../compiler/cli/data/npy.ts";
import type { PreprocessSpec } from "../../host/preprocess-spec.ts";

const array = (type: NpyType, shape: readonly number[], data: NpyArray["data"]): NpyArray => ({ type, shape, data });
const list = (...samples: readonly Sample[]) => ({
  path: "d",
  length: samples.length,
  sample: (index: number) => samples[index] as Sample,
});
const one = (value: NpyArray): Sample => new Map([["", value]]);
const input = (shape: readonly number[], dtype: InputShape["dtype"] = "float32", name = "x"): InputShape => ({ name, dtype, shape });
const firstFeed = async (...args: Parameters<typeof createFeeder>) => (await createFeeder(...args)).feed(0);
const SPEC: PreprocessSpec = { channels: "L", layout: "NCHW", scale: 0.5 };

it("converts to the input's type, and takes a sample with or without axes of 1", async () => {
  for (const shape of [[2], [1, 2], [1, 1, 2]]) {
    const { feeds, used } = await firstFeed([input([1, 2])], undefined, list(one(array("i2", shape, Int16Array.of(-3, 4)))));
    expect(feeds).toEqual({ x: { dtype: "float32", shape: [1, 2], data: Float32Array.of(-3, 4) } });
    expect(used).toBe(1);
  }
  const { feeds } = await firstFeed([input([1, 2], "int64")], undefined, list(one(array("f4", [2], Float32Array.of(-3, 4)))));
  expect(feeds["x"]?.data).toEqual(BigInt64Array.of(-3n, 4n));
});

it("refuses values that an integer input cannot hold", async () => {
  const feed = (dtype: InputShape["dtype"], value: number) =>
    createFeeder([input([1], dtype)], undefined, list(one(array("f8", [1], Float64Array.of(value)))));
  await expect(feed("int32", 1.5)).rejects.toThrow("d, sample 0: 1.5 at position 0 does not fit the model's int32 input.");
  await expect(feed("uint8", 256)).rejects.toThrow("d, sample 0: 256 at position 0 does not fit the model's uint8 input.");
  await expect(feed("bool", 2)).rejects.toThrow("d, sample 0: 2 at position 0 does not fit the model's bool input.");
  await expect(feed("int64", Number.NaN)).rejects.toThrow("d, sample 0: NaN at position 0 does not fit the model's int64 input.");
});

it("feeds real numbers to an input whose integers stand for them", async () => {
  const { feeds } = await firstFeed(
    [{ ...input([1, 2], "int8"), scale: 0.5 }],
    undefined,
    list(one(array("f4", [2], Float32Array.of(0.25, 300)))),
  );
  expect(feeds["x"]).toEqual({ dtype: "float32", shape: [1, 2], data: Float32Array.of(0.25, 300) });
});

it("fills the last batch up with the last sample", async () => {
  const samples = [0, 1, 2, 3, 4].map((i) => one(array("f4", [1], Float32Array.of(i))));
  const feeder = await createFeeder([input([2, 1])], undefined, list(...samples));
  expect(feeder.batch).toBe(2);
  const fed = await Promise.all([0, 2, 4].map((first) => feeder.feed(first)));
  expect(fed.map(({ feeds }) => Array.from((feeds["x"]?.data ?? []) as Float32Array))).toEqual([
    [0, 1],
    [2, 3],
    [4, 4],
  ]);
  expect(fed.map(({ used }) => used)).toEqual([2, 2, 1]);
});

it("fills several inputs by name, and leaves out what the model does not take", async () => {
  const sample: Sample = new Map([
    ["b", array("f4", [1], Float32Array.of(2))],
    ["a", array("f4", [1], Float32Array.of(1))],
    ["label", array("i4", [], Int32Array.of(7))],
  ]);
  const { feeds } = await firstFeed([input([1, 1], "float32", "a"), input([1, 1], "float32", "b")], undefined, list(sample));
  expect(Object.entries(feeds).map(([name, { data }]) => [name, data[0]])).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  await expect(createFeeder([input([1, 1], "float32", "a"), input([1, 1], "float32", "c")], undefined, list(sample))).rejects.toThrow(
    'd, sample 0: there is nothing for the model\'s input "c", only "b", "a", "label".',
  );
  await expect(
    createFeeder(
      [input([1, 1], "float32", "a"), input([1, 1], "float32", "c")],
      undefined,
      list(one(array("f4", [1], Float32Array.of(1)))),
    ),
  ).rejects.toThrow('d, sample 0: the model has 2 inputs: "a", "c". Give a .npz with an array for each.');
});

it("takes uint8 pictures through the specification, and other arrays as they are", async () => {
  const picture = one(array("u1", [1, 2, 3], Uint8Array.of(10, 10, 10, 20, 20, 20)));
  expect((await firstFeed([input([1, 1, 1, 2])], SPEC, list(picture))).feeds["x"]?.data).toEqual(Float32Array.of(5, 10));
  const grey = one(array("u1", [1, 2], Uint8Array.of(10, 20)));
  expect((await firstFeed([input([1, 1, 1, 2])], SPEC, list(grey))).feeds["x"]?.data).toEqual(Float32Array.of(5, 10));
  const ready = one(array("f4", [1, 1, 2], Float32Array.of(7, 8)));
  expect((await firstFeed([input([1, 1, 1, 2])], SPEC, list(ready))).feeds["x"]?.data).toEqual(Float32Array.of(7, 8));
  expect((await firstFeed([input([1, 1, 1, 2])], undefined, list(grey))).feeds["x"]?.data).toEqual(Float32Array.of(10, 20));
});

it("refuses channels-first uint8 where there is a specification, and pictures of the wrong size", async () => {
  await expect(createFeeder([input([1, 1, 2, 2])], SPEC, list(one(array("u1", [1, 2, 2], new Uint8Array(4)))))).rejects.toThrow(
    "d, sample 0: a uint8 array is a picture [height, width, channels] with 1, 3 or 4 channels; its shape is 1×2×2. Arrays that are ready for the model are float32.",
  );
  await expect(createFeeder([input([1, 1, 4, 4])], SPEC, list(one(array("u1", [2, 2], new Uint8Array(4)))))).rejects.toThrow(
    'd, sample 0: the picture of 2×2 becomes 1×1×2×2 (L, NCHW); the model\'s input "x" is 1×1×4×4.',
  );
});

it("refuses a later sample of another size", async () => {
  const feeder = await createFeeder(
    [input([1, 2])],
    undefined,
    list(one(array("f4", [2], new Float32Array(2))), one(array("f4", [3], new Float32Array(3)))),
  );
  await expect(feeder.feed(1)).rejects.toThrow('d, sample 1: it has 3 values, the model\'s input "x" takes 2.');
});
