/** The model that `load` gives: typed inputs and outputs around one call into WebAssembly. */
/// <reference lib="esnext.disposable" preserve="true" />
import type { BuildName } from "./builds.ts";
import { describePlan, type PlanDescription, type TensorDescription } from "./description.ts";
import { disposed, InputError, RunError } from "./errors.ts";
import { imageInput } from "./image-input.ts";
import type { Instance } from "./instance.ts";
import type { Metadata } from "./metadata.ts";
import { choosePlan, chosenPlan, type Given } from "./plans.ts";
import type { Image } from "./preprocess.ts";
import { type Program, programsOf } from "./program.ts";
import { readOutputs, type Slot, type Slots, slotsOf, writeInputs } from "./slots.ts";
import { CarriedStates, type States, Stream } from "./stream.ts";
import type { Tensor, TypedArray } from "./tensor.ts";
import { type Warmup, type WarmupOptions, warmUp } from "./warmup.ts";

/**
 * What `run` takes: for each input an array of its type (or a Float32Array, quantized, where it has a scale), or a Tensor. Where a model has
 * several plans, the shapes decide which one runs; arrays have to leave no doubt.
 */
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

/** A loaded model; `using` disposes of it where the engine knows Symbol.dispose. */
export interface Model extends Disposable {}

/** A loaded model. */
export class Model {
  /** Of the first plan. */
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  /** All that the model can run; one unless it was compiled for several sizes. */
  readonly plans: readonly PlanDescription[];
  readonly metadata: Metadata;
  readonly features: Features;
  /** Bytes of WebAssembly memory: on one thread as the file's header states them, on several as `eqm inspect` does. */
  readonly memoryBytes: number;
  readonly #instance: Instance;
  readonly #module: WebAssembly.Module;
  #slots: readonly Slots[] | undefined;

  /** `instance` is one of the program, and goes with the model. `module` is the build that it runs, for memory that is not shared. */
  constructor(program: Program, instance: Instance, module: WebAssembly.Module, features: Features, fastFloat = false) {
    this.metadata = program.metadata;
    const plans = programsOf(program).map(({ metadata }) => metadata);
    this.#module = module;
    this.#instance = instance;
    this.features = fastFloat ? { ...features, fastFloat: instance.useFusedMultiplyAdd(true) } : features;
    this.memoryBytes = this.#instance.memoryBytes;
    this.plans = plans.map(describePlan);
    this.inputs = this.plans[0]!.inputs;
    this.outputs = this.plans[0]!.outputs;
    this.#slots = plans.map((metadata) => slotsOf(instance, metadata));
  }

  /** Runs the model, synchronously. Throws InputError where inputs or output arrays do not fit, RunError where a run stops. */
  run(inputs: Inputs, { outputs = {} }: RunOptions = {}): Outputs {
    if (!this.#slots) throw disposed();
    checkNames(inputs, this.#slots[0]!.inputs, "input");
    checkNames(outputs, this.#slots[0]!.outputs, "output");
    for (const { name } of this.inputs)
      if (!Object.hasOwn(inputs, name))
        throw new InputError("missing-input", `The input ${JSON.stringify(name)} is missing.`, { input: name });
    const { plan, members } = choosePlan(this.plans, inputs);
    const { batch } = this.plans[plan]!;
    const part = batch && members !== undefined && members !== batch.size ? { batch, members } : undefined;
    const slots = this.#slots[plan]!;
    writeInputs(slots.inputs, inputs, part);
    this.#instance.run(plan);
    return readOutputs(slots.outputs, outputs, part);
  }

  /**
   * What `run` would do with inputs of these shapes: the plan's inputs and outputs, with as many members of a batch as are there. Inputs that are left
   * out may have any shape. Throws InputError `no-plan` or `ambiguous-shape`.
   */
  planFor(inputs: Given): PlanDescription {
    return chosenPlan(this.plans, inputs);
  }

  /**
   * A stream of runs that carries states over, as the file says which outputs feed which inputs: from zeros, or from the states that are given by
   * the names of their inputs. Any number of streams may run by turns. Throws InputError `no-states`, `unknown-input`.
   */
  stream(states: States = {}): Stream {
    return new Stream(new CarriedStates(this.metadata.states ?? [], this.plans, states), (inputs, options) => this.run(inputs, options));
  }

  /**
   * Makes the runs that follow as fast as they get: measures which form of the build's dot is the faster one here, and runs the model on
   * inputs of 0 until the engine has compiled the kernels well. Nothing of that changes a result. Throws InputError
   * `bad-option`, RunError.
   */
  async warmup(options?: WarmupOptions): Promise<Warmup> {
    if (!this.#slots) throw disposed();
    const inputs = this.#slots.map((slots) => slots.inputs.map(({ view }) => view));
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
    return imageInput(images, this.metadata, this.plans);
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
