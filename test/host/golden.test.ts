import { describe, expect, it } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Copy from "../../format/steps/copy.ts";
import * as Pack from "../../format/steps/pack.ts";
import * as Unary from "../../format/steps/unary.ts";
import { fillGolden, type Golden, rangeHolds, runGolden, verifyGolden } from "../../host/golden.ts";
import { openFile, openProgram } from "../../host/inspection.ts";
import type { Program } from "../../host/program.ts";
import { plainModule, program, scanner, smallProgram, step } from "../support/small-model.ts";
import { xxh64 } from "../support/xxh64.ts";

const hex = (bytes: ArrayLike<number>) => xxh64(Uint8Array.from(bytes)).toString(16).padStart(16, "0");

/** xorshift32 from its paper, for comparison. */
function* xorshift(seed: number): Generator<number> {
  let x = seed >>> 0;
  for (;;) {
    x = (x ^ (x << 13)) >>> 0;
    x = (x ^ (x >>> 17)) >>> 0;
    x = (x ^ (x << 5)) >>> 0;
    yield x / 2 ** 32;
  }
}

describe("golden inputs", () => {
  it("are drawn as specified, each input from a seed of its own", () => {
    const array = new Float32Array(5);
    fillGolden(array, 2, { low: -1, high: 3 });
    const draws = xorshift(0x9e3779b9 + 2);
    expect(array).toEqual(Float32Array.from({ length: 5 }, () => -1 + 4 * (draws.next().value as number)));
  });

  it("are integers from low to high, both included", () => {
    const int8 = new Int8Array(1000);
    fillGolden(int8, 0, { low: -2, high: 1 });
    expect([...new Set(int8)].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1]);
    const int64 = new BigInt64Array(1000);
    fillGolden(int64, 0, { low: 5, high: 6 });
    expect(new Set(int64)).toEqual(new Set([5n, 6n]));
  });

  it("come from ranges that their type holds", () => {
    expect(rangeHolds({ low: -128, high: 127 }, "int8")).toBe(true);
    expect(rangeHolds({ low: -129, high: 127 }, "int8")).toBe(false);
    expect(rangeHolds({ low: 0.5, high: 1 }, "int32")).toBe(false);
    expect(rangeHolds({ low: 0, high: 2 }, "bool")).toBe(false);
    expect(rangeHolds({ low: 1, high: 0 }, "float32")).toBe(false);
    expect(rangeHolds({ low: 0, high: 1e39 }, "float32")).toBe(false);
    expect(rangeHolds({ low: -(2 ** 60), high: 0 }, "int64")).toBe(false);
  });
});

describe("a golden vector", () => {
  it("is the hashes of inputs, of what each step wrote, and of outputs", () => {
    const model = openProgram(smallProgram(), plainModule);
    const { golden, constantOutputs, nanOutputs } = runGolden(model, [{ low: -100, high: 100 }], scanner);
    const x = new Int8Array(6);
    fillGolden(x, 0, { low: -100, high: 100 });
    const negated = x.map((value) => ~value);
    const turned = [0, 3, 1, 4, 2, 5].map((i) => negated[i]! & 255);
    const z = new Uint8Array(new Float32Array(7).fill(1.5).buffer);
    expect(golden).toEqual({
      generator: 1,
      ranges: [{ low: -100, high: 100 }],
      inputs: hex([...x].map((value) => value & 255)),
      outputs: hex([...turned, ...z]),
      steps: [hex([...negated].map((value) => value & 255)), hex(turned), hex(z)],
    } satisfies Golden);
    expect(constantOutputs).toEqual(["z"]);
    expect(nanOutputs).toEqual([]);
  });

  it("travels in the file and holds on this machine", () => {
    const program = smallProgram();
    const { golden } = runGolden(openProgram(program, plainModule), [{ low: -100, high: 100 }], scanner);
    const model = openFile(emitFile({ ...program, golden }, scanner), plainModule, scanner);
    expect(model.golden).toEqual(golden);
    expect(verifyGolden(model, model.golden!, scanner)).toEqual({ holds: true, inputsHold: true, outputsHold: true });
    const steps = [golden.steps[0]!, "0123456789abcdef", golden.steps[2]!];
    expect(verifyGolden(model, { ...golden, steps }, scanner)).toEqual({
      holds: false,
      inputsHold: true,
      outputsHold: true,
      firstWrongStep: 1,
    });
    expect(verifyGolden(model, { ...golden, outputs: "0123456789abcdef" }, scanner)).toEqual({
      holds: false,
      inputsHold: true,
      outputsHold: false,
    });
  });

  it("covers only the elements that a strided step writes, reversed ones in their order", () => {
    const reversed = program({
      inputs: [{ name: "x", dtype: "int8", shape: [4], address: 0 }],
      outputs: [{ name: "y", dtype: "int8", shape: [8], address: 64 }],
      steps: [
        step(Opcode.COPY, Copy, {
          ...{ SRC: 0, DST: 70, ELEMENT_BYTES: 1, DIM0: 1, DIM1: 1, DIM2: 1, DIM3: 1, DIM4: 1, DIM5: 4 },
          ...{ SRC_STRIDE5: 1, DST_STRIDE5: -2 },
        }),
      ],
    });
    const model = openProgram(reversed, plainModule);
    model.write(64, new Uint8Array(8).fill(99));
    const { golden } = runGolden(model, [{ low: -100, high: 100 }], scanner);
    expect(golden.steps[0]).toBe(golden.inputs);
    const [a, b, c, d] = model.inputs.get("x") as Int8Array;
    expect(model.outputs.get("y")).toEqual(new Int8Array([d!, 99, c!, 99, b!, 99, a!, 99]));
  });

  it("leaves out PACK, whose result is each build's own, and names outputs that hold a NaN", () => {
    const packing = program({
      inputs: [{ name: "x", dtype: "float32", shape: [8], address: 0 }],
      outputs: [{ name: "y", dtype: "float32", shape: [8], address: 512 }],
      steps: [
        step(Opcode.PACK, Pack, { SRC: 0, DST: 64, PACKING: Packing.CHANNELS_32, SRC_BYTES: 32, P0: 8 }),
        step(Opcode.UNARY, Unary, { SRC: 0, DST: 512, OP: Unary.SQRT, COUNT: 8 }),
      ],
    });
    const run = runGolden(openProgram(packing, plainModule), [{ low: -1, high: 1 }], scanner);
    expect(run.golden.steps[0]).toBe("");
    expect(run.nanOutputs).toEqual(["y"]);
  });

  it.each<[Partial<Golden>, string]>([
    [{ ranges: [] }, "The golden vector is of 0 inputs and 3 steps, the model of 1 and 3."],
    [{ steps: [] }, "The golden vector is of 1 inputs and 0 steps, the model of 1 and 3."],
    [{ ranges: [{ low: -200, high: 0 }] }, 'The golden range of the input "x" does not go with int8.'],
  ])("that does not go with the model is refused: %j", (change, message) => {
    const base = smallProgram();
    const { golden } = runGolden(openProgram(base, plainModule), [{ low: -100, high: 100 }], scanner);
    const wrong: Program = { ...base, golden: { ...golden, ...change } };
    expect(() => emitFile(wrong, scanner)).toThrow(message);
  });
});

describe("an inspectable model", () => {
  it("runs ranges of steps and shows what lies between", () => {
    const model = openProgram(smallProgram(), plainModule);
    model.inputs.get("x")!.set(new Int8Array([1, 2, 3, 4, 5, 6]) as never);
    model.runSteps(0, 1);
    expect(new Int8Array(model.read(320, 6).buffer)).toEqual(new Int8Array([-2, -3, -4, -5, -6, -7]));
    expect(model.outputs.get("y")).toEqual(new Int8Array(6));
    model.write(320, new Uint8Array([9]));
    model.runSteps(1, 3);
    expect(model.outputs.get("y")).toEqual(new Int8Array([9, -5, -3, -6, -4, -7]));
    expect(model.outputs.get("z")).toEqual(new Float32Array(7).fill(1.5));
    model.dispose();
    expect(() => model.runSteps()).toThrow("The model has been disposed of: load it again.");
  });

  it("keeps reads in the data and writes in the arena", () => {
    const model = openProgram(smallProgram(), plainModule);
    expect(model.read(0, 512)).toHaveLength(512);
    expect(() => model.read(1, 512)).toThrow(new RangeError("512 bytes at 1 are not within 0 to 512"));
    expect(() => model.read(-1, 1)).toThrow(RangeError);
    expect(() => model.write(255, new Uint8Array(1))).toThrow(new RangeError("1 bytes at 255 are not within 256 to 512"));
  });

  it("is verified like a file", () => {
    const { metadata, constants, plan } = smallProgram();
    expect(() => openProgram({ metadata, constants, plan: { ...plan, arenaBytes: 128 } }, plainModule)).toThrow(
      "it writes 6 bytes at 384, the arena is 256 to 384",
    );
  });
});
