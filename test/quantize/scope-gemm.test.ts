import { expect, test } from "vitest";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";

test("a Gemm whose C is one number for each row stays in float32, also where there are as many rows as outputs", () => {
  const graph = parseGraph(
    "input x float32[2,2]\n%a float32[2,2] = Gemm(%x, {1,2,3,4}float32[2,2], {1,2}float32[2,1])\n%y float32[2,2] = Gemm(%a, {1,2,3,4}float32[2,2], {1,2}float32[2])\noutput %y\n",
  );
  expect([...int8Nodes(graph, new Set())].map(({ name }) => name)).toEqual(["y"]);
});
