import { afterAll, expect, test } from "vitest";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { insertQuantization } from "../../compiler/quantize/insert.ts";
import type { Range } from "../../compiler/quantize/ranges.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { evaluateGraph, graphOf, inferTypes, randomInputs } from "../passes/evaluation.ts";
import { type GoldenCase, readGolden, writeGolden } from "../passes/golden-file.ts";

const FILE = new URL("../golden/quantize/insert.txt", import.meta.url);

/** Values named p… are positive; the others are symmetric. Constants have the range of their elements. */
function rangeOf(value: Value): Range {
  if (value.constant) {
    const data = Array.from(value.constant.data as Float32Array);
    return { low: Math.min(0, ...data), high: Math.max(0, ...data) };
  }
  return value.name.startsWith("p") ? { low: 0, high: 2.55 } : { low: -2, high: 1.825 };
}

function insert(graph: Graph): string {
  const parameters = insertQuantization(graph, int8Nodes(graph, new Set()), rangeOf);
  verifyGraph(graph);
  const lines = [...parameters].map(
    ([name, { scale, zeroPoint, quantized }]) => `${name}: ${Number(scale.toPrecision(7))}, ${zeroPoint} in ${quantized}\n`,
  );
  return `${graphText(graph)}${lines.join("")}`.trimEnd();
}

const cases = readGolden(FILE);
const updated: GoldenCase[] = [];

test.each(cases.map((golden) => [golden.title, golden] as const))("%s", (_, golden) => {
  const text = insert(graphOf(golden.input));
  updated.push({ ...golden, expected: text });
  if (process.env.UPDATE !== "1") expect(text).toBe(golden.expected);
});

test.each(cases.map((golden) => [golden.title, golden] as const))("%s: the outputs stay near, and types fit", (_, golden) => {
  const graph = graphOf(golden.input);
  const inputs = randomInputs(graph, 3, 1);
  const expected = evaluateGraph(graph, inputs);
  insert(graph);
  inferTypes(graph);
  evaluateGraph(graph, inputs).forEach(({ data, shape }, i) => {
    expect(shape).toEqual(expected[i]!.shape);
    const largest = Math.max(...Array.from(expected[i]!.data as Float32Array, Math.abs));
    data.forEach((x: number | bigint, j: number) => {
      expect(Math.abs(Number(x) - Number(expected[i]!.data[j]))).toBeLessThanOrEqual(0.1 * largest + 0.05);
    });
  });
});

test("every value of the outcome is made once and in order, also for a value that is read twice by one node", () => {
  const graph = graphOf(
    "input x float32[1,2,2]\n%s ? = Mul(%x, %x)\n%y ? = MatMul(%s, %s)\n%z ? = MatMul(%y, <w float32[2,2]>)\noutput %z\n",
  );
  const text = insert(graph);
  expect(text.match(/= QuantizeLinear\(%x,/g)).toHaveLength(1);
  expect(text).toContain("= Mul(%x.dequantized, %x.dequantized)");
  expect(text).toContain("= MatMul(%s.dequantized, %s.dequantized)");
});

test("an int8 model's own names do not confuse it: x.quantized may exist already", () => {
  const graph = graphOf("input x float32[1,2]\n%x.quantized ? = Relu(%x)\n%y ? = MatMul(%x.quantized, <w float32[2,2]>)\noutput %y\n");
  const text = insert(graph);
  expect(text).toContain("%x.quantized float32[1,2] = Relu(");
  expect(text).toContain("\nx: 0.015, 5 in x.quantized.1");
});

afterAll(() => {
  if (process.env.UPDATE === "1") writeGolden(FILE, updated);
});
