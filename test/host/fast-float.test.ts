/**
 * The option `fastFloat`: near the exact results where the build has it, the exact ones where it has not, and never anybody's who did not ask.
 * test/hosts/relaxed.test.ts runs this file once more on an engine that has it.
 */
import { expect, it } from "vitest";
import { compileGraph } from "../../compiler/run/graph-runner.ts";
import { chooseBuild } from "../../host/builds.ts";
import { openProgram } from "../../host/inspection.ts";
import { Instance } from "../../host/instance.ts";
import { Model } from "../../host/model.ts";
import { graphOf } from "../passes/evaluation.ts";
import { bitsOf, randomFloats } from "../support/floats.ts";
import { plainModule } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";

const { name: build, module } = await chooseBuild();
const { program } = compileGraph(
  graphOf(`input x float32[1,8,13,13]
%a ? = Conv(%x, <w float32[12,8,3,3]>, <b float32[12]>) pads=[1,1,1,1]
%d ? = Conv(%a, <v float32[12,1,3,3]>) group=12 pads=[1,1,1,1]
%e ? = Conv(%d, <u float32[12,1,5,5]>) group=12 strides=[2,2]
%r ? = Reshape(%e, {12,25}int64[2])
%t ? = Transpose(%r) perm=[1,0]
%m ? = MatMul(%r, %t)
%y ? = Gemm(%m, <g float32[12,43]>)
%s ? = Reshape(%y, {1,516}int64[2])
%z ? = Gemm(%s, <h float32[516,5]>)
output %y, %z
`),
  { producer: "test", name: "test" },
);
const x = randomFloats(randomSource(11), 8 * 13 * 13);

function outputs(on: WebAssembly.Module, fastFloat: boolean): { readonly values: Float32Array; readonly features: Model["features"] } {
  const model = new Model(program, new Instance(program, on), on, { build, threads: 1 }, fastFloat);
  const { y, z } = model.run({ x });
  const { features } = model;
  model.dispose();
  return { values: Float32Array.of(...(y as Float32Array), ...(z as Float32Array)), features };
}

it("is off unless asked for, and then says nothing", () => {
  const { values, features } = outputs(module, false);
  expect(features).toEqual({ build, threads: 1 });
  expect(bitsOf(values)).toEqual(bitsOf(outputs(plainModule, false).values));
});

it("says whether it is at work, and is the exact arithmetic where it is not", () => {
  expect(outputs(module, true).features).toEqual({ build, threads: 1, fastFloat: build === "relaxed" });
  const plain = outputs(plainModule, true);
  expect(plain.features.fastFloat).toBe(false);
  expect(bitsOf(plain.values)).toEqual(bitsOf(outputs(plainModule, false).values));
});

it("stays near the exact results, and leaves models beside it alone", () => {
  const exact = new Model(program, new Instance(program, module), module, { build, threads: 1 });
  const fast = outputs(module, true).values;
  const { y, z } = exact.run({ x });
  const reference = Float32Array.of(...(y as Float32Array), ...(z as Float32Array));
  exact.dispose();
  expect(bitsOf(reference)).toEqual(bitsOf(outputs(plainModule, false).values));
  const largest = Math.max(...reference.map(Math.abs));
  // Five products of at most 516 terms after one another, each off by some units of 2⁻²⁴.
  fast.forEach((value, i) => expect(Math.abs(value - reference[i]!)).toBeLessThanOrEqual(1e-5 * largest));
});

it("is the same through steps one by one", () => {
  const model = openProgram(program, module, true);
  (model.inputs.get("x") as Float32Array).set(x);
  model.runSteps(0, model.plan.steps.length);
  const values = Float32Array.of(...(model.outputs.get("y") as Float32Array), ...(model.outputs.get("z") as Float32Array));
  model.dispose();
  expect(bitsOf(values)).toEqual(bitsOf(outputs(module, true).values));
});
