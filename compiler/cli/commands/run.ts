/** `eqm run`: one inference on files. */
import { extname } from "node:path";
import { actualShape, type TensorDescription } from "../../../host/description.ts";
import type { PreprocessSpec } from "../../../host/preprocess-spec.ts";
import { type DType, elementCount, type TypedArray } from "../../../host/tensor.ts";
import { bestClasses, isClassScores } from "../../report/classes.ts";
import type { Sample } from "../data/dataset.ts";
import { readBytes } from "../data/file.ts";
import { readClassNames } from "../data/labels.ts";
import { decodeNpy, encodeNpy, type NpyArray, type NpyType } from "../data/npy.ts";
import { decodeNpz, encodeNpz } from "../data/npz.ts";
import { createPlanFeeder, plansWith, type SizeChoice } from "../data/plan-choice.ts";
import { badFile, wrongUsage } from "../errors.ts";
import { decodeImage, type Image, isImageFile } from "../image/image.ts";
import { type OpenModel, openModel, preprocessFor } from "../model-file.ts";
import type { Result } from "../output/result.ts";
import { formatTable } from "../output/table.ts";
import { formatReal, formatShape } from "../output/units.ts";
import { checkOutput, writeFileWhole } from "../output/write-file.ts";
import { outputBuffers } from "../sampling.ts";

/** Checked options of the command. */
export interface RunOptions {
  readonly inputs: readonly { readonly name: string | undefined; readonly path: string }[];
  readonly output?: string;
  readonly top: number;
  readonly labels?: string;
  readonly preprocess?: string;
  readonly shapes: SizeChoice;
  readonly force: boolean;
  readonly fastFloat: boolean;
  readonly threads: number;
}

/** Outputs of more elements than this are not put into the JSON; --output writes them whole. */
const MAX_JSON_ELEMENTS = 10_000;

const NPY_TYPES: Readonly<Record<DType, NpyType>> = { float32: "f4", int8: "i1", uint8: "u1", int32: "i4", int64: "i8", bool: "b1" };

/**
 * Runs the command. JSON: `{ outputs: [{ name, dtype, shape, min, max, values?, top? }] }`, `values` up to 10,000 elements, `top` for lists of classes.
 *
 * @throws CompileError, EqmError
 */
export async function runOnce(path: string, options: RunOptions): Promise<Result> {
  if (options.output !== undefined) {
    if (![".npz", ".npy"].includes(extname(options.output).toLowerCase()))
      throw wrongUsage(`--output ${options.output}: it must end in .npz or .npy.`);
    checkOutput(options.output, options.force, [path, ...options.inputs.map((input) => input.path)]);
  }
  const classNames = options.labels === undefined ? undefined : readClassNames(options.labels);
  const opened = await openModel(path, options.shapes, options);
  const { model } = opened;
  const spec = preprocessFor(options.preprocess, path, model.metadata.preprocess);
  const sample = await readSample(options.inputs, opened, spec);
  const { feeder, plan } = await createPlanFeeder(plansWith(model.plans, opened.kind === "eqm" ? options.shapes : {}), spec, {
    path: options.inputs.map((input) => input.path).join(", "),
    length: 1,
    sample: () => sample,
  });
  const values = outputBuffers(plan.outputs);
  model.run((await feeder.feed(0)).feeds, { outputs: values });
  model.dispose();
  if (options.output !== undefined) writeOutputs(options.output, plan.outputs, values, options.force);
  return describeOutputs(plan.outputs, values, classNames ?? model.metadata.labels, options);
}

async function readSample(inputs: RunOptions["inputs"], { model, path }: OpenModel, spec: PreprocessSpec | undefined): Promise<Sample> {
  const sample = new Map<string, Image | NpyArray>();
  const names = model.inputs.map((input) => JSON.stringify(input.name)).join(", ");
  for (const { name, path: file } of inputs) {
    const first = model.inputs[0]?.name;
    const put = (key: string, value: Image | NpyArray): void => {
      if (sample.has(key)) throw wrongUsage(`--input: ${JSON.stringify(key)} is given twice.`);
      if (!model.inputs.some((input) => input.name === key))
        throw wrongUsage(`--input ${key}: ${path} has no such input; it has ${names}.`);
      sample.set(key, value);
    };
    if (name === undefined && extname(file).toLowerCase() === ".npz") {
      for (const [key, array] of decodeNpz(readBytes(file), file)) put(key, array);
      continue;
    }
    if (name === undefined && model.inputs.length !== 1)
      throw wrongUsage(`--input ${file}: the model has ${model.inputs.length} inputs; write NAME=FILE with one of ${names}.`);
    const key = name ?? (first as string);
    put(key, await readInput(file, key === first ? spec : undefined));
  }
  const missing = model.inputs.find((input) => !sample.has(input.name));
  if (missing !== undefined)
    throw wrongUsage(
      `the model's input ${JSON.stringify(missing.name)} (${missing.dtype} ${formatShape(missing.shape)}) is missing: pass --input ${missing.name}=FILE.`,
    );
  return sample;
}

/** A file as one input. A uint8 array with a sample axis of 1 is the picture in it where there is a specification. */
async function readInput(path: string, spec: PreprocessSpec | undefined): Promise<Image | NpyArray> {
  if (isImageFile(path)) return decodeImage(readBytes(path), path);
  if (extname(path).toLowerCase() !== ".npy") throw badFile(path, "an input is a .npy, a .npz, a .jpg or a .png.");
  const array = decodeNpy(readBytes(path), path);
  if (spec === undefined || array.type !== "u1") return array;
  const isList = array.shape.length === 4 || (array.shape.length === 3 && ![1, 3, 4].includes(array.shape[2] as number));
  if (isList && array.shape[0] !== 1)
    throw badFile(path, `it holds ${array.shape[0]} pictures; run takes one, eqm eval and eqm compare take all.`);
  return isList ? { ...array, shape: array.shape.slice(1) } : array;
}

function writeOutputs(
  path: string,
  outputs: readonly TensorDescription[],
  values: Readonly<Record<string, TypedArray>>,
  force: boolean,
): void {
  const arrays = outputs.map((output) => ({
    name: output.name,
    type: NPY_TYPES[output.scale === undefined ? output.dtype : "float32"],
    shape: actualShape(output, values[output.name] as TypedArray),
    data: values[output.name] as TypedArray,
  }));
  const [only] = arrays;
  if (path.toLowerCase().endsWith(".npz")) writeFileWhole(path, encodeNpz(arrays), force);
  else if (only !== undefined && arrays.length === 1) writeFileWhole(path, encodeNpy(only.type, only.shape, only.data), force);
  else throw wrongUsage(`--output ${path}: the model has ${arrays.length} outputs; a .npy holds one, write a .npz.`);
}

function describeOutputs(
  descriptions: readonly TensorDescription[],
  values: Readonly<Record<string, TypedArray>>,
  names: readonly string[] | undefined,
  { top, output }: RunOptions,
): Result {
  const outputs = descriptions.map((described) => {
    const { name, dtype, scale } = described;
    const data = values[name] as TypedArray;
    const shape = actualShape(described, data);
    const classes = isClassScores(shape, 1) ? bestClasses(data, top) : [];
    return {
      name,
      dtype: scale === undefined ? dtype : "float32",
      shape,
      ...extremes(data),
      ...(elementCount(shape) <= MAX_JSON_ELEMENTS && { values: Array.from(data, finiteOrNull) }),
      ...(classes.length > 0 && {
        top: classes.map((index) => ({
          class: index,
          ...(names?.[index] !== undefined && { label: names[index] }),
          score: finiteOrNull(data[index] as number),
        })),
      }),
    };
  });
  const table = formatTable(
    [{ title: "output" }, { title: "type" }, { title: "shape" }, { title: "min", align: "right" }, { title: "max", align: "right" }],
    outputs.map(({ name, dtype, shape, min, max }) => [
      name,
      dtype,
      formatShape(shape),
      formatReal(min ?? Number.NaN),
      formatReal(max ?? Number.NaN),
    ]),
  );
  const tops = outputs.flatMap(({ name, top: best }) => (best === undefined ? [] : [`\n${topTable(name, best)}`]));
  const written = output === undefined ? "" : `\nwritten to ${output}\n`;
  return { json: { outputs, ...(output !== undefined && { output }) }, text: table + tops.join("") + written };
}

function topTable(
  name: string,
  best: readonly { readonly class: number; readonly label?: string | undefined; readonly score: number | null }[],
): string {
  const labelled = best.some(({ label }) => label !== undefined);
  return formatTable(
    [{ title: `class of ${name}`, align: "right" }, ...(labelled ? [{ title: "label" }] : []), { title: "score", align: "right" as const }],
    best.map((row) => [String(row.class), ...(labelled ? [row.label ?? ""] : []), formatReal(row.score ?? Number.NaN)]),
  );
}

/** Lowest and highest element, NaN aside; null where there is none. */
function extremes(data: TypedArray): { readonly min: number | null; readonly max: number | null } {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const element of data) {
    const value = Number(element);
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min: finiteOrNull(min), max: finiteOrNull(max) };
}

function finiteOrNull(value: number | bigint): number | null {
  return Number.isFinite(Number(value)) ? Number(value) : null;
}
