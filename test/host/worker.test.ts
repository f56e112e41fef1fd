import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { FormatError, InputError, RunError } from "../../host/errors.ts";
import { load } from "../../host/index.ts";
import { serve } from "../../host/serve.ts";
import type { WorkerLike } from "../../host/worker-model.ts";
import type { Request } from "../../host/worker-protocol.ts";
import { model, node, value } from "../support/onnx-model.ts";
import { smallFile } from "../support/small-model.ts";

let directory: string;
let script: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "eqm-worker-"));
  script = join(directory, "worker.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("../../host/worker.node.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
    logLevel: "silent",
  });
});

afterAll(() => rmSync(directory, { recursive: true }));

const nodeWorker = () => new Worker(script);

/** A web worker as the caller sees it, served on this thread through structured clone. */
class LocalWorker implements WorkerLike {
  terminated = false;
  readonly #handlers = new Map<string, (event: { readonly data?: unknown; readonly message?: string }) => void>();
  #handle: ((request: Request) => void) | undefined;

  constructor() {
    serve({
      onRequest: (handler) => {
        this.#handle = handler;
      },
      answer: (answer, transfer) => {
        const data: unknown = structuredClone(answer, { transfer });
        queueMicrotask(() => this.emit("message", { data }));
      },
    });
  }

  postMessage(message: unknown, transfer: ArrayBuffer[]): void {
    const request = structuredClone(message, { transfer }) as Request;
    queueMicrotask(() => this.#handle!(request));
  }

  addEventListener(type: string, handler: (event: { readonly data?: unknown; readonly message?: string }) => void): void {
    this.#handlers.set(type, handler);
  }

  terminate(): void {
    this.terminated = true;
  }

  emit(type: string, event: { readonly data?: unknown; readonly message?: string }): void {
    if (!this.terminated) this.#handlers.get(type)?.(event);
  }
}

it.each<[string, () => WorkerLike]>([
  ["a Worker of node:worker_threads", nodeWorker],
  ["a web worker", () => new LocalWorker()],
])("runs in %s as on this thread", async (_name, worker) => {
  using local = await load(smallFile());
  const model = await load(smallFile(), { worker });
  try {
    expect({ inputs: model.inputs, outputs: model.outputs, memoryBytes: model.memoryBytes, features: model.features }).toEqual({
      inputs: local.inputs,
      outputs: local.outputs,
      memoryBytes: local.memoryBytes,
      features: local.features,
    });
    const inputs = Array.from({ length: 20 }, (_, i) => new Int8Array([i, -i, 3, 4, 5, 6]));
    const all = await Promise.all(inputs.map((x) => model.runAsync({ x })));
    for (const [i, x] of inputs.entries()) expect(all[i]).toEqual(local.run({ x }));
    expect((await model.warmup({ ms: 5 })).runs).toBeGreaterThan(0);
    await expect(model.warmup({ ms: -1 })).rejects.toMatchObject({ code: "bad-option" });
    expect(inputs[7]).toEqual(new Int8Array([7, -7, 3, 4, 5, 6]));
    expect(await model.runAsync({ x: { dtype: "int8", shape: [1, 6], data: new Int8Array(6) } })).toEqual(
      local.run({ x: new Int8Array(6) }),
    );
  } finally {
    model.dispose();
  }
});

it("carries typed errors over whole", async () => {
  const damaged = smallFile();
  damaged[20]! ^= 1;
  const worker = new LocalWorker();
  const error: unknown = await load(damaged, { worker: () => worker }).catch((thrown: unknown) => thrown);
  const here: unknown = await load(damaged).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(FormatError);
  expect(error).toEqual(here);
  expect(worker.terminated).toBe(true);

  const model = await load(smallFile(), { worker: () => new LocalWorker() });
  const wrong: unknown = await model.runAsync({ x: new Int8Array(5) }).catch((thrown: unknown) => thrown);
  expect(wrong).toEqual(
    new InputError("wrong-length", 'The input "x" of shape [1,6] takes 6 elements, got 5.', { input: "x", expected: 6, got: 5 }),
  );
  const list: unknown = await model.runAsync({ x: [1] as unknown as Int8Array }).catch((thrown: unknown) => thrown);
  expect(list).toMatchObject({ name: "InputError", code: "wrong-dtype" });
  model.dispose();
});

it("a signal ends the waiting and the next run goes on", async () => {
  const model = await load(smallFile(), { worker: () => new LocalWorker() });
  const controller = new AbortController();
  const reason = new Error("enough");
  const run = model.runAsync({ x: new Int8Array(6) }, { signal: controller.signal });
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
  await expect(model.runAsync({ x: new Int8Array(6) }, { signal: controller.signal })).rejects.toBe(reason);
  expect((await model.runAsync({ x: new Int8Array(6) }))["y"]).toEqual(new Int8Array(6).fill(-1));
  model.dispose();
});

it("dispose ends the worker and rejects what is under way and what comes", async () => {
  const worker = new LocalWorker();
  const model = await load(smallFile(), { worker: () => worker });
  const run = model.runAsync({ x: new Int8Array(6) });
  model.dispose();
  expect(worker.terminated).toBe(true);
  const gone = new RunError("disposed", "The model has been disposed of: load it again.");
  await expect(run).rejects.toEqual(gone);
  await expect(model.runAsync({ x: new Int8Array(6) })).rejects.toEqual(gone);
});

it("a worker that fails is a typed error, at loading and at a run", async () => {
  const missing: unknown = await load(smallFile(), { worker: () => new Worker(join(directory, "missing.mjs")) }).catch(
    (thrown: unknown) => thrown,
  );
  expect(missing).toMatchObject({
    name: "RunError",
    code: "worker-failed",
    message: expect.stringContaining("Cannot find module") as string,
  });
  const worker = new LocalWorker();
  const model = await load(smallFile(), { worker: () => worker });
  const run = model.runAsync({ x: new Int8Array(6) });
  worker.emit("error", { message: "boom" });
  await expect(run).rejects.toEqual(
    new RunError("worker-failed", "The model's worker failed: boom. Check that its script is eqm/worker and that it can be loaded."),
  );
  await expect(load(smallFile(), { worker: () => ({ postMessage: () => {}, terminate: () => {} }) })).rejects.toMatchObject({
    name: "LoadError",
    code: "worker-failed",
  });
});

it("carries states in the worker, in the order of the calls", async () => {
  const sum = model({
    inputs: [value("x", ["N", 2]), value("state", ["N", 2])],
    outputs: ["y", "stateN"],
    nodes: [node("Add", ["state", "x"], ["stateN"]), node("Neg", ["stateN"], ["y"])],
  });
  const { bytes } = await compile(sum, { precision: "float32", shapes: { N: [1, 4] } });
  using loaded = await load(bytes, { worker: nodeWorker });
  expect(loaded.plans.map(({ sizes }) => sizes)).toEqual([[{ name: "N", size: 1 }], [{ name: "N", size: 4 }]]);
  const stream = loaded.stream();
  const x = { dtype: "float32", shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;
  const runs = [stream.runAsync({ x }), stream.runAsync({ x: Float32Array.of(1) }), stream.runAsync({ x })] as const;
  const [first, wrong, third] = await Promise.allSettled(runs);
  expect(first).toMatchObject({ value: { y: Float32Array.of(-1, -2, -3, -4, -5, -6) } });
  expect(wrong).toMatchObject({ reason: { code: "no-plan" } });
  expect(third).toMatchObject({ value: { y: Float32Array.of(-2, -4, -6, -8, -10, -12) } });
  expect({ ...(await stream.states()) }).toEqual({ state: Float32Array.of(2, 4, 6, 8, 10, 12) });
  await stream.reset();
  expect(await stream.runAsync({ x: Float32Array.of(1, 2) })).toEqual({ y: Float32Array.of(-1, -2) });
  await expect(stream.reset({ x: Float32Array.of(1) })).rejects.toThrow('"x" is no state of the model; it has "state".');
  expect(loaded.planFor({ x }).outputs[0]!.shape).toEqual([3, 2]);
});
