import { expect, test } from "vitest";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { graphOf } from "../passes/evaluation.ts";

/** Names of the nodes that work in int8. */
function chosen(text: string, ...keepFloat: string[]): readonly string[] {
  return [...int8Nodes(graphOf(text), new Set(keepFloat))].map(({ name }) => name).sort();
}

const CHAIN = `input x float32[1,2,8,8]
%a ? = Conv(%x, <w float32[4,2,3,3]>)
%b ? = Sigmoid(%a)
%c ? = Conv(%b, <w2 float32[4,4,3,3]>)
%d ? = MaxPool(%c) kernel_shape=[2,2]
%e ? = Softmax(%d) axis=1
output %e
`;

test("what leads to a layer with weights is int8, the tail is float32", () => {
  expect(chosen(CHAIN)).toEqual(["a", "b", "c"]);
});

test("a graph without layers stays float32", () => {
  expect(chosen("input x float32[4]\n%a ? = Relu(%x)\n%y ? = Sigmoid(%a)\noutput %y\n")).toEqual([]);
});

test("a layer kept in float32 leads nothing to int8, and those before it stay", () => {
  expect(chosen(CHAIN, "c")).toEqual(["a"]);
  expect(chosen(CHAIN, "a")).toEqual(["b", "c"]);
  expect(chosen(CHAIN, "a", "c")).toEqual([]);
});

test("a node is kept by the name of an ONNX node that it came from", () => {
  const graph = graphOf(CHAIN);
  const conv = graph.nodes.find(({ name }) => name === "c")!;
  graph.addSources(conv, ["/layer/relu"]);
  expect([...int8Nodes(graph, new Set(["/layer/relu"]))].map(({ name }) => name)).toEqual(["a"]);
});

test("an operator without int8 form between two layers is float32, and they are not", () => {
  const text = `input x float32[1,4]
%a ? = MatMul(%x, <w float32[4,4]>)
%s ? = Softmax(%a)
%y ? = MatMul(%s, <w2 float32[4,4]>)
output %y
`;
  expect(chosen(text)).toEqual(["a", "y"]);
});

const LEAD = (line: string, inputs = "input x float32[1,2,4,4]\n"): string =>
  `${inputs}${line}\n%y ? = MatMul(%n, <last float32[4,4]>)\noutput %y\n`;

test.each([
  ["Conv with computed weights", "%n ? = Conv(%x, %v)", "input x float32[1,2,4,4]\ninput v float32[2,2,1,1]\n"],
  ["Conv with a computed bias", "%n ? = Conv(%x, <w float32[2,2,1,1]>, %v)", "input x float32[1,2,4,4]\ninput v float32[2]\n"],
  ["Conv over depth", "%z ? = Conv(%x, <w float32[2,2,1,1,1]>)\n%n ? = Reshape(%z, {2,-1,4,4}int64[4])", "input x float32[1,2,2,4,4]\n"],
  ["Gemm with alpha", "%n ? = Gemm(%x, <w float32[4,4]>) alpha=0.5", "input x float32[1,4]\n"],
  ["Gemm with a transposed operand", "%n ? = Gemm(%x, <w float32[4,4]>) transA=1", "input x float32[4,1]\n"],
  ["MatMul with batches of weights", "%n ? = MatMul(%x, <w float32[2,4,4]>)", "input x float32[1,2,4,4]\n"],
  ["Clip with a computed bound", "%n ? = Clip(%x, %v)", "input x float32[1,2,4,4]\ninput v float32[]\n"],
  ["MaxPool with indices", "%n ?, %i ? = MaxPool(%x) kernel_shape=[1,1]", "input x float32[1,2,4,4]\n"],
  ["Exp", "%n ? = Exp(%x)", "input x float32[1,2,4,4]\n"],
  ["an operand with an infinity", "%n ? = Add(%x, {0,-Infinity,0,0}float32[4])", "input x float32[1,2,4,4]\n"],
  ["an operand with NaN", "%n ? = Mul(%x, {0,NaN,0,0}float32[4])", "input x float32[1,2,4,4]\n"],
  ["weights with an infinity", "%n ? = Gemm(%x, {1,Infinity,2,2,1,1,1,1}float32[2,4])", "input x float32[1,2]\n"],
  ["a bias with NaN", "%n ? = Gemm(%x, {1,1,2,2,1,1,1,1}float32[2,4], {0,0,0,NaN}float32[4])", "input x float32[1,2]\n"],
])("%s has no int8 form", (_, line, inputs) => {
  const names = chosen(LEAD(line, inputs));
  expect(names).toContain("y");
  expect(names).not.toContain(line.startsWith("%z") ? "z" : "n");
});

test.each([
  ["Clip with an infinite bound", "%n ? = Clip(%x, {0}float32[], {Infinity}float32[])"],
  ["Pad with −∞, as in front of a MaxPool", "%n ? = Pad(%x, {0,0,1,1,0,0,1,1}int64[8], {-Infinity}float32[])\n"],
  ["PRelu", "%n ? = PRelu(%x, {0.1,0.2}float32[2,1,1])"],
  ["ReduceMean", "%n ? = ReduceMean(%x, {3}int64[1])"],
  ["Resize", '%n ? = Resize(%x, _, {1,1,2,2}float32[4]) mode="nearest"'],
  ["AveragePool", "%n ? = AveragePool(%x) kernel_shape=[1,1]"],
])("%s has one", (_, line) => {
  const text = LEAD(line).replace(
    "<last float32[4,4]>",
    line.includes("Pad")
      ? "<last float32[6,4]>"
      : line.includes("Resize")
        ? "<last float32[8,4]>"
        : line.includes("Mean")
          ? "<last float32[1,4]>"
          : "<last float32[4,4]>",
  );
  expect(chosen(text)).toEqual(["n", "y"]);
});

test("integers are no activations", () => {
  const text = "input x int64[1,4]\n%a ? = Add(%x, {1}int64[])\n%f ? = Cast(%a) to=1\n%y ? = MatMul(%f, <w float32[4,4]>)\noutput %y\n";
  expect(chosen(text)).toEqual(["y"]);
});

test("the sums that normalizations read stay float32, with what is added to them first, and views that only they read", () => {
  const text = `input x float32[2,4]
%a ? = Gemm(%x, <w float32[4,4]>)
%e ? = Add(%a, <p float32[2,4]>)
%b ? = Gemm(%e, <v float32[4,4]>)
%r ? = Reshape(%b, {2,4}int64[2])
%s ? = Add(%r, %e)
%n ? = LayerNormalization(%s, <g float32[4]>)
%h ? = Gemm(%n, <u float32[4,4]>)
%k ? = Reshape(%h, {1,2,4}int64[3])
%l ? = Gelu(%k)
%y ? = MatMul(%l, <t float32[4,4]>)
output %y
`;
  expect(chosen(text)).toEqual(["a", "b", "h", "k", "l", "y"]);
});
