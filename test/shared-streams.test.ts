/** Shared models that carry states, over sequences, beside onnxruntime with the states carried by hand. Skipped where ../shared is absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../compiler/index.ts";
import { load, type Tensor } from "../host/index.ts";
import { createRandom } from "./cli/scratch.ts";
import { hasOnnxruntime, runOnnxruntime } from "./quantized/onnxruntime.ts";

const assets = process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../shared");
const isPresent = existsSync(join(assets, "models/MANIFEST.json"));
if (!isPresent) console.log(`skipped: the shared models are not at ${assets} (EQM_ASSETS)`);

const FRAMES = 8;

interface Streamed {
  readonly name: string;
  readonly input: string;
  readonly shape: readonly number[];
  readonly stateShape: readonly number[];
  readonly output: string;
  readonly link: readonly [output: string, input: string];
  /** Whether the names alone say what is carried. */
  readonly detected: boolean;
  /** The values of an input, in [0, 1) times this. */
  readonly scale: number;
}

const MODELS: readonly Streamed[] = [
  {
    ...{ name: "silero_vad_16k", input: "input", shape: [1, 576], stateShape: [2, 1, 128], output: "output" },
    ...{ link: ["stateN", "state"] as const, detected: true, scale: 0.2 },
  },
  {
    ...{ name: "dtln_1", input: "input_2", shape: [1, 1, 257], stateShape: [1, 2, 128, 2], output: "activation_2" },
    ...{ link: ["tf_op_layer_stack_2", "input_3"] as const, detected: false, scale: 4 },
  },
  {
    ...{ name: "dtln_2", input: "input_4", shape: [1, 1, 512], stateShape: [1, 2, 128, 2], output: "conv1d_3" },
    ...{ link: ["tf_op_layer_stack_5", "input_5"] as const, detected: false, scale: 0.2 },
  },
];

describe.skipIf(!isPresent)("a shared model with states", () => {
  test.skipIf(!hasOnnxruntime).each(MODELS)(
    "$name in a stream gives what onnxruntime gives with the state carried by hand",
    { timeout: 120_000 },
    async ({ name, input, shape, stateShape, output, link: [from, to], detected, scale }) => {
      const onnx = readFileSync(join(assets, "models", `${name}.onnx`));
      const found = await compile(onnx, { precision: "float32" });
      expect(found.report.states).toEqual(detected ? [{ input: to, output: from, detected: true }] : []);
      const { bytes } = detected ? found : await compile(onnx, { precision: "float32", state: { [from]: to } });
      using model = await load(bytes);
      const stream = model.stream();
      const random = createRandom(17);
      const size = shape.reduce((product, length) => product * length, 1);
      let state: Tensor = tensor(stateShape, new Float32Array(stateShape.reduce((product, length) => product * length, 1)));
      for (let frame = 0; frame < FRAMES; frame++) {
        const x = tensor(
          shape,
          Float32Array.from({ length: size }, () => random() * scale),
        );
        const expected = await runOnnxruntime(onnx, { [input]: x, [to]: state });
        const got = stream.run({ [input]: x.data });
        expect(Object.keys(got)).toEqual([output]);
        // The states differ by roundings, which the recurrence carries on.
        expect(furthest(got[output] as Float32Array, expected[output]!)).toBeLessThan(1e-3);
        expect(furthest(stream.states[to] as Float32Array, expected[from]!)).toBeLessThan(1e-3);
        state = tensor(stateShape, Float32Array.from(expected[from]!));
      }
    },
  );
});

describe.skipIf(!isPresent)("a character model in one file for several lengths and batches", () => {
  test("gives the same bits token by token in a stream, as a sequence, and within a batch that is filled up", {
    timeout: 60_000,
  }, async () => {
    const onnx = readFileSync(join(assets, "models/charrnn_bronte.onnx"));
    const { bytes, report } = await compile(onnx, { precision: "float32", shapes: { T: [1, 5], N: [1, 4] } });
    expect(report.states.map(({ input, output }) => `${output} ${input}`)).toEqual(["h0_out h0", "c0_out c0", "h1_out h1", "c1_out c1"]);
    using model = await load(bytes);
    const tokens = (members: number): BigInt64Array => BigInt64Array.from({ length: 5 * members }, (_, i) => BigInt((i * 7) % 108));
    const zeros = (members: number): Record<string, Tensor> =>
      Object.fromEntries(["h0", "c0", "h1", "c1"].map((name) => [name, tensor([1, members, 128], new Float32Array(members * 128))]));
    const three = tokens(3);
    const batch = model.run({ tokens: { dtype: "int64", shape: [5, 3], data: three }, ...zeros(3) })["logits"] as Float32Array;
    for (let member = 0; member < 3; member++) {
      const own = three.filter((_, i) => i % 3 === member);
      const sequence = model.run({ tokens: { dtype: "int64", shape: [5, 1], data: own }, ...zeros(1) })["logits"] as Float32Array;
      const stream = model.stream();
      for (let t = 0; t < 5; t++) {
        const expected = [...sequence.subarray(t * 108, (t + 1) * 108)];
        expect([...batch.subarray((t * 3 + member) * 108, (t * 3 + member + 1) * 108)]).toEqual(expected);
        expect([...(stream.run({ tokens: own.slice(t, t + 1) })["logits"] as Float32Array)]).toEqual(expected);
      }
    }
  });

  test("in int8 takes the quantization over to shorter sequences, and says which layer is not there for longer ones", {
    timeout: 60_000,
  }, async () => {
    const onnx = readFileSync(join(assets, "models/charrnn_bronte.onnx"));
    const options = { precision: "int8", rounding: "nearest", biasCorrection: false, minSqnrDb: -100 } as const;
    const { report } = await compile(onnx, { ...options, shapes: { T: [3, 1] } });
    expect(report.plans.map(({ sizes }) => sizes)).toEqual([{ T: 3 }, { T: 1 }]);
    await expect(compile(onnx, { ...options, shapes: { T: [1, 3] } })).rejects.toMatchObject({
      code: "structure-differs",
      message: expect.stringMatching(
        /^The plans of T=1 and T=3 differ at \w+ "lstm\w*": it is not there\. Give the larger sizes first, /,
      ) as string,
    });
  });
});

function tensor(shape: readonly number[], data: Float32Array): Tensor {
  return { dtype: "float32", shape, data };
}

function furthest(a: Float32Array, b: readonly number[]): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}
