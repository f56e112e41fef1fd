/** Transformer encoders as exporters write them (bench/encoder.mjs): every form becomes the same few steps, and computes what its operators say. */
import { expect, it } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { inferShapes } from "../../compiler/passes/infer-shapes.ts";
import { importGraph } from "../../compiler/pipeline.ts";
import { insertQuantization } from "../../compiler/quantize/insert.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import * as Opcode from "../../format/opcodes.ts";
import type { Tensor } from "../../host/tensor.ts";
import { evaluateGraph } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";

/** Of plain JavaScript, which has no types. */
const { encoderModel } = (await import(new URL("../../bench/encoder.mjs", import.meta.url).href)) as {
  encoderModel: (sizes: Readonly<Record<string, number | boolean>>) => Uint8Array;
};

const SIZES = { layers: 2, width: 40, heads: 4, sequence: 11, hidden: 72, vocabulary: 50 };

function inputs(mask: boolean): Record<string, Tensor> {
  const random = randomSource(3);
  const shape = [1, SIZES.sequence];
  const integers = (make: (i: number) => number): Tensor => ({
    dtype: "int64",
    shape,
    data: BigInt64Array.from({ length: SIZES.sequence }, (_, i) => BigInt(make(i))),
  });
  return { ids: integers(() => random() % SIZES.vocabulary), ...(mask && { mask: integers((i) => Number(i < 8)) }) };
}

/** The steps' kernels with their numbers, and the output. */
function run(graph: Graph, feeds: Record<string, Tensor>): { readonly kernels: Record<string, number>; readonly y: Float32Array } {
  const compiled = compileGraph(graph, { producer: "test", name: "test" });
  const names = new Map(Object.entries(Opcode).map(([name, code]) => [code, name]));
  const kernels: Record<string, number> = {};
  for (const words of compiled.program.plan.steps) {
    const name = names.get(words[0]!)!;
    kernels[name] = (kernels[name] ?? 0) + 1;
  }
  const runner = new GraphRunner(compiled, plainModule);
  runner.run(feeds);
  const y = Float32Array.from(runner.output("hidden") as Float32Array);
  runner.dispose();
  return { kernels, y };
}

/** What the model's own operators make of the inputs, before any pass. */
function reference(bytes: Uint8Array, feeds: Record<string, Tensor>): Float32Array {
  const { graph } = importModel(bytes, {});
  inferShapes(graph);
  return evaluateGraph(graph, new Map(Object.entries(feeds)))[0]!.data as Float32Array;
}

function largestError(y: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return y.reduce((most, v, i) => Math.max(most, Math.abs(v - expected[i]!)), 0) / largest;
}

it.each([
  [13, false],
  [17, false],
  [20, false],
  [13, true],
  [20, true],
])("an encoder of opset %i, mask %s, is normalizations, products and little else", (opset, mask) => {
  const bytes = encoderModel({ ...SIZES, opset, mask });
  const feeds = inputs(mask);
  const { kernels, y } = run(importGraph(bytes, {}).graph, feeds);
  const { layers } = SIZES;
  expect(kernels).toMatchObject({
    LAYER_NORM: 2 * layers + 1,
    CONV_F32: 6 * layers,
    MATMUL_F32: 2 * layers,
    SOFTMAX: layers,
    UNARY: layers,
  });
  expect(kernels["REDUCE"]).toBeUndefined();
  expect(kernels["BINARY"]).toBe(1 + layers * (mask ? 4 : 3) + (mask ? 2 : 0));
  // Float32 sums of at most 72 terms through two layers.
  expect(largestError(y, reference(bytes, feeds))).toBeLessThan(1e-5);
});

it("int8 layers read and write int8 around float32 sums and normalizations", () => {
  const bytes = encoderModel(SIZES);
  const feeds = inputs(false);
  const { graph } = importGraph(bytes, {});
  const nodes = int8Nodes(graph, new Set());
  insertQuantization(graph, nodes, (value) => (/softmax|attention/.test(value.name) ? { low: 0, high: 1 } : { low: -9, high: 9 }));
  const { kernels, y } = run(graph, feeds);
  const { layers } = SIZES;
  expect(kernels).toMatchObject({ CONV_I8: 6 * layers, MATMUL_I8: 2 * layers, TABLE_I8: layers, LAYER_NORM: 2 * layers + 1 });
  expect([kernels["CONV_F32"], kernels["MATMUL_F32"], kernels["BINARY_I8"], kernels["REDUCE"], kernels["UNARY"]]).toEqual(
    Array(5).fill(undefined),
  );
  const expected = reference(bytes, feeds);
  const power = (values: readonly number[]): number => values.reduce((sum, v) => sum + v * v, 0);
  const sqnrDb = 10 * Math.log10(power([...expected]) / power([...y].map((v, i) => v - expected[i]!)));
  // The ranges above are a crude guess.
  expect(sqnrDb).toBeGreaterThan(15);
});
