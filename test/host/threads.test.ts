/** A model on several threads: the same bytes, however many there are, and no hang, whatever becomes of them. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import { compile } from "../../compiler/index.ts";
import { INT32 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Gather from "../../format/steps/gather.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import type { ThreadStarter } from "../../host/crew.ts";
import { LoadError, RunError } from "../../host/errors.ts";
import { load, type Model, type TypedArray } from "../../host/index.ts";
import { constant, program, scanner, smallFile, step } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";
import { type ThreadScripts, threadScripts } from "../support/thread-scripts.ts";

const EXAMPLE = readFileSync(new URL("../../examples/doodles/model.onnx", import.meta.url));

let scripts: ThreadScripts;
const files = new Map<string, Uint8Array>();

beforeAll(async () => {
  scripts = await threadScripts();
  for (const precision of ["int8", "float32"] as const) files.set(precision, (await compile(EXAMPLE, { precision })).bytes);
}, 60_000);
afterAll(() => scripts.remove());

/** Starts real threads; keeps them in `workers`. */
function starter(workers: Worker[] = [], script = scripts.real): ThreadStarter {
  const start = () => {
    const worker = new Worker(script);
    workers.push(worker);
    return worker;
  };
  return { start, patienceMs: 500 };
}

function randomInputs(model: Model, seed: number): Record<string, TypedArray> {
  const next = randomSource(seed);
  return Object.fromEntries(
    model.inputs.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (next() % 2001) / 1000 - 1),
    ]),
  );
}

/** y = TABLE[x], then z = the byte of y at `index`: a step that is shared and one that may fail. */
function gatherFile(): Uint8Array {
  const count = 1 << 18;
  return emitFile(
    program({
      inputs: [
        { name: "x", dtype: "int8", shape: [count], address: 256 },
        { name: "index", dtype: "int32", shape: [1], address: 256 + 2 * count },
      ],
      outputs: [
        { name: "y", dtype: "int8", shape: [count], address: 256 + count },
        { name: "z", dtype: "int8", shape: [1], address: 320 + 2 * count },
      ],
      constants: [
        constant(
          0,
          Uint8Array.from({ length: 256 }, (_, i) => i * 7),
        ),
      ],
      constantsBytes: 256,
      arenaBytes: 2 * count + 128,
      steps: [
        step(Opcode.TABLE_I8, TableI8, {
          ...{ SRC: 256, DST: 256 + count, TABLE: 0, ROWS: 1, COLUMNS: count, SRC_PITCH: count, DST_PITCH: count },
        }),
        step(Opcode.GATHER, Gather, {
          ...{ SRC: 256 + count, DST: 320 + 2 * count, INDICES: 256 + 2 * count, INDEX_DTYPE: INT32 },
          ...{ OUTER: 1, AXIS: count, COUNT: 1, INNER_BYTES: 1 },
        }),
      ],
    }),
    scanner,
  );
}

describe.each(["int8", "float32"])("a model in %s", (precision) => {
  it.each([2, 3, 4, 8])(
    "gives on %i threads the bytes that it gives on one",
    async (threads) => {
      const alone = await load(files.get(precision)!);
      const model = await load(files.get(precision)!, { threads, thread: starter() });
      expect(model.features).toEqual({ ...alone.features, threads });
      expect(model.memoryBytes).toBeGreaterThanOrEqual(alone.memoryBytes);
      for (let seed = 1; seed <= 40; seed++) {
        const inputs = randomInputs(alone, seed);
        expect(model.run(inputs), `seed ${seed}`).toEqual(alone.run(inputs));
      }
      model.dispose();
      alone.dispose();
    },
    60_000,
  );
});

describe("threads", () => {
  it("are started and ended again and again", async () => {
    const alone = await load(files.get("int8")!);
    const inputs = randomInputs(alone, 1);
    const expected = alone.run(inputs);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 40; i++) {
      const model = await load(files.get("int8")!, { threads: 2 + (i % 3), thread: starter() });
      for (let k = 0; k < i % 4; k++) expect(model.run(inputs)).toEqual(expected);
      model.dispose();
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  }, 120_000);

  it("run again after they have slept", async () => {
    const model = await load(files.get("int8")!, { threads: 2, thread: starter() });
    const inputs = randomInputs(model, 1);
    const expected = model.run(inputs);
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setTimeout(resolve, i));
      expect(model.run(inputs)).toEqual(expected);
    }
    model.dispose();
    expect(() => model.run(inputs)).toThrow(new RunError("disposed", "The model has been disposed of: load it again."));
  }, 30_000);

  it("are asked in vain where the entry starts none, or there are no workers, no shared memory, no WebAssembly threads, or nothing to share", async () => {
    const reasons: string[] = [];
    const reasonOf = async (file: Uint8Array, thread?: ThreadStarter) => {
      const model = await load(file, { threads: 2, ...(thread && { thread }) });
      expect(model.features.threads).toBe(1);
      reasons.push(model.features.threadsReason ?? "none");
    };
    await reasonOf(files.get("int8")!);
    await reasonOf(files.get("int8")!, { start: undefined });
    vi.stubGlobal("SharedArrayBuffer", undefined);
    await reasonOf(files.get("int8")!, starter());
    vi.unstubAllGlobals();
    await reasonOf(smallFile(), starter());
    expect(reasons).toEqual([
      'This entry starts no threads: import load from "eqm/threads".',
      "There are no workers here.",
      "There is no shared memory here: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
      "No step of the model is large enough to be shared.",
    ]);
    await expect(load(smallFile(), { threads: 65 })).rejects.toMatchObject({ code: "bad-option" });
  });

  it("that fail to start are a typed error, and a signal ends the waiting", async () => {
    const threads = 2;
    const failing = scripts.write(
      "failing.mjs",
      'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => parentPort.postMessage({ failed: "no room" }));',
    );
    const errors: unknown[] = [];
    const silent = scripts.write("silent.mjs", 'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => {});');
    const workers: Worker[] = [];
    for (const script of [failing, `${failing}.missing`]) {
      await load(files.get("int8")!, { threads, thread: starter(workers, script) }).catch((error: unknown) => errors.push(error));
    }
    expect(errors[0]).toEqual(
      new LoadError("worker-failed", "A thread could not be started: no room. Check that the package's thread script can be loaded."),
    );
    expect(errors[1]).toMatchObject({ name: "LoadError", code: "worker-failed" });
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 50);
    await expect(load(files.get("int8")!, { threads, thread: starter(workers, silent), signal: controller.signal })).rejects.toBe(reason);
    for (const worker of workers) await ended(worker);
  });

  it("that are ended from outside are a typed error of the next run", async () => {
    const workers: Worker[] = [];
    const model = await load(files.get("int8")!, { threads: 3, thread: starter(workers) });
    const inputs = randomInputs(model, 1);
    model.run(inputs);
    await workers[1]!.terminate();
    expect(() => model.run(inputs)).toThrow(
      new RunError("worker-failed", "A thread of the model failed: it ended. Results of runs before are right; load the model again."),
    );
    model.dispose();
  });

  it("that die within a step are a typed error after a while, and end the others", async () => {
    // Claims its slot of the first phase, and is gone.
    const dying = scripts.write(
      "dying.mjs",
      `import { parentPort } from "node:worker_threads";
       let assignment;
       parentPort.on("message", (order) => {
         if (order.assign) { assignment = order.assign; parentPort.postMessage({ ready: true }); return; }
         const { control, slot } = assignment;
         while (Atomics.load(control, 0) === 0);
         Atomics.store(control, 64 + 16 * slot, Atomics.load(control, 0));
         process.exit();
       });`,
    );
    const workers: Worker[] = [];
    const model = await load(gatherFile(), { threads: 2, thread: starter(workers, dying) });
    const inputs = { x: new Int8Array(1 << 18), index: new Int32Array([5]) };
    // The claim may come too late for a run: then that run is right.
    let error: unknown;
    const start = performance.now();
    for (let i = 0; i < 100 && error === undefined; i++) {
      try {
        expect(model.run(inputs)["z"]).toEqual(new Int8Array([-128]));
      } catch (thrown) {
        error = thrown;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(error).toMatchObject({ name: "RunError", code: "worker-failed" });
    expect(performance.now() - start).toBeLessThan(15_000);
    expect(() => model.run(inputs)).toThrow(RunError);
    for (const worker of workers) await ended(worker);
  }, 30_000);

  it("carry on after a run that stopped, whichever of them saw why", async () => {
    const model = await load(gatherFile(), { threads: 2, thread: starter() });
    const x = Int8Array.from({ length: 1 << 18 }, (_, i) => i);
    for (let i = 0; i < 200; i++) {
      const at = i % 2 ? (1 << 18) + i : i;
      const run = () => model.run({ x, index: new Int32Array([at]) });
      if (i % 2) expect(run).toThrow(expect.objectContaining({ code: "index-out-of-range" }));
      else expect((run()["z"] as Int8Array)[0]).toBe((((x[at]! + 128) * 7) << 24) >> 24);
    }
    model.dispose();
  }, 30_000);
});

async function ended(worker: Worker): Promise<void> {
  if (worker.threadId !== -1) await once(worker, "exit");
}
