/** Normalizations whose parameters lie along the normalized axes or others, are constant or computed, against the operators' reference. */
import { expect, test } from "vitest";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { evaluateGraph, graphOf, randomInputs } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const X = "input x float32[2,3,4]\n";

test.each([
  ["the last axis", `${X}%y ? = LayerNormalization(%x, <g float32[4]>, <b float32[4]>)\noutput %y\n`],
  ["no bias", `${X}%y ? = LayerNormalization(%x, <g float32[4]>) epsilon=0.25\noutput %y\n`],
  ["all axes", `${X}%y ? = LayerNormalization(%x, <g float32[2,3,4]>, <b float32[4]>) axis=0\noutput %y\n`],
  ["a scale that broadcasts", `${X}%y ? = LayerNormalization(%x, <g float32[3,1]>, <b float32[1,4]>) axis=1\noutput %y\n`],
  ["a scale along another axis", `${X}%y ? = LayerNormalization(%x, <g float32[3,1]>, <b float32[4]>) axis=-1\noutput %y\n`],
  ["a bias along another axis", `${X}%y ? = LayerNormalization(%x, <g float32[4]>, <b float32[2,1,4]>) axis=2\noutput %y\n`],
  ["computed parameters", `${X}input g float32[4]\ninput b float32[1,1,4]\n%y ? = LayerNormalization(%x, %g, %b)\noutput %y\n`],
  ["a computed scalar", `${X}input g float32[1]\n%y ? = LayerNormalization(%x, %g)\noutput %y\n`],
  ["statistics", `${X}%y ?, %m ?, %i ? = LayerNormalization(%x, <g float32[4]>, <b float32[3,4]>) axis=1\noutput %y, %m, %i\n`],
  ["the root of the mean square", `${X}%y ? = RMSNormalization(%x, <g float32[4]>)\noutput %y\n`],
  [
    "the root of the mean square over two axes",
    `${X}input g float32[3,4]\n%y ? = RMSNormalization(%x, %g) axis=1 epsilon=0.5\noutput %y\n`,
  ],
])("%s", (_, text) => {
  const graph = graphOf(text);
  const inputs = randomInputs(graph, 5);
  const expected = evaluateGraph(graph, inputs);
  const runner = new GraphRunner(compileGraph(graph, { producer: "test", name: "test" }), plainModule);
  runner.run(Object.fromEntries(inputs));
  graph.outputNames.forEach((name, output) => {
    const y = runner.output(name) as Float32Array;
    // Sums of at most 24 terms, and an inverse root: some units of 2⁻²⁴ of values below 4.
    y.forEach((value, i) => expect(Math.abs(value - Number(expected[output]!.data[i])), `${name}[${i}]`).toBeLessThan(4e-6));
    expect(y.length).toBe(expected[output]!.data.length);
  });
  runner.dispose();
});
