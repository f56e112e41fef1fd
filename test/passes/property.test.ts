import { expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { channelsLast } from "../../compiler/passes/channels-last.ts";
import { flattenWeights } from "../../compiler/passes/flatten-weights.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { sweep } from "../support/sweep.ts";
import { evaluateGraph, graphOf, inferTypes, randomInputs, relativeError } from "./evaluation.ts";
import { randomNetwork } from "./random-graphs.ts";

const COUNT = Number(process.env.EQM_GRAPHS ?? sweep(150, 1500));
const FIRST = Number(process.env.EQM_SEED ?? 1);

// Foldings round once more, and sums change their order: a few float32 roundings of the largest element through each of a dozen layers.
const TOLERANCE = 1e-5;

test(`optimize, and then the layout, keep what ${COUNT} random networks compute`, () => {
  for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
    const text = randomNetwork(seed);
    const before = graphOf(text);
    const graph = cloneGraph(before);
    const inputs = randomInputs(before, seed, 2);
    const expected = evaluateGraph(before, inputs);
    const hold = (stage: string): void => {
      const where = `${stage}, EQM_SEED=${seed} EQM_GRAPHS=1:\n${text}`;
      verifyGraph(graph);
      inferTypes(graph);
      expect(graph.outputNames, where).toEqual(before.outputNames);
      evaluateGraph(graph, inputs).forEach((output, i) => expect(relativeError(expected[i]!, output), where).toBeLessThan(TOLERANCE));
    };
    optimize(graph);
    hold("optimize");
    channelsLast(graph);
    hold("channels-last");
    flattenWeights(graph);
    hold("flatten-weights");
  }
});
