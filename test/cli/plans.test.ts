/** The built command line with a model of several plans. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { encodeNpy } from "../../compiler/cli/data/npy.ts";
import { classifier, createRandom, createScratch, type Scratch, samples } from "./scratch.ts";

let scratch: Scratch;

beforeAll(() => {
  scratch = createScratch();
  scratch.write("m.onnx", classifier());
  scratch.write("x.npy", samples(12));
  scratch.write(
    "labels.npy",
    encodeNpy(
      "i4",
      [12],
      Int32Array.from({ length: 12 }, (_, i) => i % 4),
    ),
  );
  const random = createRandom(3);
  scratch.write(
    "three.npy",
    encodeNpy(
      "f4",
      [3, 3, 8, 8],
      Float32Array.from({ length: 576 }, () => random() * 2 - 1),
    ),
  );
  scratch.write("five.npy", encodeNpy("f4", [5, 3, 8, 8], new Float32Array(960)));
  scratch.json("compile", "m.onnx", "-o", "m.eqm", "--shape", "N=1,4", "--calibrate", "x.npy");
});

afterAll(() => scratch.remove());

it("compiles a plan for each size, which inspect shows", () => {
  const plan = (size: number) => ({
    sizes: { N: size },
    batch: size,
    inputs: [{ name: "image", dtype: "float32", shape: [size, 3, 8, 8] }],
    outputs: [{ name: "scores", dtype: "float32", shape: [size, 4] }],
  });
  expect(scratch.json("inspect", "m.eqm")).toMatchObject({ plans: [plan(1), plan(4)], golden: true, entries: ["eqm", "eqm/core"] });
  const { stdout } = scratch.eqm("inspect", "m.eqm");
  expect(stdout).toMatch(/N=4 +up to 4 +image 4×3×8×8 +scores 4×4/);
});

it("verifies every plan", () => {
  expect(scratch.json("verify", "m.eqm")).toMatchObject({ ok: true, golden: { holds: true } });
  expect(scratch.eqm("verify", "m.eqm").stdout).toMatch(/all \d+ steps and 2 outputs hold/);
});

it("runs the plan that the data fit, and fills up a batch", () => {
  const shapeOf = (...args: readonly string[]) =>
    (scratch.json("run", "m.eqm", ...args)["outputs"] as { readonly shape: unknown }[])[0]!.shape;
  expect(shapeOf("--input", "three.npy")).toEqual([3, 4]);
  const { status, stderr } = scratch.eqm("run", "m.eqm", "--input", "five.npy");
  expect(status).toBe(1);
  expect(stderr).toContain("the first sample fits none of the model's plans: N=1 (image [1,3,8,8]); N=4 (image [4,3,8,8]).");
});

it("evaluates and compares in the plan of --shape, with the same results", () => {
  const [one, four] = ["N=1", "N=4"].map((shape) =>
    scratch.json("eval", "m.eqm", "--data", "x.npy", "--labels", "labels.npy", "--shape", shape),
  );
  expect(four).toMatchObject({ value: one!["value"], samples: 12 });
  const [first, second] = ["N=1", "N=4"].map((shape) => scratch.json("compare", "m.onnx", "m.eqm", "--data", "x.npy", "--shape", shape));
  expect(second).toEqual(first);
  expect(scratch.json("compare", "m.onnx", "m.eqm", "--data", "x.npy")).toEqual(first);
  const { status, stderr } = scratch.eqm("eval", "m.eqm", "--data", "x.npy", "--labels", "labels.npy", "--shape", "N=2");
  expect(status).toBe(2);
  expect(stderr).toContain("--shape N=2: the model has no such plan; it has N=1 (image [1,3,8,8]); N=4 (image [4,3,8,8]).");
});

it("measures every plan, or one", () => {
  const all = scratch.json("bench", "m.eqm");
  expect((all["plans"] as { readonly sizes: unknown }[]).map(({ sizes }) => sizes)).toEqual([{ N: 1 }, { N: 4 }]);
  const one = scratch.json("bench", "m.eqm", "--shape", "N=4", "--profile");
  expect(one["plans"]).toMatchObject([{ sizes: { N: 4 }, warmMs: one["warmMs"] }]);
});
