/** What import says of a model that is not valid ONNX. */
import { describe, expect, it } from "vitest";
import { float, floatTensor, int, long, type ModelSpec, node, value } from "../support/onnx-model.ts";
import { fault, read, relu } from "./reading.ts";

describe("an invalid model is refused", () => {
  const dup = floatTensor("x", [1], [1]);
  it.each<[string, ModelSpec, string]>([
    ["without a graph", { more: { graph: null } }, "it has no graph; the file may be a tensor or another framework's model"],
    ["without outputs", { outputs: [] }, "it has no outputs"],
    ["without an opset", { more: { opsetImport: [] } }, "it does not say which opset it uses"],
    [
      "with two opsets",
      {
        more: {
          opsetImport: [
            { domain: "", version: 13 },
            { domain: "ai.onnx", version: 14 },
          ],
        },
      },
      'it imports two opsets of the domain "": 13 and 14',
    ],
    [
      "with a value produced twice",
      { nodes: [relu("x", "y"), relu("x", "y")] },
      'two things are named "y"; one is an output of the node 1 (Relu)',
    ],
    [
      "with an output named like an input",
      { nodes: [relu("x", "x"), relu("x", "y")] },
      'two things are named "x"; one is an output of the node 0 (Relu)',
    ],
    ["with two inputs of a name", { inputs: [value("x", [1]), value("x", [1])] }, 'two inputs are named "x"'],
    ["with two initializers of a name", { initializers: [dup, dup] }, 'two initializers are named "x"'],
    ["with an initializer without a name", { initializers: [floatTensor("", [1], [1])] }, "an initializer has no name"],
    ["with two outputs of a name", { outputs: ["y", "y"] }, 'two outputs are named "y"'],
    ["with an output that nothing produces", { outputs: ["z"] }, 'its output "z" is produced by nothing'],
    ["with an input that nothing produces", { nodes: [relu("q", "y")] }, 'the node 0 (Relu) reads "q", which nothing produces'],
    [
      "with a circle",
      { nodes: [node("Add", ["x", "b"], ["a"]), relu("a", "b"), relu("b", "y")] },
      "the node 0 (Add) depends on its own output",
    ],
    ["with a node that reads itself", { nodes: [node("Add", ["x", "y"], ["y"])] }, "the node 0 (Add) depends on its own output"],
    [
      "with a circle that no output depends on",
      { nodes: [relu("x", "y"), relu("b", "a"), relu("a", "b")] },
      "the node 1 (Relu) depends on its own output",
    ],
    ["with a missing operand", { nodes: [node("Conv", ["x"], ["y"])] }, 'Conv "Conv_0" has 1 inputs, ONNX says 2 to 3'],
    ["with an operand left out", { nodes: [node("Add", ["", "x"], ["y"])] }, 'Add "Add_0" lacks its input 0'],
    ["with too many operands", { nodes: [node("Relu", ["x", "x"], ["y"])] }, 'Relu "Relu_0" has 2 inputs, ONNX says 1'],
    [
      "with too many outputs",
      { nodes: [node("Relu", ["x"], ["y", "z"])], outputs: ["y", "z"] },
      'Relu "Relu_0" has 2 outputs, ONNX says 1',
    ],
    ["with a missing attribute", { nodes: [node("Concat", ["x"], ["y"])] }, 'Concat "Concat_0" lacks the attribute axis'],
    [
      "with an unknown attribute",
      { nodes: [node("Relu", ["x"], ["y"], { slope: int(1) })] },
      'Relu "Relu_0" has the attribute slope, which ONNX does not know',
    ],
    [
      "with an attribute of another kind",
      { nodes: [node("Concat", ["x"], ["y"], { axis: float(0.5) })] },
      'the attribute axis of Concat "Concat_0" must be an INT',
    ],
    [
      "with an attribute out of range",
      { nodes: [node("Concat", ["x"], ["y"], { axis: { type: 2, i: long(2n ** 60n) } })] },
      'the attribute axis of Concat "Concat_0" is 1152921504606846976, out of every range',
    ],
    [
      "with an attribute given twice",
      {
        nodes: [
          {
            ...relu("x", "y"),
            attribute: [
              { name: "a", ...int(1) },
              { name: "a", ...int(1) },
            ],
          },
        ],
      },
      'Relu "Relu_0" has two attributes named a',
    ],
    [
      "with a reference to a function's attribute",
      { nodes: [{ ...relu("x", "y"), attribute: [{ name: "a", refAttrName: "b", type: 2 }] }] },
      'the attribute a of Relu "Relu_0" refers to a function\'s attribute outside of a function',
    ],
    [
      "with a Constant of two values",
      { nodes: [node("Constant", [], ["y"], { value_int: int(1), value_float: float(1) })] },
      'Constant "Constant_0" has 2 values instead of one',
    ],
    ["with an input without a type", { inputs: [{ name: "x" }] }, 'the input "x" has no type that eqm knows'],
  ])("%s", (_, spec, problem) => {
    const error = fault(spec);
    expect(error.code).toBe("invalid-model");
    expect(error.message).toBe(`The model is invalid: ${problem}. Check it with onnx.checker and export it again.`);
  });

  it("but an attribute without a type, as the first models have it, is taken by its value", () => {
    const nodes = [{ ...node("Concat", ["x", "x"], ["y"]), attribute: [{ name: "axis", i: 1 }] }];
    expect(read({ nodes }).graph.nodes[0]!.attributes["axis"]).toBe(1);
  });
});
