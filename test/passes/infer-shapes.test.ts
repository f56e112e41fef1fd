import { describe, expect, test } from "vitest";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { inferShapes } from "../../compiler/passes/infer-shapes.ts";

describe("inferShapes", () => {
  test.each([
    "Expand({1}float32[1], {1048576,1048576}int64[2])",
    "Expand({1}float32[1], {40000,40000}int64[2])",
    "Tile(%x, {1099511627776}int64[1])",
  ])("refuses %s, which no memory holds, before making it", (call) => {
    const graph = parseGraph(`input x float32[2]\n%y ? = ${call}\noutput %y\n`);
    expect(() => inferShapes(graph)).toThrow(expect.objectContaining({ name: "CompileError", code: "bad-operands" }));
  });

  test("does not make a large constant of a small one", () => {
    const graph = parseGraph(
      "input x float32[8192,1024]\n%a ? = Expand({1}float32[1], {8192,1024}int64[2])\n%y ? = Add(%x, %a)\noutput %y\n",
    );
    inferShapes(graph);
    expect(graphText(graph)).toContain("%a float32[8192,1024] = Expand(");
  });

  test("tells all faults at once, but nothing of what is behind them", () => {
    const graph = parseGraph(`input x float32[2,3]
input n int64[2]
%a ? = Reshape(%x, %n)
%b ? = Relu(%a)
%c ? = Add(%x, {1,2}float32[2])
%d ? = MatMul(%b, %c)
%e ? = Concat(%x, %x)
output %d, %e
`);
    expect(() => inferShapes(graph)).toThrow(
      expect.objectContaining({
        code: "unsupported",
        details: {
          unsupported: [
            expect.objectContaining({
              op: "Reshape",
              code: "not-constant",
              reason: expect.stringContaining("the new shape has to be known"),
            }),
            expect.objectContaining({ op: "Add", code: "bad-operands" }),
          ],
        },
      }),
    );
  });

  test("a fault alone, and faults of one kind, have its code", () => {
    const one = parseGraph("input x float32[2]\n%a ? = Add(%x, {1,2,3}float32[3])\noutput %a\n");
    expect(() => inferShapes(one)).toThrow(
      expect.objectContaining({ code: "bad-operands", details: expect.objectContaining({ op: "Add" }) }),
    );
    const two = parseGraph("input x float32[2]\n%a ? = Add(%x, {1,2,3}float32[3])\n%b ? = Mul(%x, {1,2,3}float32[3])\noutput %a, %b\n");
    expect(() => inferShapes(two)).toThrow(
      expect.objectContaining({ code: "bad-operands", message: expect.stringMatching(/2 problems[\s\S]*Add[\s\S]*Mul/) }),
    );
  });
});
