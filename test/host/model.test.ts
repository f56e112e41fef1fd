import { describe, expect, it } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import { FLOAT32, INT32, INT64 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Copy from "../../format/steps/copy.ts";
import * as Gather from "../../format/steps/gather.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { chooseBuild } from "../../host/builds.ts";
import { EqmError } from "../../host/errors.ts";
import { load } from "../../host/index.ts";
import type { TensorRegion } from "../../host/metadata.ts";
import type { TypedArray } from "../../host/tensor.ts";
import { constant, program, scanner, smallFile, step } from "../support/small-model.ts";

/** What a promise or a call throws, whole. */
async function thrown(
  run: () => unknown,
): Promise<{ readonly name: string; readonly code: string; readonly message: string; readonly details: unknown }> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof EqmError)) throw error;
    return { name: error.name, code: error.code, message: error.message, details: error.details };
  }
  throw new Error("nothing was thrown");
}

/** A file whose one output is its input, byte by byte. */
function passThrough(region: Omit<TensorRegion, "name" | "address">, elementBytes: number, output: Partial<TensorRegion> = {}): Uint8Array {
  const count = region.shape.reduce((product, dimension) => product * dimension, 1);
  const { scale, zeroPoint } = region;
  return emitFile(
    program({
      inputs: [{ name: "x", ...region, address: 0 }],
      outputs: [{ name: "y", ...region, ...(scale !== undefined && { scale, zeroPoint }), ...output, address: 2048 }],
      steps: [
        step(Opcode.COPY, Copy, {
          ...{ SRC: 0, DST: 2048, ELEMENT_BYTES: elementBytes, DIM0: 1, DIM1: 1, DIM2: 1, DIM3: 1, DIM4: 1, DIM5: count },
          ...{ SRC_STRIDE5: 1, DST_STRIDE5: 1 },
        }),
      ],
    }),
    scanner,
  );
}

describe("a loaded model", () => {
  it("says what it takes and gives", async () => {
    using model = await load(smallFile());
    expect(model.inputs).toEqual([{ name: "x", dtype: "int8", shape: [1, 6], scale: 0.5, zeroPoint: 3 }]);
    expect(model.outputs).toEqual([
      { name: "y", dtype: "int8", shape: [3, 2] },
      { name: "z", dtype: "float32", shape: [7] },
    ]);
    expect(model.features).toEqual({ build: (await chooseBuild()).name, threads: 1 });
    expect(model.metadata.steps[1]).toEqual({ op: "Transpose", nodes: ["n1", "n2"] });
  });

  it.each<[TypedArray, TensorRegion["dtype"], number]>([
    [new Float32Array([1.5, -2, 3]), "float32", 4],
    [new Int8Array([1, -2, 3]), "int8", 1],
    [new Uint8Array([1, 200, 3]), "uint8", 1],
    [new Int32Array([1, -2, 3]), "int32", 4],
    [new BigInt64Array([1n, -(2n ** 62n), 3n]), "int64", 8],
  ])("takes and gives %o", async (data, dtype, bytes) => {
    using model = await load(passThrough({ dtype, shape: [3] }, bytes));
    const { y } = model.run({ x: data });
    expect(y).toEqual(data);
    expect(y!.buffer.byteLength).toBe(data.byteLength);
    expect(model.run({ x: { dtype, shape: [3], data } })).toEqual({ y: data });
  });

  it("takes a bool as bytes and makes 0 and 1 of them", async () => {
    using model = await load(passThrough({ dtype: "bool", shape: [4] }, 1));
    expect(model.run({ x: new Uint8Array([0, 1, 2, 255]) })).toEqual({ y: new Uint8Array([0, 1, 1, 1]) });
  });

  it("takes a Buffer and views into larger buffers", async () => {
    using model = await load(passThrough({ dtype: "uint8", shape: [3] }, 1));
    expect(model.run({ x: Buffer.from([9, 8, 7]) })).toEqual({ y: new Uint8Array([9, 8, 7]) });
    expect(model.run({ x: new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4) })).toEqual({ y: new Uint8Array([1, 2, 3]) });
  });

  it("quantizes real numbers for an input with a scale, ties to even, saturating, NaN to the zero point", async () => {
    using model = await load(passThrough({ dtype: "int8", shape: [9], scale: 0.5, zeroPoint: 3 }, 1));
    const x = new Float32Array([0, 0.25, 0.75, -0.25, 1e9, -1e9, Number.NaN, Number.POSITIVE_INFINITY, -3.6]);
    expect(model.run({ x })).toEqual({ y: new Int8Array([3, 3, 5, 3, 127, -128, 3, 127, -4]) });
    using unsigned = await load(passThrough({ dtype: "uint8", shape: [4], scale: 2, zeroPoint: 128 }, 1));
    expect(unsigned.run({ x: new Float32Array([-1000, -1, 3, 1000]) })).toEqual({ y: new Uint8Array([0, 128, 130, 255]) });
  });

  it("divides by the scale in float32", async () => {
    const scale = Math.fround(0.1);
    using model = await load(passThrough({ dtype: "int8", shape: [1], scale, zeroPoint: 0 }, 1));
    // 0.35 / 0.1 is 3.5 in float32 arithmetic and 3.4999998 in float64: only the former ties to 4.
    expect(Math.fround(Math.fround(0.35) / scale)).toBe(3.5);
    expect(Math.fround(0.35) / scale).toBeLessThan(3.5);
    expect(model.run({ x: new Float32Array([0.35]) })).toEqual({ y: new Int8Array([4]) });
  });

  it("writes outputs into given arrays, dequantized into a Float32Array", async () => {
    using model = await load(passThrough({ dtype: "int8", shape: [3], scale: 0.5, zeroPoint: 3 }, 1));
    const own = new Int8Array(3);
    const x = new Int8Array([1, 3, -7]);
    expect(model.run({ x }, { outputs: { y: own } })["y"]).toBe(own);
    expect(own).toEqual(x);
    const real = new Float32Array(3);
    expect(model.run({ x }, { outputs: { y: real } })["y"]).toBe(real);
    expect(real).toEqual(new Float32Array([-1, 0, -5]));
  });

  it("gives outputs that a later run leaves alone", async () => {
    using model = await load(passThrough({ dtype: "int8", shape: [2] }, 1));
    const first = model.run({ x: new Int8Array([1, 2]) });
    model.run({ x: new Int8Array([3, 4]) });
    expect(first).toEqual({ y: new Int8Array([1, 2]) });
  });

  it("holds names that objects have already", async () => {
    const names = ["__proto__", "constructor", "toString"];
    const regions = names.map((name, i): TensorRegion => ({ name, dtype: "int8", shape: [1], address: i * 64 }));
    using model = await load(emitFile(program({ inputs: regions, outputs: regions, steps: [] }), scanner));
    const inputs = Object.fromEntries(names.map((name, i) => [name, new Int8Array([i + 1])]));
    const outputs = model.run(inputs);
    expect(names.map((name) => outputs[name])).toEqual([new Int8Array([1]), new Int8Array([2]), new Int8Array([3])]);
    expect(await thrown(() => model.run({ toString: new Int8Array(1) }))).toMatchObject({
      code: "missing-input",
      details: { input: "__proto__" },
    });
  });
});

describe("what does not fit is refused", () => {
  it.each<[string, (model: Awaited<ReturnType<typeof load>>) => unknown, object]>([
    [
      "a missing input",
      (model) => model.run({}),
      { name: "InputError", code: "missing-input", message: 'The input "x" is missing.', details: { input: "x" } },
    ],
    [
      "an unknown input",
      (model) => model.run({ x: new Int8Array(6), X: new Int8Array(6) }),
      {
        name: "InputError",
        code: "unknown-input",
        message: 'The model has no input "X"; it has "x".',
        details: { input: "X", known: ["x"] },
      },
    ],
    [
      "an unknown output",
      (model) => model.run({ x: new Int8Array(6) }, { outputs: { q: new Int8Array(6) } }),
      {
        name: "InputError",
        code: "unknown-output",
        message: 'The model has no output "q"; it has "y", "z".',
        details: { output: "q", known: ["y", "z"] },
      },
    ],
    [
      "another type",
      (model) => model.run({ x: new Int32Array(6) }),
      {
        name: "InputError",
        code: "wrong-dtype",
        message: 'The input "x" takes int8 or float32, got an array of int32.',
        details: { input: "x", expected: "int8 or float32", got: "int32" },
      },
    ],
    [
      "a plain list",
      (model) => model.run({ x: [1, 2, 3, 4, 5, 6] as unknown as Int8Array }),
      {
        name: "InputError",
        code: "wrong-dtype",
        message: 'The input "x" takes int8 or float32, got no typed array.',
        details: { input: "x", expected: "int8 or float32", got: undefined },
      },
    ],
    [
      "null",
      (model) => model.run({ x: null as unknown as Int8Array }),
      {
        name: "InputError",
        code: "wrong-dtype",
        message: 'The input "x" takes int8 or float32, got no typed array.',
        details: { input: "x", expected: "int8 or float32", got: undefined },
      },
    ],
    [
      "another length",
      (model) => model.run({ x: new Int8Array(7) }),
      {
        name: "InputError",
        code: "wrong-length",
        message: 'The input "x" of shape [1,6] takes 6 elements, got 7.',
        details: { input: "x", expected: 6, got: 7 },
      },
    ],
    [
      "another shape",
      (model) => model.run({ x: { dtype: "int8", shape: [6, 1], data: new Int8Array(6) } }),
      {
        name: "InputError",
        code: "wrong-shape",
        message: 'The input "x" has shape [1,6], got [6,1].',
        details: { input: "x", expected: [1, 6], got: [6, 1] },
      },
    ],
    [
      "a tensor whose type is not its data's",
      (model) => model.run({ x: { dtype: "int32", shape: [1, 6], data: new Int8Array(6) } }),
      {
        name: "InputError",
        code: "wrong-dtype",
        message: 'The input "x" takes int8 or float32, got a tensor of int32.',
        details: { input: "x", expected: "int8 or float32", got: "int32" },
      },
    ],
    [
      "an output array of another type",
      (model) => model.run({ x: new Int8Array(6) }, { outputs: { y: new Float32Array(6) } }),
      {
        name: "InputError",
        code: "wrong-dtype",
        message: 'The output "y" takes int8, got an array of float32.',
        details: { output: "y", expected: "int8", got: "float32" },
      },
    ],
    [
      "an image where there is no specification",
      (model) => model.preprocess({ data: new Uint8Array(3), width: 1, height: 1 }),
      {
        name: "InputError",
        code: "no-preprocess",
        message: "The file holds no preprocessing specification: compile the model with --preprocess.",
        details: {},
      },
    ],
    [
      "runAsync without a worker",
      (model) => model.runAsync(),
      {
        name: "RunError",
        code: "no-worker",
        message: "The model runs on this thread: load it with { worker: () => new Worker(…) } for runAsync, or call run.",
        details: {},
      },
    ],
  ])("%s", async (_name, call, error) => {
    using model = await load(smallFile());
    expect(await thrown(() => call(model))).toEqual(error);
  });

  it("a run after dispose", async () => {
    const model = await load(smallFile());
    model.dispose();
    model.dispose();
    expect(await thrown(() => model.run({ x: new Int8Array(6) }))).toEqual({
      name: "RunError",
      code: "disposed",
      message: "The model has been disposed of: load it again.",
      details: {},
    });
  });

  it("an index outside of its axis while running", async () => {
    const file = emitFile(
      program({
        inputs: [{ name: "i", dtype: "int64", shape: [2], address: 0 }],
        outputs: [{ name: "y", dtype: "int8", shape: [2], address: 128 }],
        steps: [
          step(Opcode.GATHER, Gather, { SRC: 64, DST: 128, INDICES: 0, INDEX_DTYPE: INT64, OUTER: 1, AXIS: 4, COUNT: 2, INNER_BYTES: 1 }),
        ],
      }),
      scanner,
    );
    using model = await load(file);
    expect(model.run({ i: new BigInt64Array([3n, -4n]) })).toEqual({ y: new Int8Array(2) });
    for (const bad of [4n, -5n, 2n ** 62n, 2n ** 32n, -(2n ** 63n)]) {
      expect(await thrown(() => model.run({ i: new BigInt64Array([0n, bad]) }))).toEqual({
        name: "RunError",
        code: "index-out-of-range",
        message: "An index that the model was given or computed lies outside its axis: check the inputs that hold indices.",
        details: {},
      });
    }
  });

  it("a constant index outside of its axis, when loading", () => {
    const gather = (indices: Int32Array) =>
      program({
        outputs: [{ name: "y", dtype: "int8", shape: [2], address: 64 }],
        constants: [constant(0, new Uint8Array(indices.buffer))],
        constantsBytes: 64,
        steps: [
          step(Opcode.GATHER, Gather, { SRC: 128, DST: 64, INDICES: 0, INDEX_DTYPE: INT32, OUTER: 1, AXIS: 4, COUNT: 2, INNER_BYTES: 1 }),
        ],
      });
    expect(() => emitFile(gather(new Int32Array([-4, 3])), scanner)).not.toThrow();
    expect(() => emitFile(gather(new Int32Array([0, 4])), scanner)).toThrow("Step 0 (GATHER): index 4 is outside the axis of 4.");
    expect(() => emitFile(gather(new Int32Array([-5, 0])), scanner)).toThrow("Step 0 (GATHER): index -5 is outside the axis of 4.");
  });
});

describe("memory", () => {
  it("is what the header states, whatever runs", async () => {
    const file = smallFile();
    using model = await load(file);
    const stated = new DataView(file.buffer).getUint32(20, true);
    expect(model.memoryBytes).toBe(stated);
    for (let i = 0; i < 100; i++) model.run({ x: new Int8Array(6) });
    expect(model.memoryBytes).toBe(stated);
  });

  it("stays flat over 1,000 cycles of load, run and dispose", async () => {
    const file = emitFile(
      program({ inputs: [], outputs: [{ name: "y", dtype: "int8", shape: [1], address: 0 }], arenaBytes: 4_000_000, steps: [] }),
      scanner,
    );
    const cycle = async () => {
      using model = await load(file);
      model.run({});
    };
    for (let i = 0; i < 100; i++) await cycle();
    const before = process.memoryUsage();
    for (let i = 0; i < 1000; i++) await cycle();
    const after = process.memoryUsage();
    // 1,000 memories of 4 MB would be 4 GB; what the collector has not come to yet is a small part of that.
    expect(after.external - before.external).toBeLessThan(1_000_000_000);
    expect(after.rss - before.rss).toBeLessThan(200_000_000);
  });

  it("takes packed constants through the arena and leaves no trace of them there", async () => {
    const weights = Uint8Array.from({ length: 100 }, (_, i) => i + 1);
    const file = emitFile(
      program({
        inputs: [],
        outputs: [{ name: "y", dtype: "uint8", shape: [128], address: 512 }],
        constants: [constant(0, weights, Packing.CHANNELS_32, 25)],
        constantsBytes: 512,
        arenaBytes: 128,
        steps: [],
      }),
      scanner,
    );
    using model = await load(file);
    expect(model.run({})).toEqual({ y: new Uint8Array(128) });
  });

  it("of a size that the machine refuses is a typed error", async () => {
    const saved = WebAssembly.Memory;
    const file = smallFile();
    await load(file);
    try {
      WebAssembly.Memory = class extends saved {
        constructor() {
          super({ initial: 0 });
          throw new RangeError("could not allocate memory");
        }
      } as typeof WebAssembly.Memory;
      expect(await thrown(() => load(file))).toEqual({
        name: "LoadError",
        code: "out-of-memory",
        message: "The model needs 65536 bytes of memory, which this machine does not give.",
        details: { bytes: 65536 },
      });
    } finally {
      WebAssembly.Memory = saved;
    }
  });
});

it("a step whose scratch lies over what it reads or writes is refused", () => {
  const build = (scratch: number) =>
    program({
      inputs: [],
      outputs: [{ name: "y", dtype: "float32", shape: [4], address: 0 }],
      steps: [
        step(Opcode.SOFTMAX, Softmax, {
          SRC: 0,
          DST: 64,
          DTYPE: FLOAT32,
          OUTER: 1,
          COUNT: 4,
          INNER: 1,
          OUT_DTYPE: FLOAT32,
          SCRATCH: scratch,
        }),
      ],
    });
  expect(() => emitFile(build(128), scanner)).not.toThrow();
  for (const scratch of [0, 12, 64, 79]) {
    expect(() => emitFile(build(scratch), scanner)).toThrow(
      `Step 0 (SOFTMAX): its scratch at ${scratch} lies over what it reads or writes.`,
    );
  }
});
