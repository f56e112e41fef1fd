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
});
