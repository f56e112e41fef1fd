/**
 * From samples to a model's inputs: images through the preprocessing specification, arrays as they are, converted to the input's
 * type; as many samples at once as the model's batch.
 */
import { InputError } from "../../../host/errors.ts";
import { preprocess } from "../../../host/preprocess.ts";
import type { PreprocessSpec } from "../../../host/preprocess-spec.ts";
import { type DType, elementCount, newArray, type Tensor, type TypedArray } from "../../../host/tensor.ts";
import { badData } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { convertNumbers } from "./convert.ts";
import type { Sample } from "./dataset.ts";
import type { NpyArray } from "./npy.ts";

/** An input as the feed has to fill it. */
export interface InputShape {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** There where real numbers stand as integers; such an input is fed real numbers. */
  readonly scale?: number;
}

/** What a model is fed, by input name. */
export type Feeds = Record<string, Tensor>;

/** Makes feeds for one model. */
export interface Feeder {
  /**
   * The feeds of the samples at `first` and behind it. Where fewer are left than the batch holds, the last one fills it up; `used` says
   * how many are real.
   *
   * @throws CompileError where a sample does not fit the model
   */
  feed(first: number): Promise<{ readonly feeds: Feeds; readonly used: number }>;
  /** Samples at once: the first axis of the inputs, or 1 where one sample fills them. */
  readonly batch: number;
}

/** Samples as a feeder wants them: a Dataset, or anything like it. */
export interface Samples {
  readonly path: string;
  readonly length: number;
  sample(index: number): Sample | Promise<Sample>;
}

interface Part {
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/**
 * A feeder of `samples` for a model with these inputs. `spec` turns images and uint8 pictures into the first input.
 *
 * @throws CompileError `bad-data` where the first sample does not fit the model
 */
export async function createFeeder(inputs: readonly InputShape[], spec: PreprocessSpec | undefined, samples: Samples): Promise<Feeder> {
  const parts = async (index: number): Promise<readonly Part[]> => {
    const sample = await samples.sample(index);
    return inputs.map((input, at) => samplePart(sample, input, at === 0 ? spec : undefined, inputs, `${samples.path}, sample ${index}`));
  };
  const batch = batchOf(inputs, await parts(0), samples.path);
  return {
    batch,
    async feed(first) {
      const used = Math.min(batch, samples.length - first);
      const rows: (readonly Part[])[] = [];
      for (let i = 0; i < batch; i++) rows.push(i < used ? await parts(first + i) : (rows[used - 1] as readonly Part[]));
      const feeds: Feeds = {};
      for (const [at, input] of inputs.entries()) {
        const columns = rows.map((row) => row[at] as Part);
        checkSame(columns, `${samples.path}, sample ${first}`, input, batch);
        feeds[input.name] = {
          dtype: fedType(input),
          shape: input.shape,
          data: batch === 1 ? (columns[0] as Part).data : joined(columns, fedType(input)),
        };
      }
      return { feeds, used };
    },
  };
}

/** The type in which an input is fed. */
function fedType({ dtype, scale }: InputShape): DType {
  return scale === undefined ? dtype : "float32";
}

function samplePart(
  sample: Sample,
  input: InputShape,
  spec: PreprocessSpec | undefined,
  inputs: readonly InputShape[],
  where: string,
): Part {
  const found = findPart(sample, input, inputs, where);
  if (!("shape" in found)) return imagePart(found, input, spec, input === inputs[0], where);
  if (spec !== undefined && found.type === "u1" && (found.shape.length === 2 || found.shape.length === 3))
    return imagePart(pictureOf(found, where), input, spec, true, where);
  return { shape: found.shape, data: convertNumbers(found.data, fedType(input), where) };
}

function findPart(sample: Sample, { name }: InputShape, inputs: readonly InputShape[], where: string): Image | NpyArray {
  const found = sample.get(name) ?? (inputs.length === 1 && sample.size === 1 ? [...sample.values()][0] : undefined);
  if (found !== undefined) return found;
  if (sample.has(""))
    throw badData(
      `${where}: the model has ${inputs.length} inputs: ${inputs.map((input) => quoted(input.name)).join(", ")}. Give a .npz with an array for each.`,
    );
  throw badData(`${where}: there is nothing for the model's input ${quoted(name)}, only ${[...sample.keys()].map(quoted).join(", ")}.`);
}

/** A uint8 array [height, width, channels] or [height, width] as the image that it is. */
function pictureOf({ shape, data }: NpyArray, where: string): Image {
  const [height = 0, width = 0, channels = 1] = shape;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw badData(
      `${where}: a uint8 array is a picture [height, width, channels] with 1, 3 or 4 channels; its shape is ${shape.join("×")}. Arrays that are ready for the model are float32.`,
    );
  }
  return { data: data as Uint8Array, width, height, channels };
}

function imagePart(image: Image, input: InputShape, spec: PreprocessSpec | undefined, isFirst: boolean, where: string): Part {
  if (!isFirst) throw badData(`${where}: only the model's first input can be an image; give ${quoted(input.name)} as an array.`);
  if (spec === undefined)
    throw badData(`${where}: an image needs to be told how it becomes the model's input: pass --preprocess spec.json.`);
  const { data, shape } = preprocessed(image, spec, where);
  if (shape.slice(1).join() !== input.shape.slice(-3).join()) {
    throw badData(
      `${where}: the picture of ${image.width}×${image.height} becomes ${shape.join("×")} (${spec.channels}, ${spec.layout}); the model's input ${quoted(input.name)} is ${input.shape.join("×")}. Check resize, crop, channels and layout of the specification.`,
    );
  }
  return { shape: shape.slice(1), data: convertNumbers(data, fedType(input), where) };
}

function preprocessed(image: Image, spec: PreprocessSpec, where: string): ReturnType<typeof preprocess> {
  try {
    return preprocess([image], spec);
  } catch (error) {
    if (error instanceof InputError) throw badData(`${where}: ${error.message}`);
    throw error;
  }
}

/** 1 where the samples fill the inputs, else the size of the inputs' first axis; dimensions of 1 do not count. */
function batchOf(inputs: readonly InputShape[], parts: readonly Part[], path: string): number {
  const batches = inputs.map(({ name, shape }, at) => {
    const found = (parts[at] as Part).shape;
    if (sameButOnes(found, shape)) return 1;
    if (sameButOnes(found, shape.slice(1))) return shape[0] as number;
    const channelsLast = found.length === 3 && sameButOnes([found[2], found[0], found[1]] as number[], shape.slice(1));
    const hint = channelsLast ? " The sample looks channels-last: transpose it, or pass --preprocess where it is a picture." : "";
    throw badData(
      `${path}: a sample is ${found.join("×") || "a single number"}, the model's input ${quoted(name)} is ${shape.join("×")}.${hint}`,
    );
  });
  const batch = Math.max(1, ...batches);
  if (batches.some((size) => size !== batch))
    throw badData(`${path}: the model's inputs take ${batches.join(" and ")} samples at once; feed them arrays that hold whole inputs.`);
  return batch;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function sameButOnes(a: readonly number[], b: readonly number[]): boolean {
  return a.filter((size) => size !== 1).join() === b.filter((size) => size !== 1).join();
}

/** Samples of one data set may still differ in size. */
function checkSame(columns: readonly Part[], where: string, { name, shape }: InputShape, batch: number): void {
  for (const { data } of columns) {
    if (data.length * batch !== elementCount(shape))
      throw badData(`${where}: it has ${data.length} values, the model's input ${quoted(name)} takes ${elementCount(shape) / batch}.`);
  }
}

function joined(parts: readonly Part[], dtype: DType): TypedArray {
  const out = newArray(
    dtype,
    parts.reduce((sum, { data }) => sum + data.length, 0),
  );
  let at = 0;
  for (const { data } of parts) {
    (out as Float32Array).set(data as Float32Array, at);
    at += data.length;
  }
  return out;
}
