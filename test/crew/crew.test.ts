/** Workers of the compiler: the same bytes for any number of them, and nothing left over whatever goes wrong. */
import { describe, expect, test } from "vitest";
import { alone, startWorkers } from "../../compiler/crew/crew.ts";
import { shareOut } from "../../compiler/crew/share.ts";
import { TRADES } from "../../compiler/crew/trades.ts";
import { type CompileOptions, compile, quantizeToOnnx } from "../../compiler/index.ts";
import { compilerRuntime } from "../../compiler/run/graph-runner.ts";
import type { Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, ints, model, node, type TensorSpec, value } from "../support/onnx-model.ts";
import { type TestWorker, testWorker } from "./worker.ts";

const noPause = async (): Promise<void> => {};

function weights(name: string, dims: number[], seed: number): TensorSpec {
  const random = randomNumbers(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  return floatTensor(name, dims, Float32Array.from({ length: count }, () => (random() - 0.5) / 2) as never);
}

/** x [1, 8, 24, 24] → conv → relu → depthwise → conv, + conv → mean → fc: 3 million multiply-accumulates. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1", "b1"], ["c1"], { pads: ints(1, 1, 1, 1) }, { name: "first" }),
    node("Relu", ["c1"], ["r1"], {}, { name: "relu" }),
    node("Conv", ["r1", "w2", "b2"], ["c2"], { pads: ints(1, 1, 1, 1), group: { i: 32 } as never }, { name: "depthwise" }),
    node("Conv", ["c2", "w3", "b3"], ["c3"], {}, { name: "pointwise" }),
    node("Add", ["c3", "r1"], ["s"], {}, { name: "add" }),
    node("GlobalAveragePool", ["s"], ["p"], {}, { name: "pool" }),
    node("Flatten", ["p"], ["f"], {}, { name: "flatten" }),
    node("Gemm", ["f", "w4", "b4"], ["y"], {}, { name: "fc" }),
  ],
  inputs: [value("x", [1, 8, 24, 24])],
  initializers: [
    ...[weights("w1", [32, 8, 3, 3], 1), weights("b1", [32], 2), weights("w2", [32, 1, 3, 3], 3), weights("b2", [32], 4)],
    ...[weights("w3", [32, 32, 1, 1], 5), weights("b3", [32], 6), weights("w4", [32, 10], 7), weights("b4", [10], 8)],
  ],
});

function samples(count: number): Readonly<Record<string, Tensor>>[] {
  const random = randomNumbers(3);
  // Views of one array, as those of a file are.
  const all = Float32Array.from({ length: count * 4608 }, () => random() * 2 - 1);
  return Array.from({ length: count }, (_, i) => ({
    x: { dtype: "float32", shape: [1, 8, 24, 24], data: all.subarray(i * 4608, (i + 1) * 4608) },
  }));
}

const SAMPLES = samples(13);

/** Options with workers, and the workers that were started. */
function crewed(count: number, start: () => TestWorker = testWorker): { readonly options: CompileOptions; readonly workers: TestWorker[] } {
  const workers: TestWorker[] = [];
  const startWorker = (): TestWorker => {
    const worker = start();
    workers.push(worker);
    return worker;
  };
  return { options: { calibration: SAMPLES, workers: count, startWorker }, workers };
}

describe("a compilation", () => {
  test.each([
    ["int8", {}],
    ["int8 without fitting", { rounding: "nearest" }],
    ["of four bits and pruned", { weights: 4, prune: 0.5 }],
    ["with channels cut out", { prune: 0.3, pattern: "channel" }],
  ] as const)("%s gives the same file with one, two and five workers", async (_, options) => {
    const plain = await compile(NETWORK, { calibration: SAMPLES, force: true, ...options });
    expect(plain.report.workers).toEqual({ count: 1, reason: null });
    for (const count of [2, 5]) {
      const { options: others, workers } = crewed(count);
      const { bytes, report } = await compile(NETWORK, { ...others, force: true, ...options });
      expect(report.workers).toEqual({ count, reason: null });
      expect(Buffer.compare(bytes, plain.bytes)).toBe(0);
      const { timings: _1, latency: _2, workers: _3, warnings: _4, ...found } = report;
      const { timings: _5, latency: _6, workers: _7, warnings: _8, ...expected } = plain.report;
      expect(found).toEqual(expected);
      expect(workers).toHaveLength(count);
      expect(workers.every(({ isEnded, orders }) => isEnded && orders.length > 10)).toBe(true);
    }
  });

  test("to a quantized ONNX is the same, too", async () => {
    const plain = await quantizeToOnnx(NETWORK, { calibration: SAMPLES });
    const { bytes, report } = await quantizeToOnnx(NETWORK, crewed(3).options);
    expect(report.workers.count).toBe(3);
    expect(Buffer.compare(bytes, plain.bytes)).toBe(0);
  });

  test("has no workers where there is nothing to share out, and says why", async () => {
    const { options, workers } = crewed(2);
    const { report } = await compile(NETWORK, { ...options, calibration: undefined });
    expect(report.workers).toEqual({ count: 1, reason: "there are no samples to share out" });
    expect((await compile(NETWORK, { ...options, precision: "float32" })).report.workers).toEqual({ count: 1, reason: null });
    expect(workers).toHaveLength(0);
  });

  test("goes on alone where a worker cannot be started, and says why", async () => {
    const plain = await compile(NETWORK, { calibration: SAMPLES });
    const broken = crewed(2, () => {
      const worker = testWorker(() => true);
      worker.crash("no such script");
      return worker;
    });
    const { bytes, report } = await compile(NETWORK, broken.options);
    expect(Buffer.compare(bytes, plain.bytes)).toBe(0);
    expect(report.workers.count).toBe(1);
    expect(report.workers.reason).toBe("A worker of the compiler failed: no such script. Compile again, or without workers (workers: 1).");
    expect(broken.workers.every(({ isEnded }) => isEnded)).toBe(true);
    const throwing = crewed(2, () => {
      throw new TypeError("Worker is not allowed here");
    });
    expect((await compile(NETWORK, throwing.options)).report.workers.reason).toContain("Worker is not allowed here");
  });

  test("fails where a worker dies at its work, and ends the others", async () => {
    const { options, workers } = crewed(2, () =>
      testWorker((order, worker) => {
        if (!("open" in order) || order.open !== "walking") return false;
        worker.crash("out of memory");
        return true;
      }),
    );
    await expect(compile(NETWORK, options)).rejects.toMatchObject({
      code: "worker-failed",
      fault: "input",
      details: { reason: "out of memory" },
    });
    expect(workers.every(({ isEnded }) => isEnded)).toBe(true);
  });

  test("tells a worker's errors as its own", async () => {
    const wrong = [...SAMPLES.slice(0, 6), { x: { dtype: "float32", shape: [1, 2], data: new Float32Array(2) } } as const];
    const plain = await compile(NETWORK, { calibration: wrong }).catch((error: unknown) => error);
    const { options, workers } = crewed(2);
    await expect(compile(NETWORK, { ...options, calibration: wrong })).rejects.toEqual(plain);
    expect(plain).toMatchObject({ code: "wrong-sample" });
    expect(workers.every(({ isEnded }) => isEnded)).toBe(true);
  });

  test("that is told to stop rejects with the reason, and leaves no worker", async () => {
    const controller = new AbortController();
    const { options, workers } = crewed(2, () =>
      testWorker((order) => {
        if ("open" in order && order.open === "walking") controller.abort(new Error("enough"));
        return false;
      }),
    );
    await expect(compile(NETWORK, { ...options, signal: controller.signal })).rejects.toThrow("enough");
    expect(workers).toHaveLength(2);
    expect(workers.every(({ isEnded }) => isEnded)).toBe(true);
  });

  test.each([
    [{ workers: 0 }, "The option workers is 0; it takes a whole number from 1 to 64."],
    [{ workers: 2.5, startWorker: testWorker }, "The option workers is 2.5; it takes a whole number from 1 to 64."],
    [{ workers: 2 }, "The option workers is 2; it takes a startWorker beside it, which makes them."],
    [{ startWorker: "worker.js" as never }, 'The option startWorker is "worker.js"; it takes a function.'],
  ])("refuses %o", async (options, message) => {
    await expect(compile(NETWORK, options)).rejects.toMatchObject({ code: "bad-option", fault: "usage", message });
  });
});

describe("sharing out", () => {
  const squares = { name: "squares", open: () => ({ call: (x: number) => x * x, dispose: () => {} }) };

  test("keeps the order, tells how many are done, and reads no more once one fails", async () => {
    const { module } = await compilerRuntime();
    const done: number[] = [];
    const crew = alone(module, noPause);
    const shared = await shareOut(crew, squares, null, [3, 1, 2], { pause: noPause, done: (count) => done.push(count), last: 9 });
    expect(shared).toEqual({ results: [9, 1, 4], count: 3, last: [81] });
    expect(done).toEqual([1, 2, 3]);
    let read = 0;
    function* inputs(): Generator<number> {
      for (;;) yield read++;
    }
    const failing = {
      name: "failing",
      open: () => ({
        call(x: number) {
          if (x === 2) throw new RangeError("two");
          return x;
        },
        dispose: () => {},
      }),
    };
    await expect(shareOut(crew, failing, null, inputs(), { pause: noPause })).rejects.toThrow("two");
    expect(read).toBe(3);
  });

  test("names every trade once", () => {
    const names = TRADES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test("a worker that is ended rejects what it was asked, then and later", async () => {
    const { module } = await compilerRuntime();
    const crew = await startWorkers(1, () => testWorker(), module, undefined);
    const [session] = crew.open(TRADES.find(({ name }) => name === "running")!, () => ({}) as never);
    const pending = session!.call({} as never);
    crew.end();
    await expect(pending).rejects.toMatchObject({ code: "worker-failed" });
    await expect(session!.call({} as never)).rejects.toMatchObject({ code: "worker-failed" });
  });
});
