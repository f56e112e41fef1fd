/** Quantized graphs as other tools write them: what the int8 rules cannot take falls back to float32, and is never wrong. */
import { expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import * as Opcode from "../../format/opcodes.ts";
import type { Tensor } from "../../host/tensor.ts";
import { evaluateGraph, graphOf } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

interface Ran {
  readonly expected: readonly (readonly number[])[];
  readonly got: readonly (readonly number[])[];
  readonly opcodes: readonly number[];
}

function run(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Ran {
  const expected = evaluateGraph(graph, new Map(Object.entries(inputs))).map(({ data }) => Array.from(data, Number));
  const { program, ...compiled } = compileGraph(graph, { producer: "test", name: "test" });
  const runner = new GraphRunner({ program, ...compiled }, plainModule);
  runner.run(inputs);
  const got = graph.outputNames.map((name) => Array.from(runner.output(name), Number));
  runner.dispose();
  return { expected, got, opcodes: program.plan.steps.map((words) => words[0]!) };
}

function floats(shape: readonly number[], ...values: number[]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

const ENDS = `%xq ? = QuantizeLinear(%x, {0.5}float32[], {0}int8[])
%xd ? = DequantizeLinear(%xq, {0.5}float32[], {0}int8[])
`;
const OUT = `%yq ? = QuantizeLinear(%y, {0.5}float32[], {0}int8[])
%yd ? = DequantizeLinear(%yq, {0.5}float32[], {0}int8[])
output %yd
`;

test("a pad value that is computed is quantized like the rest", () => {
  const graph = graphOf(`input x float32[2]\ninput v float32[]\n${ENDS}%y ? = Pad(%xd, {1,1}int64[2], %v)\n${OUT}`);
  const { expected, got } = run(graph, { x: floats([2], 1, -3), v: floats([], 7.5) });
  expect(got).toEqual(expected);
  expect(got).toEqual([[7.5, 1, -3, 7.5]]);
});

test("a constant pad value is rounded half to even, as QuantizeLinear does", () => {
  const graph = graphOf(`input x float32[2]\n${ENDS}%y ? = Pad(%xd, {1,0}int64[2], {1.25}float32[])\n${OUT}`);
  const { expected, got } = run(graph, { x: floats([2], 1, -3) });
  expect(got).toEqual(expected);
  expect(got).toEqual([[1, 1, -3]]);
});

const GEMM = (c: string): string => `input x float32[2,2]
${ENDS}%w ? = DequantizeLinear({2,4,6,8,10,12}int8[2,3], {0.5}float32[])
%y ? = Gemm(%xd, %w, ${c})
${OUT}`;

test.each([
  ["a number", "{3}float32[]"],
  ["one element", "{3}float32[1]"],
  ["a row", "{1,2,3}float32[3]"],
  ["a row of rank 2", "{1,2,3}float32[1,3]"],
  ["a column", "{1,2}float32[2,1]"],
  ["a matrix", "{1,2,3,4,5,6}float32[2,3]"],
])("a quantized Gemm whose C is %s is right", (_, c) => {
  const { expected, got } = run(graphOf(GEMM(c)), { x: floats([2, 2], 1, -2, 0.5, 3) });
  expect(got).toEqual(expected);
});

test("an int32 C behind DequantizeLinear may be one number for all outputs", () => {
  const text = GEMM("%c").replace("%y ?", "%c ? = DequantizeLinear({12}int32[1], {0.25}float32[])\n%y ?");
  const { expected, got } = run(graphOf(text), { x: floats([2, 2], 1, -2, 0.5, 3) });
  expect(got).toEqual(expected);
});

test("a bias with a zero point is taken with it", () => {
  const text = GEMM("%c").replace("%y ?", "%c ? = DequantizeLinear({12,4,8}int32[3], {0.25}float32[], {4}int32[])\n%y ?");
  const { expected, got } = run(graphOf(text), { x: floats([2, 2], 1, -2, 0.5, 3) });
  expect(got).toEqual(expected);
});

test("a bias of the wrong scale for its layer is taken at its real value", () => {
  const text = GEMM("%c").replace("%y ?", "%c ? = DequantizeLinear({12,4,8}int32[3], {2}float32[])\n%y ?");
  const { expected, got } = run(graphOf(text), { x: floats([2, 2], 1, -2, 0.5, 3) });
  expect(got).toEqual(expected);
});

test("a saturated bias, as quantizers write it for channels without weights, does not stop the compiler", () => {
  const graph = graphOf(`input x float32[1,2]
${ENDS}%w ? = DequantizeLinear({0,127,0,127}int8[2,2], {1e-9,0.5}float32[2], {0,0}int8[2]) axis=1
%c ? = DequantizeLinear({2147483647,-2147483648}int32[2], {5e-10,0.25}float32[2]) axis=0
%y ? = Gemm(%xd, %w, %c)
${OUT}`);
  const { expected, got } = run(graph, { x: floats([1, 2], 1, -2) });
  expect(got).toEqual(expected);
});

test("a layer so deep that its accumulators could overflow runs in float32", () => {
  const depth = 70_000;
  const graph = graphOf(`input x float32[1,${depth}]
%xq ? = QuantizeLinear(%x, {1}float32[], {-128}int8[])
%xd ? = DequantizeLinear(%xq, {1}float32[], {-128}int8[])
%w ? = DequantizeLinear(<k int8[${depth},1]>, {1}float32[])
%y ? = MatMul(%xd, %w)
%yq ? = QuantizeLinear(%y, {20000000}float32[], {0}int8[])
%yd ? = DequantizeLinear(%yq, {20000000}float32[], {0}int8[])
output %yd
`);
  const weights = graph.nodes.find(({ name }) => name === "w")!.inputs[0]!.constant!.data as Int8Array;
  weights.fill(127);
  const { expected, got } = run(graph, { x: floats([1, depth], ...new Array<number>(depth).fill(255)) });
  expect(expected).toEqual([[2_260_000_000].map((x) => Math.round(x / 2e7) * 2e7)]);
  expect(got).toEqual(expected);
});

test("a product of activations so deep that its accumulators could overflow runs in float32", () => {
  const depth = 40_000;
  const graph = graphOf(`input x float32[1,${depth}]
%xq ? = QuantizeLinear(%x, {1}float32[], {-128}int8[])
%xd ? = DequantizeLinear(%xq, {1}float32[], {-128}int8[])
%t ? = Transpose(%xd) perm=[1,0]
%y ? = MatMul(%xd, %t)
%yq ? = QuantizeLinear(%y, {50000000}float32[], {0}int8[])
%yd ? = DequantizeLinear(%yq, {50000000}float32[], {0}int8[])
output %yd
`);
  const { expected, got } = run(graph, { x: floats([1, depth], ...new Array<number>(depth).fill(255)) });
  expect(expected).toEqual([[2_600_000_000]]);
  expect(got).toEqual(expected);
});

test("weights quantized in blocks are taken with their scales", () => {
  const graph = graphOf(`input x float32[1,2]
${ENDS}%w ? = DequantizeLinear({2,4,6,8}int8[2,2], {0.5,1,2,4}float32[2,2], {0,0,0,0}int8[2,2]) axis=1 block_size=1
%w2 ? = DequantizeLinear({2,4,6,8}int8[2,2], {0.5,2}float32[2,1]) axis=1 block_size=2
%a ? = MatMul(%xd, %w)
%b ? = MatMul(%xd, %w2)
%y ? = Add(%a, %b)
${OUT}`);
  const { expected, got } = run(graph, { x: floats([1, 2], 1, -2) });
  expect(got).toEqual(expected);
});

test("a value that is an output and is quantized as well is computed in both forms", () => {
  const graph = graphOf(`input x float32[1,2]
${ENDS}%w ? = DequantizeLinear({2,4,6,8}int8[2,2], {0.5}float32[])
%y ? = MatMul(%xd, %w)
${OUT.replace("output %yd", "output %y, %yd")}`);
  const { expected, got } = run(graph, { x: floats([1, 2], 1, -2.5) });
  expect(got).toEqual(expected);
});

test("an unquantized result of an int8 layer is float32 at once", () => {
  const graph = graphOf(`input x float32[1,2]
${ENDS}%w ? = DequantizeLinear({2,4,6,8}int8[2,2], {0.5}float32[])
%y ? = MatMul(%xd, %w)
output %y
`);
  const { expected, got, opcodes } = run(graph, { x: floats([1, 2], 1, -2.5) });
  expect(got).toEqual(expected);
  expect(opcodes).toEqual([Opcode.QUANTIZE, Opcode.CONV_I8]);
});

test("two quantizations of one value both hold", () => {
  const graph = graphOf(`input x float32[2]
${ENDS}%y ? = Sigmoid(%xd)
%a ? = QuantizeLinear(%y, {0.25}float32[], {0}int8[])
%b ? = QuantizeLinear(%y, {0.0078125}float32[], {-10}int8[])
output %a, %b
`);
  const { expected, got } = run(graph, { x: floats([2], 1, -3) });
  expect(got).toEqual(expected);
});

test("uint8 activations go through float32", () => {
  const graph = graphOf(`input x float32[1,2]
%xq ? = QuantizeLinear(%x, {0.5}float32[], {128}uint8[])
%xd ? = DequantizeLinear(%xq, {0.5}float32[], {128}uint8[])
%w ? = DequantizeLinear({2,4,6,8}int8[2,2], {0.5}float32[])
%y ? = MatMul(%xd, %w)
output %y
`);
  const { expected, got } = run(graph, { x: floats([1, 2], 1, -2.5) });
  expect(got).toEqual(expected);
});

test.each(["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"])(
  "%s over an axis without elements has a place of its own",
  (op) => {
    const graph = graphOf(
      `input x float32[0,40]\ninput z float32[40]\n%s ? = ${op}(%x, {0}int64[1]) keepdims=0\n%y ? = Add(%s, %z)\noutput %y, %s\n`,
    );
    const { expected, got } = run(graph, { x: floats([0, 40]), z: floats([40], ...Array.from({ length: 40 }, (_, i) => i)) });
    expect(got).toEqual(expected);
  },
);

test("a reduction of nothing to nothing is nothing", () => {
  const graph = graphOf("input x float32[0,3]\n%y ? = ReduceSum(%x, {1}int64[1])\noutput %y\n");
  expect(run(graph, { x: floats([0, 3]) }).got).toEqual([[]]);
});

test("a product whose batch axes broadcast in three different ways is right", () => {
  const graph = graphOf("input a float32[2,1,3,1,2]\ninput b float32[1,2,3,2,1]\n%y ? = MatMul(%a, %b)\noutput %y\n");
  const a = floats([2, 1, 3, 1, 2], ...Array.from({ length: 12 }, (_, i) => i));
  const b = floats([1, 2, 3, 2, 1], ...Array.from({ length: 12 }, (_, i) => i * i));
  const { expected, got } = run(graph, { a, b });
  expect(got).toEqual(expected);
});
