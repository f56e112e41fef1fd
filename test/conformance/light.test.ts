/** The suite's classic networks through compiler and runtime. Minutes of work, so only under LIGHT=1. */
import { expect, test } from "vitest";
import { difference } from "./compare.ts";
import { runCompiled } from "./compiled.ts";
import { isPresent, listTests, loadTest } from "./suite.ts";

const networks = isPresent ? listTests().filter(({ group }) => group === "light") : [];

test.skipIf(isPresent)("the networks are not on this machine", () => {
  expect(networks).toEqual([]);
});

for (const network of networks) {
  test.skipIf(process.env["LIGHT"] !== "1")(`${network.name} gives ONNX's outputs`, async () => {
    const { model, sets, rtol, atol } = loadTest(network);
    for (const { inputs, outputs } of sets) {
      const got = await runCompiled(model, inputs);
      expect(outputs.map(({ tensor }, i) => difference(tensor, got.outputs[i]!, rtol, atol))).toEqual(outputs.map(() => null));
    }
  });
}

if (process.env["LIGHT"] !== "1") console.log("skipped: the classic networks run under LIGHT=1");
