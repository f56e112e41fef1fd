/** The model that `load` gives: typed inputs and outputs around one call into WebAssembly. */
/// <reference lib="esnext.disposable" preserve="true" />
import type { BuildName } from "./builds.ts";
import { disposed, InputError, RunError } from "./errors.ts";
import { imageInput } from "./image-input.ts";
import type { Instance } from "./instance.ts";
import type { Metadata, TensorRegion } from "./metadata.ts";
import type { Image } from "./preprocess.ts";
import type { Program } from "./program.ts";
import { type DType, elementCount, type Tensor, type TypedArray } from "./tensor.ts";
import { readTensor, writeTensor } from "./transfer.ts";
import { type Warmup, type WarmupOptions, warmUp } from "./warmup.ts";

/** An input or output. Real numbers that stand as integers have `scale` and `zeroPoint`: real = (q − zeroPoint)·scale. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly scale?: number;
  readonly zeroPoint?: number;
  /** The axis along which the data decide how many entries an output has: at most what `shape` says; `actualShape` tells from what `run` gave. */
  readonly counted?: number;
}

/** The shape of what a run gave for an output: that of its description but for the axis along which it is counted. */
export function actualShape(
  { shape, counted }: Pick<TensorDescription, "shape" | "counted">,
  data: { readonly length: number },
): readonly number[] {
  if (counted === undefined) return shape;
  const others = shape.reduce((product, size, i) => (i === counted ? product : product * size), 1);
  return shape.map((size, i) => (i === counted ? data.length / others : size));
}

/** What `run` takes: for each input an array of its type (or a Float32Array, quantized, where it has a scale), or a Tensor. */
export type Inputs = Readonly<Record<string, TypedArray | Tensor>>;

/** What `run` gives: for each output an array of its type. */
export type Outputs = Record<string, TypedArray>;

/** Options of one run. */
export interface RunOptions {
  /** Arrays to write outputs into, by name: of the output's type, or Float32Array (dequantized) where it has a scale. The others are made anew. */
  readonly outputs?: Readonly<Record<string, TypedArray>>;
}

/** What is at work. */
export interface Features {
  readonly build: BuildName;
  readonly threads: number;
  /** Only where `fastFloat` was asked for: whether this build has it. */
  readonly fastFloat?: boolean;
  /** Why there are fewer threads than were asked for. */
  readonly threadsReason?: string;
}

interface Slot {
  readonly region: TensorRegion;
  readonly view: TypedArray;
  /** Where the number of entries stands, of an output that is counted. */
  readonly count?: Int32Array;
}

/** A loaded model; `using` disposes of it where the engine knows Symbol.dispose. */
export interface Model extends Disposable {}

/** A loaded model. */
export class Model {
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly metadata: Metadata;
  readonly features: Features;
  /** Bytes of WebAssembly memory: on one thread as the file's header states them, on several as `eqm inspect` does. */
  readonly memoryBytes: number;
  readonly #instance: Instance;
  readonly #module: WebAssembly.Module;
  #slots: { readonly inputs: readonly Slot[]; readonly outputs: readonly Slot[] } | undefined;

  /** `instance` is one of the program, and goes with the model. `module` is the build that it runs, for memory that is not shared. */
  constructor(program: Program, instance: Instance, module: WebAssembly.Module, features: Features, fastFloat = false) {
    this.metadata = program.metadata;
    this.#module = module;
    this.#instance = instance;
    this.features = fastFloat ? { ...features, fastFloat: instance.useFusedMultiplyAdd(true) } : features;
    this.memoryBytes = this.#instance.memoryBytes;
    this.inputs = program.metadata.inputs.map(describeTensor);
    this.outputs = program.metadata.outputs.map(describeTensor);
    const countOf = ({ name, counted }: TensorRegion): Partial<Slot> =>
      counted ? { count: this.#instance.tensor({ name, dtype: "int32", shape: [1], address: counted.address }) as Int32Array } : {};
    const slot = (region: TensorRegion): Slot => ({ region, view: this.#instance.tensor(region), ...countOf(region) });
    this.#slots = { inputs: program.metadata.inputs.map(slot), outputs: program.metadata.outputs.map(slot) };
  }

  /** Runs the model, synchronously. Throws InputError where inputs or output arrays do not fit, RunError where a run stops. */
  run(inputs: Inputs, { outputs = {} }: RunOptions = {}): Outputs {
    if (!this.#slots) throw disposed();
    checkNames(inputs, this.#slots.inputs, "input");
    checkNames(outputs, this.#slots.outputs, "output");
    for (const { region, view } of this.#slots.inputs) {
      if (!Object.hasOwn(inputs, region.name))
        throw new InputError("missing-input", `The input ${JSON.stringify(region.name)} is missing.`, { input: region.name });
      writeTensor(inputs[region.name]!, region, view);
    }
    this.#instance.run();
    const results = Object.create(null) as Outputs;
    for (const { region, view, count } of this.#slots.outputs) {
      const filled = count ? view.subarray(0, filledLength(region, count[0]!)) : view;
      results[region.name] = readTensor(filled, region, Object.hasOwn(outputs, region.name) ? outputs[region.name] : undefined);
    }
    return results;
  }

  /**
   * Makes the runs that follow as fast as they get: measures which form of the build's dot is the faster one here, and runs the model on
   * inputs of 0 until the engine has compiled the kernels well. Nothing of that changes a result. Throws InputError
   * `bad-option`, RunError.
   */
  async warmup(options?: WarmupOptions): Promise<Warmup> {
    if (!this.#slots) throw disposed();
    const inputs = this.#slots.inputs.map(({ view }) => view);
    return warmUp(this.#instance, this.#module, inputs, options);
  }

  /** Needs a worker: load with the option `worker`. Throws RunError `no-worker`. */
  runAsync(): Promise<never> {
    return Promise.reject(
      new RunError("no-worker", "The model runs on this thread: load it with { worker: () => new Worker(…) } for runAsync, or call run."),
    );
  }

  /**
   * Makes the first input from an image (a batch: from as many images) by the specification in the file. Throws InputError
   * `no-preprocess` where it holds none, `bad-image`, or `wrong-shape` where the result is not the input's.
   */
  preprocess(images: Image | readonly Image[]): TypedArray {
    return imageInput(images, this.metadata);
  }

  /** Ends the model's threads and lets go of its memory; any later run throws RunError `disposed`. */
  dispose(): void {
    this.#instance.dispose();
    this.#slots = undefined;
  }
}

// Engines without Symbol.dispose have no `using` either.
if (Symbol.dispose)
  Object.defineProperty(Model.prototype, Symbol.dispose, { value: Model.prototype.dispose, configurable: true, writable: true });

/** Elements of an output with `count` entries, of which there are never more than its shape says. */
function filledLength({ shape, counted }: TensorRegion, count: number): number {
  const most = shape[counted!.axis]!;
  return (elementCount(shape) / Math.max(1, most)) * Math.max(0, Math.min(most, count));
}

/** What a caller sees of a tensor. */
export function describeTensor({ name, dtype, shape, scale, zeroPoint, counted }: TensorRegion): TensorDescription {
  return { name, dtype, shape, ...(scale !== undefined && { scale, zeroPoint }), ...(counted && { counted: counted.axis }) };
}

function checkNames(given: Readonly<Record<string, unknown>>, slots: readonly Slot[], what: "input" | "output"): void {
  for (const name of Object.keys(given)) {
    if (!slots.some(({ region }) => region.name === name)) {
      const known = slots.map(({ region }) => JSON.stringify(region.name)).join(", ");
      throw new InputError(`unknown-${what}`, `The model has no ${what} ${JSON.stringify(name)}; it has ${known || "none"}.`, {
        [what]: name,
        known: slots.map(({ region }) => region.name),
      });
    }
  }
}
