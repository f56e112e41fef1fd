/** The passes on real models: types stay, and test/golden/shared-ops.txt counts what is left. Skipped where ../shared is absent. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { CompileError } from "../../compiler/errors.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { channelsLast } from "../../compiler/passes/channels-last.ts";
import { eliminateDeadCode } from "../../compiler/passes/eliminate-dead-code.ts";
import { flattenWeights } from "../../compiler/passes/flatten-weights.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { inferShapes } from "../../compiler/passes/infer-shapes.ts";
import { evaluateGraph, inferTypes, randomInputs, relativeError } from "./evaluation.ts";

const assets = process.env.EQM_ASSETS ? new URL(`file://${process.env.EQM_ASSETS}/`) : new URL("../../../shared/", import.meta.url);
const folder = new URL("models/", assets);
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".onnx")) : [];
if (names.length === 0) console.log("test/passes/shared-models: skipped, there are no shared models");

/** Sizes of dynamic dimensions that are no batch. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "charrnn_bronte.onnx": { T: 1 },
  "espcn_x3.onnx": { H: 32, W: 48 },
};

/** Models that the references compute within a second. */
const EVALUATED = new Set(["mnist_cntk.onnx", "toyadmos_ae.onnx", "kws_dscnn.onnx", "vww_mobilenetv1_025.onnx", "resnet8_cifar10.onnx"]);

function countsOf(graph: Graph): string {
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([op, count]) => `${op} ${count}`)
    .join(", ");
}

const golden = new URL("../golden/shared-ops.txt", import.meta.url);

describe.skipIf(names.length === 0)("the shared models", () => {
  const lines: string[] = [];
  test.each(names)("%s keeps its types, and what it computes", (name) => {
    const bytes = readFileSync(new URL(name, folder));
    let graph: Graph;
    try {
      graph = importModel(bytes, { shapes: SHAPES[name] ?? {} }).graph;
      optimize(graph);
    } catch (error) {
      if (!(error instanceof CompileError) || error.code !== "unsupported") throw error;
      const ops = new Set((error.details.unsupported as readonly { readonly op: string }[]).map(({ op }) => op));
      lines.push(`${name}: unsupported ${[...ops].sort().join(", ")}`);
      return;
    }
    verifyGraph(graph);
    inferTypes(graph);
    const optimized = countsOf(graph);
    const laidOut = cloneGraph(graph);
    channelsLast(laidOut);
    flattenWeights(laidOut);
    eliminateDeadCode(laidOut);
    verifyGraph(laidOut);
    inferTypes(laidOut);
    lines.push(`${name}\n  optimized:     ${optimized}\n  channels-last: ${countsOf(laidOut)}`);
    if (!EVALUATED.has(name)) return;
    const before = importModel(bytes, { shapes: SHAPES[name] ?? {} }).graph;
    inferShapes(before);
    const inputs = randomInputs(before, 1, 1);
    const expected = evaluateGraph(before, inputs);
    // Folded BatchNormalization is rounded in another place in every layer.
    for (const after of [graph, laidOut])
      evaluateGraph(after, inputs).forEach((output, i) => expect(relativeError(expected[i]!, output)).toBeLessThan(5e-5));
  });

  afterAll(() => {
    if (process.env.UPDATE === "1") writeFileSync(golden, `${lines.join("\n")}\n`);
  });

  test("leave these operators", () => {
    if (process.env.UPDATE !== "1") expect(`${lines.join("\n")}\n`).toBe(readFileSync(golden, "utf8"));
  });
});
