/** `warmup`: it runs the model for a while, and results stay what they are. */

import { expect, it } from "vitest";
import { compileGraph } from "../../compiler/run/graph-runner.ts";
import { chooseBuild } from "../../host/builds.ts";
import { load } from "../../host/index.ts";
import { Instance } from "../../host/instance.ts";
import { Model } from "../../host/model.ts";
import { instantiate } from "../../host/runtime.ts";
import { graphOf } from "../passes/evaluation.ts";
import { plainModule, smallFile } from "../support/small-model.ts";

const INPUT = { x: new Int8Array([1, -2, 3, 4, -5, 6]) };

it("runs the model at least once and at least as long as asked for, and changes no result", async () => {
  using model = await load(smallFile());
  const before = model.run(INPUT);
  const short = await model.warmup({ ms: 0 });
  expect(short.runs).toBe(1);
  const long = await model.warmup({ ms: 30 });
  expect(long.runs).toBeGreaterThan(1);
  expect(long.ms).toBeGreaterThanOrEqual(30);
  expect(model.run(INPUT)).toEqual(before);
});

it("refuses times that are none, and a model that is gone", async () => {
  const model = await load(smallFile());
  for (const ms of [-1, Number.NaN, 60_001]) {
    await expect(model.warmup({ ms })).rejects.toMatchObject({ code: "bad-option", details: { option: "ms", got: ms } });
  }
  const underWay = model.warmup({ ms: 1000 });
  setTimeout(() => model.dispose(), 20);
  await expect(underWay).rejects.toMatchObject({ code: "disposed" });
  await expect(model.warmup()).rejects.toMatchObject({ code: "disposed" });
});

it("takes the fused dot only in a build that has it", async () => {
  const { module } = await chooseBuild("plain");
  expect(instantiate(module, new WebAssembly.Memory({ initial: 1, maximum: 1 })).useFusedDot(1)).toBe(0);
  using model = await load(smallFile(), { build: "plain" });
  expect((await model.warmup({ ms: 0 })).fusedDot).toBe(false);
});

it("runs a model whose input holds indices, although its plan writes over them", async () => {
  const { program } = compileGraph(
    graphOf("input i int64[3]\n%y ? = Gather(<table float32[4,2]>, %i)\n%z ? = Exp(%y)\n%w ? = Add(%z, %y)\noutput %w\n"),
    { producer: "test", name: "test" },
  );
  const model = new Model(program, new Instance(program, plainModule), plainModule, { build: "plain", threads: 1 });
  const inputs = { i: BigInt64Array.of(1n, 3n, -4n) };
  const before = model.run(inputs);
  expect((await model.warmup({ ms: 2 })).runs).toBeGreaterThan(1);
  expect(model.run(inputs)).toEqual(before);
  model.dispose();
});
