/**
 * What a .eqm says about itself beside its plan: JSON in the METADATA section, canonical (json.ts), its types here.
 *
 * `readMetadata` copies what it knows into fresh objects after checking it, so that no key of the file ever reaches a prototype.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { checkPreprocessSpec, type PreprocessSpec } from "./preprocess-spec.ts";
import { DTYPES, type DType } from "./tensor.ts";

/** One input or output: a dense region of the arena in ONNX axis order and its own element type. */
export interface TensorRegion {
  readonly name: string;
  readonly dtype: DType;
  /** Dimensions, 0 where the tensor has no element; empty for a scalar. */
  readonly shape: readonly number[];
  /** Offset in the data region, inside the arena, a multiple of the element's bytes. */
  readonly address: number;
  /** real = (q − zeroPoint)·scale, for int8 and uint8 tensors that stand for real numbers; exactly a float32. */
  readonly scale?: number;
  readonly zeroPoint?: number;
  /** Of an output: how many entries there are along `axis` stands, as an int32, at `address` after a run; `shape` says the most. They lie dense in front. */
  readonly counted?: { readonly axis: number; readonly address: number };
}

/** Where a step comes from. */
export interface StepOrigin {
  /** The ONNX operator, or a name of the compiler's own ("Quantize", "Layout"). */
  readonly op: string;
  /** Names of the ONNX nodes that became this step. */
  readonly nodes: readonly string[];
}

/** The size of a dynamic dimension: the dimension's name in the model, or `input:axis`. */
export interface DimensionSize {
  readonly name: string;
  readonly size: number;
}

/**
 * A batch whose members the model treats each by itself, so that a smaller one may be filled up: how many there are, and for each input
 * and output the axis along which they lie, one behind the other in equal parts; −1 for an input that all members share.
 */
export interface Batch {
  readonly size: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** An output that a stream carries over to an input of its next run. */
export interface StateLink {
  readonly input: string;
  readonly output: string;
}

/** All that the file says about itself. */
export interface Metadata {
  /** Who wrote the file, "eqm 0.1.0". */
  readonly producer: string;
  /** The model's name, "" where it has none. */
  readonly name: string;
  readonly inputs: readonly TensorRegion[];
  readonly outputs: readonly TensorRegion[];
  /** How an image becomes the first input. */
  readonly preprocess?: PreprocessSpec;
  /** Names of the classes of the first output. */
  readonly labels?: readonly string[];
  /** One for each step of the plan, in its order, or none at all. */
  readonly steps: readonly StepOrigin[];
  /** Where there are several plans: the sizes that this one is for. */
  readonly sizes?: readonly DimensionSize[];
  /** The batch that may be filled up. */
  readonly batch?: Batch;
  /** What `stream` carries from run to run. */
  readonly states?: readonly StateLink[];
  /** Source hash, options, measured figures: anything for people and tools, ignored by the runtime. */
  readonly provenance?: JsonObject;
}

/** What the plans of a model differ in. */
type OfPlan = Pick<Metadata, "inputs" | "outputs" | "steps" | "sizes" | "batch">;

/**
 * Checks and copies metadata, those of each plan: the first plan's stand at the top, those of the others under `plans`, without steps where they
 * are of the same origin. Calls `fail`, which must throw, with what is wrong and where, "inputs[0].shape".
 */
export function readMetadata(json: JsonValue, fail: (where: string, problem: string) => never): readonly [Metadata, ...Metadata[]] {
  const root = object(json, "metadata", fail);
  const first = readCommon(root, fail);
  const plans = root["plans"];
  if (plans === undefined) return [first];
  const others = list(plans, "plans", fail).map((plan, i): Metadata => {
    const { sizes: _, batch: __, ...common } = first;
    const row = object(plan, `plans[${i}]`, fail);
    return { ...common, ...ofPlan({ ...row, steps: row["steps"] ?? root["steps"] } as JsonObject, `plans[${i}].`, fail) };
  });
  return [first, ...others];
}

/** The mirror of `readMetadata`: what stands in the file. */
export function metadataJson([first, ...others]: readonly [Metadata, ...Metadata[]]): object {
  if (others.length === 0) return first;
  const plans = others.map(({ inputs, outputs, steps, sizes, batch }) => ({
    inputs,
    outputs,
    ...(JSON.stringify(steps) !== JSON.stringify(first.steps) && { steps }),
    ...(sizes && { sizes }),
    ...(batch && { batch }),
  }));
  return { ...first, plans };
}

function readCommon(root: JsonObject, fail: Fail): Metadata {
  const preprocess = root["preprocess"];
  const labels = root["labels"];
  const states = root["states"];
  const provenance = root["provenance"];
  return {
    producer: text(root["producer"], "producer", fail),
    name: text(root["name"], "name", fail),
    ...ofPlan(root, "", fail),
    ...(preprocess !== undefined && { preprocess: checkPreprocessSpec(preprocess, (problem) => fail("preprocess", problem)) }),
    ...(labels !== undefined && { labels: list(labels, "labels", fail).map((label, i) => text(label, `labels[${i}]`, fail)) }),
    ...(states !== undefined && { states: list(states, "states", fail).map((state, i) => link(state, `states[${i}]`, fail)) }),
    ...(provenance !== undefined && { provenance: object(provenance, "provenance", fail) }),
  };
}

type Fail = (where: string, problem: string) => never;

function ofPlan(row: JsonObject, where: string, fail: Fail): OfPlan {
  const sizes = row["sizes"];
  const batch = row["batch"];
  return {
    inputs: regions(row["inputs"], `${where}inputs`, fail),
    outputs: regions(row["outputs"], `${where}outputs`, fail),
    steps: list(row["steps"], `${where}steps`, fail).map((step, i) => origin(step, `${where}steps[${i}]`, fail)),
    ...(sizes !== undefined && {
      sizes: list(sizes, `${where}sizes`, fail).map((size, i) => dimensionSize(size, `${where}sizes[${i}]`, fail)),
    }),
    ...(batch !== undefined && { batch: readBatch(batch, `${where}batch`, fail) }),
  };
}

function dimensionSize(json: JsonValue, where: string, fail: Fail): DimensionSize {
  const row = object(json, where, fail);
  return { name: text(row["name"], `${where}.name`, fail), size: integer(row["size"], 1, 0x7fffffff, `${where}.size`, fail) };
}

function readBatch(json: JsonValue, where: string, fail: Fail): Batch {
  const row = object(json, where, fail);
  const axes = (side: string): number[] =>
    list(row[side], `${where}.${side}`, fail).map((axis, i) => integer(axis, -1, 63, `${where}.${side}[${i}]`, fail));
  return { size: integer(row["size"], 1, 0x7fffffff, `${where}.size`, fail), inputs: axes("inputs"), outputs: axes("outputs") };
}

function link(json: JsonValue, where: string, fail: Fail): StateLink {
  const row = object(json, where, fail);
  return { input: text(row["input"], `${where}.input`, fail), output: text(row["output"], `${where}.output`, fail) };
}

function regions(json: JsonValue | undefined, where: string, fail: Fail): TensorRegion[] {
  const names = new Set<string>();
  const all = list(json, where, fail).map((item, i) => region(item, `${where}[${i}]`, fail));
  for (const { name } of all) {
    if (names.has(name)) fail(where, `the name ${JSON.stringify(name)} stands twice`);
    names.add(name);
  }
  return all;
}

function region(json: JsonValue, where: string, fail: Fail): TensorRegion {
  const row = object(json, where, fail);
  const name = text(row["name"], `${where}.name`, fail);
  if (name === "") fail(`${where}.name`, "is empty");
  const dtype = DTYPES.find((known) => known === row["dtype"]) ?? fail(`${where}.dtype`, `is none of ${DTYPES.join(", ")}`);
  const shape = list(row["shape"], `${where}.shape`, fail).map((dimension, i) =>
    integer(dimension, 0, 0x7fffffff, `${where}.shape[${i}]`, fail),
  );
  const address = integer(row["address"], 0, 0x7fffffff, `${where}.address`, fail);
  const counted = row["counted"];
  if (counted !== undefined) {
    const at = object(counted, `${where}.counted`, fail);
    const axis = integer(at["axis"], 0, shape.length - 1, `${where}.counted.axis`, fail);
    return {
      name,
      dtype,
      shape,
      address,
      counted: { axis, address: integer(at["address"], 0, 0x7fffffff, `${where}.counted.address`, fail) },
    };
  }
  if (row["scale"] === undefined && row["zeroPoint"] === undefined) return { name, dtype, shape, address };
  if (dtype !== "int8" && dtype !== "uint8") fail(`${where}.scale`, `does not go with ${dtype}`);
  const scale = row["scale"];
  if (typeof scale !== "number" || !(scale > 0) || Math.fround(scale) !== scale) fail(`${where}.scale`, "is not a positive float32");
  const [low, high] = dtype === "int8" ? [-128, 127] : [0, 255];
  return {
    name,
    dtype,
    shape,
    address,
    scale: scale as number,
    zeroPoint: integer(row["zeroPoint"], low, high, `${where}.zeroPoint`, fail),
  };
}

function origin(json: JsonValue, where: string, fail: Fail): StepOrigin {
  const row = object(json, where, fail);
  return {
    op: text(row["op"], `${where}.op`, fail),
    nodes: list(row["nodes"], `${where}.nodes`, fail).map((node, i) => text(node, `${where}.nodes[${i}]`, fail)),
  };
}

function object(json: JsonValue | undefined, where: string, fail: Fail): JsonObject {
  return json !== undefined && isJsonObject(json) ? json : fail(where, "is not an object");
}

function list(json: JsonValue | undefined, where: string, fail: Fail): readonly JsonValue[] {
  return Array.isArray(json) ? json : fail(where, "is not a list");
}

function text(json: JsonValue | undefined, where: string, fail: Fail): string {
  return typeof json === "string" ? json : fail(where, "is not a text");
}

function integer(json: JsonValue | undefined, low: number, high: number, where: string, fail: Fail): number {
  if (typeof json !== "number" || !Number.isInteger(json) || json < low || json > high)
    fail(where, `is not an integer from ${low} to ${high}`);
  return json as number;
}
