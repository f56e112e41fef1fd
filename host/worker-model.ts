/** The caller's side of a model that runs in a worker: the same inputs and outputs, and `runAsync`. */
/// <reference lib="esnext.disposable" preserve="true" />
import type { PlanDescription, TensorDescription } from "./description.ts";
import { disposed, LoadError, RunError } from "./errors.ts";
import { imageInput } from "./image-input.ts";
import type { Metadata } from "./metadata.ts";
import type { Features, Inputs, Outputs } from "./model.ts";
import { chosenPlan, type Given } from "./plans.ts";
import type { Image } from "./preprocess.ts";
import { CarriedStates, type States, WorkerStream } from "./stream.ts";
import { dtypeOfArray, isTensor, type Tensor, type TypedArray } from "./tensor.ts";
import type { Warmup, WarmupOptions } from "./warmup.ts";
import { type Answer, fromPlain, type LoadedInWorker, type WorkerLoadOptions } from "./worker-protocol.ts";

/** A worker with the script `eqm/worker`: a web worker, or a `Worker` of node:worker_threads. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): unknown;
  addEventListener?(type: string, handler: (event: { readonly data?: unknown; readonly message?: string }) => void): void;
  on?(type: string, handler: (value: unknown) => void): unknown;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

/** A model loaded into a worker; `using` ends the worker where the engine knows Symbol.dispose. */
export interface WorkerModel extends Disposable {}

/** A model loaded into a worker, which it owns. */
export class WorkerModel {
  /** Of the first plan. */
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  /** All that the model can run; one unless it was compiled for several sizes. */
  readonly plans: readonly PlanDescription[];
  readonly metadata: Metadata;
  readonly features: Features;
  /** Bytes of WebAssembly memory, in the worker. */
  readonly memoryBytes: number;
  readonly #line: Line;

  constructor(line: Line, { metadata, plans, features, memoryBytes }: LoadedInWorker) {
    this.#line = line;
    this.metadata = metadata;
    this.features = features;
    this.memoryBytes = memoryBytes;
    this.plans = plans;
    this.inputs = this.plans[0]!.inputs;
    this.outputs = this.plans[0]!.outputs;
  }

  /**
   * Runs the model in the worker; runs queue up. Inputs are copied, outputs are new arrays. A signal ends the waiting, not the
   * run. Rejects with InputError, RunError, or the signal's reason.
   */
  async runAsync(inputs: Inputs, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Outputs> {
    signal?.throwIfAborted();
    const { message, transfer } = copied(inputs);
    const answer = await this.#line.ask({ run: message }, transfer, signal);
    if (!("outputs" in answer)) throw new Error("unreachable: a run's answer has outputs");
    return answer.outputs;
  }

  /** As `Model.stream`, in the worker. Throws InputError `no-states`, `unknown-input`. */
  stream(states: States = {}): WorkerStream {
    return new WorkerStream(new CarriedStates(this.metadata.states ?? [], this.plans, states), (inputs) => this.runAsync(inputs));
  }

  /** As `Model.planFor`, on this thread. */
  planFor(inputs: Given): PlanDescription {
    return chosenPlan(this.plans, inputs);
  }

  /** Warms the model up in the worker, as `Model.warmup`. */
  async warmup(options: WarmupOptions = {}): Promise<Warmup> {
    const answer = await this.#line.ask({ warmup: options }, []);
    if (!("warmup" in answer)) throw new Error("unreachable: a warm-up's answer says what it did");
    return answer.warmup;
  }

  /** Makes the first input from images by the specification in the file, on this thread. Throws InputError. */
  preprocess(images: Image | readonly Image[]): TypedArray {
    return imageInput(images, this.metadata, this.plans);
  }

  /** Ends the worker; runs that are under way are rejected with RunError `disposed`. */
  dispose(): void {
    this.#line.close(disposed());
  }
}

// Engines without Symbol.dispose have no `using` either.
if (Symbol.dispose)
  Object.defineProperty(WorkerModel.prototype, Symbol.dispose, {
    value: WorkerModel.prototype.dispose,
    configurable: true,
    writable: true,
  });

/** Loads `bytes` in `worker`, with `options`. Ends the worker where that fails. `owned` bytes are handed over, others copied. */
export async function loadInWorker(
  worker: WorkerLike,
  bytes: Uint8Array,
  { owned, ...options }: { readonly owned: boolean } & WorkerLoadOptions,
  signal: AbortSignal | undefined,
): Promise<WorkerModel> {
  const line = new Line(worker);
  try {
    const whole = owned && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const answer = await line.ask({ load: whole, options }, [whole.buffer as ArrayBuffer], signal);
    if (!("loaded" in answer)) throw new Error("unreachable: a load's answer has a model");
    return new WorkerModel(line, answer.loaded);
  } catch (error) {
    line.close(error);
    throw error;
  }
}

/** Requests to a worker and the promises of their answers. */
class Line {
  readonly #worker: WorkerLike;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #closed: { readonly reason: unknown } | undefined;

  constructor(worker: WorkerLike) {
    this.#worker = worker;
    const onAnswer = (answer: unknown) => this.#settle(answer as Answer);
    const onFault = (message: string) =>
      this.close(
        new RunError(
          "worker-failed",
          `The model's worker failed: ${message}. Check that its script is eqm/worker and that it can be loaded.`,
        ),
      );
    if (worker.addEventListener) {
      worker.addEventListener("message", ({ data }) => onAnswer(data));
      worker.addEventListener("error", ({ message }) => onFault(message ?? "it could not be started"));
      worker.addEventListener("messageerror", () => onFault("a message could not be read"));
    } else if (worker.on) {
      worker.on("message", onAnswer);
      worker.on("error", (error) => onFault(error instanceof Error ? error.message : String(error)));
      worker.on("exit", () => onFault("it ended"));
    } else {
      throw new LoadError("worker-failed", "The option `worker` must make a Worker, of the web or of node:worker_threads.");
    }
  }

  async ask(
    request:
      | { readonly load: Uint8Array; readonly options: WorkerLoadOptions }
      | { readonly run: Inputs }
      | { readonly warmup: WarmupOptions },
    transfer: ArrayBuffer[],
    signal?: AbortSignal,
  ): Promise<Answer> {
    if (this.#closed) throw this.#closed.reason;
    const id = this.#next++;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort, { once: true });
        this.#worker.postMessage({ id, ...request }, transfer);
      });
    } finally {
      this.#waiting.delete(id);
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
  }

  close(reason: unknown): void {
    if (this.#closed) return;
    this.#closed = { reason };
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if ("error" in answer) waiting?.reject(fromPlain(answer.error));
    else waiting?.resolve(answer);
  }
}

/** Copies inputs, so that they can be handed over and a view does not drag its whole buffer along. */
function copied(inputs: Inputs): { readonly message: Inputs; readonly transfer: ArrayBuffer[] } {
  const message: Record<string, TypedArray | Tensor> = Object.create(null);
  const transfer: ArrayBuffer[] = [];
  for (const [name, given] of Object.entries(inputs)) {
    const tensor = isTensor(given) ? given : undefined;
    const data = tensor ? tensor.data : given;
    // What is neither goes as it is, for the worker's typed error.
    if (dtypeOfArray(data) === undefined) {
      message[name] = given;
      continue;
    }
    const copy = (data as TypedArray).slice();
    transfer.push(copy.buffer as ArrayBuffer);
    message[name] = tensor ? { dtype: tensor.dtype, shape: tensor.shape, data: copy } : copy;
  }
  return { message, transfer };
}
