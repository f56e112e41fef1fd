import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { actualShape, load } from "../../host/index.ts";
import type { Tensor, TypedArray } from "../../host/tensor.ts";
import { apply, randomNumbers } from "../ops/operation.ts";
import { floatTensor, int, int64Tensor, type ModelSpec, model, node, value } from "../support/onnx-model.ts";

async function run(spec: ModelSpec, inputs: Readonly<Record<string, TypedArray>>, into?: TypedArray): Promise<Tensor> {
  const { bytes } = await compile(model(spec), { precision: "float32" });
  const loaded = await load(bytes);
  try {
    const [output] = loaded.outputs;
    const data = loaded.run(inputs, into && { outputs: { [output!.name]: into } })[output!.name]!;
    return { dtype: output!.dtype, shape: actualShape(output!, data), data };
  } finally {
    loaded.dispose();
  }
}

const plain = ({ shape, data }: Tensor) => ({ shape, data: [...data].map(Number) });

describe("NonZero", () => {
  it.each([[[1]], [[17]], [[3, 5]], [[2, 3, 2, 2]]])("gives as many places as there are, for shape %j", async (shape) => {
    const random = randomNumbers(shape.length);
    for (const density of [0, 0.3, 1]) {
      const count = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: count }, () => (random() < density ? random() - 0.5 : random() < 0.5 ? 0 : -0));
      const x: Tensor = { dtype: "float32", shape, data };
      expect(plain(await run({ nodes: [node("NonZero", ["x"], ["y"])], inputs: [value("x", shape)] }, { x: data }))).toEqual(
        plain(apply("NonZero", [x])[0]!),
      );
    }
  });

  it("fills the front of an array that the caller brings", async () => {
    const into = new BigInt64Array(8).fill(7n);
    const y = await run({ nodes: [node("NonZero", ["x"], ["y"])], inputs: [value("x", [2, 2])] }, { x: Float32Array.of(0, 1, 0, 2) }, into);
    expect(plain(y)).toEqual({ shape: [2, 2], data: [0, 1, 1, 1] });
    expect([...into].map(Number)).toEqual([0, 1, 1, 1, 7, 7, 7, 7]);
  });

  it("says that nothing can be computed from it, with the nodes' names", async () => {
    const nodes = [node("NonZero", ["x"], ["a"], {}, { name: "places" }), node("Cast", ["a"], ["y"], { to: int(1) }, { name: "real" })];
    await expect(run({ nodes, inputs: [value("x", [2])] }, {})).rejects.toThrow(
      'Cast "real": how many entries its input has is known only when running (NonZero "places"); end the model there',
    );
  });
});

describe("NonMaxSuppression", () => {
  it.each([0, 1])("chooses the boxes that the reference chooses (center_point_box %i), for random ones", async (centred) => {
    const random = randomNumbers(41 + centred);
    for (let round = 0; round < 10; round++) {
      const [batch, classes, count] = [1 + (round % 2), 1 + (round % 3), 1 + round * 3];
      // Corners and sizes of few kinds, so that boxes meet, touch and are equal; scores of few kinds, so that some are.
      const boxes = Float32Array.from({ length: batch * count * 4 }, (_, i) => Math.floor(random() * 6) + (centred && i % 4 > 1 ? 1 : 0));
      const scores = Float32Array.from({ length: batch * classes * count }, () => Math.floor(random() * 8) / 8);
      const [limit, iou, bound] = [1 + Math.floor(random() * 5), Math.floor(random() * 4) / 4, random() < 0.5 ? 0.25 : 0];
      const operands: Tensor[] = [
        { dtype: "float32", shape: [batch, count, 4], data: boxes },
        { dtype: "float32", shape: [batch, classes, count], data: scores },
        { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(limit)) },
        { dtype: "float32", shape: [], data: Float32Array.of(iou) },
        { dtype: "float32", shape: [], data: Float32Array.of(bound) },
      ];
      const spec: ModelSpec = {
        nodes: [node("NonMaxSuppression", ["b", "s", "limit", "iou", "bound"], ["y"], { center_point_box: int(centred) })],
        inputs: [value("b", [batch, count, 4]), value("s", [batch, classes, count])],
        initializers: [int64Tensor("limit", [], [limit]), floatTensor("iou", [], [iou]), floatTensor("bound", [], [bound])],
      };
      const expected = apply("NonMaxSuppression", operands, { center_point_box: centred })[0]!;
      expect(plain(await run(spec, { b: boxes, s: scores }))).toEqual(plain(expected));
    }
  });
});
