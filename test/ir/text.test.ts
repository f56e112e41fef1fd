import { describe, expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { ValueType } from "../../compiler/ir/graph.ts";
import { Graph } from "../../compiler/ir/graph.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { elementCount, newArray, type Tensor } from "../../host/tensor.ts";

const zeros = (_name: string, { dtype, shape }: ValueType): Tensor => ({ dtype, shape, data: newArray(dtype, elementCount(shape)) });

const ALL = `input image float32[1,3,8,8]
input /layer/scale int8[]
%c float32[1,4,8,8] = Conv(%image, <w float32[4,3,3,3]>, _) auto_pad="SAME_UPPER" clampMax=6 clampMin=-0.5 group=1 strides=[1,1]
%a float32[1,4,4,8], %b ? = Split(%c, {4,-4}int64[2]) axis=2 names=["a \\"quoted\\"","b"]
%f float32[1,4,4,8] = eqm:Silu(%a) channelsLast
%g bool[2] = Test({1,0}bool[2], {}int64[0], {-Infinity,NaN,1e-12,1.5}float32[4], {7}uint8[]) list=[] value={1,2}int32[2]
output %f, %image as copy, {3}float32[1] as constant
`;

describe("the text form", () => {
  test("is read back as it was written", () => {
    const graph = parseGraph(ALL, zeros);
    expect(graphText(graph)).toBe(ALL);
    expect(graphText(cloneGraph(graph))).toBe(graphText(graph));
  });

  test("gives a constant of one name to all its readers", () => {
    const graph = parseGraph("input x float32[1]\n%a ? = F(%x, <w float32[9]>)\n%b ? = F(%a, <w float32[9]>)\noutput %b\n", zeros);
    expect(graph.nodes[0]!.inputs[1]).toBe(graph.nodes[1]!.inputs[1]);
    expect(graph.nodes[0]!.inputs[1]!.readers.size).toBe(2);
  });

  test("skips blank lines and comments", () => {
    expect(parseGraph("# what this is\n\ninput x float32[1]\noutput %x\n").inputs).toHaveLength(1);
  });

  test.each([
    ["output %x", "line 1, column 10: %x is not defined above: output %x"],
    ["input x float32[1]", "the text has no line of outputs"],
    ["input x ?\noutput %x", "line 1, column 10: an input needs a type: input x ?"],
    ["input x float32[1]\n%a ? = F(%x\noutput %a", 'line 2, column 12: expected ")": %a ? = F(%x'],
    ["input x float32[1]\n%a ? = F(%x) p=\noutput %a", "line 2, column 16: expected a value: %a ? = F(%x) p="],
    ["input x float32[1] more\noutput %x", "line 1, column 19: the line goes on: input x float32[1] more"],
    ["input x float32[1]\n%x ? = F(%x)\noutput %x", "line 2, column 13: two values are named x: %x ? = F(%x)"],
    ["output {1,2}float32[3]", "line 1, column 23: 2 elements for float32[3]: output {1,2}float32[3]"],
    ["output <w float32[9]>", "the elements of w are not in the text"],
  ])("says where %j is wrong", (text, message) => {
    expect(() => parseGraph(text)).toThrow(new Error(message));
  });

  test("prints a graph whose types are not known", () => {
    const graph = new Graph("g");
    const x = graph.addInput("x", { dtype: "float32", shape: [2] });
    const node = graph.add({ op: "F", name: "f", inputs: [x], outputs: [{ name: "y" }] });
    graph.setOutputs(node.outputs);
    expect(graphText(graph)).toBe("input x float32[2]\n%y ? = F(%x)\noutput %y\n");
  });
});
