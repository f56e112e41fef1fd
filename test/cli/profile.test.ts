/** `eqm bench --profile`: what a step has to do, and what the command prints and writes about it. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { median } from "../../compiler/cli/profile/median.ts";
import type { PeakName } from "../../compiler/cli/profile/peak.ts";
import type { Profile } from "../../compiler/cli/profile/profile.ts";
import { chromeTrace } from "../../compiler/cli/profile/trace.ts";
import { workOf } from "../../compiler/cli/profile/work.ts";
import * as Opcode from "../../format/opcodes.ts";
import { OPCODE } from "../../format/plan.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import * as MatmulI8 from "../../format/steps/matmul-i8.ts";
import * as Pool from "../../format/steps/pool.ts";
import { allLayouts } from "../../host/layouts.ts";
import { classifier, createScratch, type Scratch } from "./scratch.ts";

/** Words of a step: 1 wherever `fields` says nothing. */
function words(opcode: number, layout: { readonly WORDS: number } & Readonly<Record<string, unknown>>, fields: object): Int32Array {
  const step = new Int32Array(layout.WORDS).fill(1);
  step[OPCODE] = opcode;
  for (const [name, value] of Object.entries(fields)) step[layout[name] as number] = value as number;
  return step;
}

describe("the work of a step", () => {
  const conv = (fields: object): Int32Array => words(Opcode.CONV_I8, ConvI8, fields);

  it("is that of every output for a dense convolution", () => {
    const step = conv({ IN_H: 14, IN_W: 14, IN_C: 96, OUT_H: 14, OUT_W: 14, OUT_C: 576 });
    expect(workOf(step, "plain")).toEqual({ shape: "1×1 96→576 @14×14", macs: 14 * 14 * 96 * 576, peak: "int8" });
  });

  it("is that of the blocks which are left of sparse weights", () => {
    const step = conv({ IN_H: 14, IN_W: 14, IN_C: 96, OUT_H: 14, OUT_W: 14, OUT_C: 576, PAIR_SAFE: ConvI8.BLOCKS_OF_2 });
    const denseMacs = 14 * 14 * 96 * 576;
    const shape = "1×1 96→576 @14×14, 8×2, 25 %";
    const blocks = { outputs: 8, columns: 2, computed: 0.25 } as const;
    expect(workOf(step, "plain", false, blocks)).toEqual({ shape, macs: denseMacs / 4, denseMacs, peak: "int8" });
    expect(workOf(step, "relaxed", false, blocks).peak).toBe("int8 pairs");
  });

  it("is held against the pair dot where the build and the weights have it", () => {
    const step = conv({ IN_C: 96, OUT_C: 576, PAIR_SAFE: 1 });
    expect(workOf(step, "relaxed").peak).toBe("int8 pairs");
    expect(workOf(step, "plain").peak).toBe("int8");
    expect(workOf(conv({ IN_C: 96, OUT_C: 576, PAIR_SAFE: ConvI8.RUN_SAFE }), "relaxed").peak).toBe("int8 runs");
    expect(workOf(conv({ IN_C: 96, OUT_C: 576, PAIR_SAFE: 0 }), "relaxed").peak).toBe("int8");
  });

  it("names strides, dilations, groups and batches where they are not 1", () => {
    const step = conv({
      ...{ BATCH: 3, IN_H: 9, IN_W: 9, IN_C: 8, OUT_H: 4, OUT_W: 5, OUT_C: 12 },
      ...{ KERNEL_H: 3, KERNEL_W: 5, STRIDE_H: 2, STRIDE_W: 1, DILATION_H: 2, DILATION_W: 2, GROUPS: 4 },
    });
    expect(workOf(step, "plain")).toEqual({ shape: "3×5 s2×1 d2 8→12 groups 4 @4×5 ×3", macs: 3 * 4 * 5 * 15 * 12 * 2, peak: "int8" });
  });

  it("is linear for rows of a fully connected layer", () => {
    expect(workOf(conv({ IN_C: 1280, OUT_C: 1001 }), "plain")).toEqual({ shape: "linear 1280→1001", macs: 1280 * 1001, peak: "int8" });
    expect(workOf(conv({ IN_W: 128, OUT_W: 128, IN_C: 384, OUT_C: 1536 }), "plain").shape).toBe("linear 384→1536 ×128");
  });

  it("counts one channel for an output of a depthwise convolution", () => {
    const fields = { IN_H: 56, IN_W: 56, CHANNELS: 96, OUT_H: 28, OUT_W: 28, KERNEL_H: 3, KERNEL_W: 3, STRIDE_H: 2, STRIDE_W: 2 };
    const step = words(Opcode.DEPTHWISE_F32, DepthwiseF32, fields);
    expect(workOf(step, "plain")).toEqual({ shape: "depthwise 3×3 s2 96 @28×28", macs: 28 * 28 * 96 * 9, peak: "float32" });
  });

  it("counts every product of a batch", () => {
    const step = words(Opcode.MATMUL_I8, MatmulI8, { BATCH_INNER: 12, M: 128, K: 32, N: 64 });
    expect(workOf(step, "plain")).toEqual({ shape: "12 of 128×32 · 32×64", macs: 12 * 128 * 32 * 64, peak: "int8" });
  });

  it("has no products where values are only compared or moved", () => {
    const pool = { KIND: Pool.MAXIMUM, CHANNELS: 16, OUT_H: 7, OUT_W: 7, KERNEL_H: 2, KERNEL_W: 2, STRIDE_H: 2, STRIDE_W: 2 };
    expect(workOf(words(Opcode.POOL, Pool, pool), "plain")).toEqual({ shape: "max 2×2 s2 16 @7×7", macs: 0 });
    for (const [opcode, { words: length }] of allLayouts())
      expect(workOf(new Int32Array(length).fill(1).fill(opcode, OPCODE, OPCODE + 1), "plain").shape).not.toBe("");
  });

  it("is counted for every step that multiplies", () => {
    const silent = [...allLayouts()]
      .filter(([, { name }]) => /CONV|DEPTHWISE|MATMUL|GEMM|LINEAR|ATTENTION/.test(name))
      .filter(([opcode, { words: length }]) => {
        const { macs, peak } = workOf(new Int32Array(length).fill(1).fill(opcode, OPCODE, OPCODE + 1), "plain");
        return macs === 0 || peak === undefined;
      });
    expect(silent.map(([, { name }]) => name)).toEqual([]);
  });
});

describe("the statistics and the trace", () => {
  it("takes the mean of the two middle values where there is no middle one", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it("writes complete events in microseconds, the steps within the run", () => {
    const step = { step: 0, kernel: "CONV_I8", op: "Conv", nodes: ["a", "b"], shape: "1×1 2→3 @4×4", ms: 0.5, share: 1, macs: 96 };
    const profile: Profile = {
      ...{ steps: [step], kernels: [], build: "plain", peaks: { int8: 40, float32: 15 }, stepsMs: 0.5, macs: 96, rounds: 1 },
      timeline: { ms: 0.7, steps: [{ startMs: 0.1, ms: 0.55 }] },
    };
    expect(JSON.parse(chromeTrace(profile, "m.eqm"))).toEqual([
      { name: "m.eqm", cat: "run", ph: "X", ts: 0, dur: 700, pid: 1, tid: 1, args: { peakGmacPerS: { int8: 40, float32: 15 } } },
      {
        ...{ name: "a, b", cat: "CONV_I8", ph: "X", ts: 100, dur: 550, pid: 1, tid: 1 },
        args: { step: 0, op: "Conv", nodes: ["a", "b"], shape: "1×1 2→3 @4×4", macs: 96 },
      },
    ]);
  });
});

describe("the command", () => {
  let scratch: Scratch;

  beforeAll(() => {
    scratch = createScratch();
    scratch.write("m.onnx", classifier());
    expect(scratch.eqm("compile", "m.onnx", "-o", "m.eqm").status).toBe(0);
  });
  afterAll(() => scratch.remove());

  it("states time, MACs, rate and the fraction of the peak of every step as JSON", () => {
    const profile = scratch.json("bench", "m.eqm", "--profile", "--top", "1") as unknown as Profile;
    const { macs } = scratch.json("inspect", "m.onnx");
    expect(profile.macs).toBe(macs);
    expect(profile).not.toHaveProperty("timeline");
    expect(profile.rounds).toBeGreaterThanOrEqual(30);
    expect(profile.peaks.int8).toBeGreaterThan(0);
    expect(profile.peaks.float32).toBeGreaterThan(0);
    expect(profile.steps.map(({ step }) => step)).toEqual(profile.steps.map((_, step) => step));
    expect(profile.steps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(profile.kernels.reduce((sum, { steps }) => sum + steps, 0)).toBe(profile.steps.length);
    const multiplying = profile.steps.filter(({ macs, ms }) => macs > 0 && ms > 0);
    expect(multiplying.length).toBeGreaterThan(0);
    for (const { peak, ms, macs, gmacPerS, ofPeak } of multiplying) {
      expect(gmacPerS).toBeCloseTo(macs / ms / 1e6, 9);
      expect(ofPeak).toBeCloseTo((gmacPerS as number) / (profile.peaks[peak as PeakName] as number), 9);
    }
  });

  it("prints the steps in the plan's order, and the slowest alone with --top", () => {
    const numbers = (stdout: string): readonly number[] => [...stdout.matchAll(/^ *(\d+) {2}[A-Z]/gm)].map(([, step]) => Number(step));
    const { stdout } = scratch.eqm("bench", "m.eqm", "--profile");
    expect(numbers(stdout)).toEqual(numbers(stdout).map((_, step) => step));
    expect(stdout).toMatch(/^step {2}kernel +shape +time +share +MACs +GMAC\/s +of peak +op +nodes$/m);
    expect(stdout).toMatch(/^kernel +steps +time +share +MACs +GMAC\/s +of peak$/m);
    expect(stdout).toMatch(/^int8 peak +\d+\.\d GMAC\/s /m);
    expect(numbers(scratch.eqm("bench", "m.eqm", "--profile", "--top", "2").stdout)).toHaveLength(2);
  });

  it("writes a trace, and replaces one only with --force", () => {
    expect(scratch.eqm("bench", "m.eqm", "--profile", "--trace", "t.json").status).toBe(0);
    const [run, ...steps] = JSON.parse(readFileSync(scratch.path("t.json"), "utf8")) as { ts: number; dur: number; ph: string }[];
    expect(steps.length).toBeGreaterThan(0);
    let end = 0;
    for (const { ts, dur, ph } of steps) {
      expect(ph).toBe("X");
      expect(ts).toBeGreaterThanOrEqual(end - 0.002);
      end = ts + dur;
    }
    expect(end).toBeLessThanOrEqual((run as { dur: number }).dur + 0.002);
    const { status, stderr } = scratch.eqm("bench", "m.eqm", "--profile", "--trace", "t.json");
    expect({ status, stderr }).toEqual({ status: 2, stderr: "eqm: t.json: it exists already. Pass --force to replace it.\n" });
    expect(scratch.eqm("bench", "m.eqm", "--profile", "--trace", "t.json", "--force").status).toBe(0);
  });

  it.each([
    [["--top", "3"], "--top: it belongs to --profile; pass that too."],
    [["--trace", "t2.json"], "--trace: it belongs to --profile; pass that too."],
    [["--profile", "--top", "0"], "--top 0: it must be a whole number of at least 1."],
    [["--profile", "--trace", "missing/t.json"], "missing/t.json: the folder missing does not exist."],
    [["--profile", "--trace", "m.eqm", "--force"], "m.eqm: the output would replace an input; give it another name."],
  ])("refuses %j", (args, message) => {
    const { status, stdout, stderr } = scratch.eqm("bench", "m.eqm", ...args);
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: "", stderr: `eqm: ${message}\n` });
  });
});
