import { readdirSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { channelsLast } from "../../compiler/passes/channels-last.ts";
import { eliminateDeadCode } from "../../compiler/passes/eliminate-dead-code.ts";
import { flattenWeights } from "../../compiler/passes/flatten-weights.ts";
import { fuseActivations } from "../../compiler/passes/fuse-activations.ts";
import { fuseBatchNorm } from "../../compiler/passes/fuse-batch-norm.ts";
import { fuseBias } from "../../compiler/passes/fuse-bias.ts";
import { fuseGelu } from "../../compiler/passes/fuse-gelu.ts";
import { fuseLayerNorm } from "../../compiler/passes/fuse-layer-norm.ts";
import { fusePad } from "../../compiler/passes/fuse-pad.ts";
import { fuseScale } from "../../compiler/passes/fuse-scale.ts";
import { fuseSilu } from "../../compiler/passes/fuse-silu.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { inferShapes } from "../../compiler/passes/infer-shapes.ts";
import { mergeClips } from "../../compiler/passes/merge-clips.ts";
import { removeNoOps } from "../../compiler/passes/remove-no-ops.ts";
import { sinkDequantize } from "../../compiler/passes/sink-dequantize.ts";
import { evaluateGraph, graphOf, inferTypes, randomInputs, relativeError } from "./evaluation.ts";
import { type GoldenCase, readGolden, writeGolden } from "./golden-file.ts";

/** A pass, and what it reports in the golden's first line. */
const PASSES: Readonly<Record<string, (graph: Graph) => string>> = {
  "channels-last": (graph) => `channels-last: ${[...channelsLast(graph)].join(", ")}`,
  "eliminate-dead-code": rewrites(eliminateDeadCode),
  "flatten-weights": (graph) => {
    channelsLast(graph);
    return rewrites(flattenWeights)(graph);
  },
  "fuse-activations": rewrites(fuseActivations),
  "fuse-batch-norm": rewrites(fuseBatchNorm),
  "fuse-bias": rewrites(fuseBias),
  "fuse-gelu": rewrites(fuseGelu),
  "fuse-layer-norm": rewrites(fuseLayerNorm),
  "fuse-pad": rewrites(fusePad),
  "fuse-scale": rewrites(fuseScale),
  "fuse-silu": rewrites(fuseSilu),
  "infer-shapes": done(inferShapes),
  "merge-clips": rewrites(mergeClips),
  optimize: done(optimize),
  "remove-no-ops": rewrites(removeNoOps),
  "sink-dequantize": rewrites(sinkDequantize),
};

function rewrites(pass: (graph: Graph) => number): (graph: Graph) => string {
  return (graph) => `rewrites: ${pass(graph)}`;
}

function done(pass: (graph: Graph) => void): (graph: Graph) => string {
  return (graph) => {
    pass(graph);
    return "after:";
  };
}

/** Where the text's node names (their first outputs) say nothing: `%y from conv, add`. */
function provenance(graph: Graph): string {
  return graph.nodes
    .filter(({ sources, outputs }) => `${sources}` !== outputs[0]!.name)
    .map(({ sources, outputs }) => `%${outputs[0]!.name} from ${sources.join(", ")}\n`)
    .join("");
}

function constantBytes(graph: Graph): string {
  const constants = new Set(graph.nodes.flatMap(({ inputs }) => inputs.flatMap((value) => (value?.constant ? [value.constant] : []))));
  return [...constants].map(({ data }) => Array.from<number | bigint>(data).join(",")).join("\n");
}

const directory = new URL("../golden/passes/", import.meta.url);

for (const name of readdirSync(directory)) {
  const file = new URL(name, directory);
  const cases = readGolden(file);
  const pass = PASSES[name.replace(".txt", "")]!;
  const results: GoldenCase[] = [];
  describe(name.replace(".txt", ""), () => {
    test.each(cases)("$title", (golden) => {
      const infers = pass === PASSES["infer-shapes"] || pass === PASSES.optimize;
      const graph = graphOf(golden.input, !infers);
      verifyGraph(graph, !infers);
      const before = cloneGraph(graph);
      const constants = constantBytes(before);
      const summary = pass(graph);
      verifyGraph(graph);
      verifyGraph(cloneGraph(graph));
      inferTypes(graph);
      expect(constantBytes(before), "constants are never changed in place").toBe(constants);
      for (const seed of [1, 2]) {
        const inputs = randomInputs(before, seed);
        const expected = evaluateGraph(before, inputs);
        // Folded constants are rounded once more than the nodes they replace.
        evaluateGraph(graph, inputs).forEach((output, i) =>
          expect(relativeError(expected[i]!, output), `output ${i}, seed ${seed}`).toBeLessThan(1e-5),
        );
      }
      const got = `${summary}\n${graphText(graph)}${provenance(graph)}`.trimEnd();
      results.push({ ...golden, expected: got });
      if (process.env.UPDATE !== "1") expect(got).toBe(golden.expected);
    });
    afterAll(() => {
      if (process.env.UPDATE === "1")
        writeGolden(
          file,
          cases.map((golden) => results.find(({ title }) => title === golden.title) ?? golden),
        );
    });
  });
}
