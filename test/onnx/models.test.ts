/** All shared models are read. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importModel } from "../../compiler/onnx/import.ts";

const folder = join(process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../../shared"), "models");
const models = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".onnx")) : [];

/** Sizes of dynamic dimensions that are no batch. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "charrnn_bronte.onnx": { T: 1 },
  "espcn_x3.onnx": { H: 32, W: 48 },
};

describe.skipIf(models.length === 0)("the shared models", () => {
  it.each(models)("reads %s", (file) => {
    const { graph } = importModel(readFileSync(join(folder, file)), { shapes: SHAPES[file] ?? {}, supports: () => true });
    expect(graph.nodes.length).toBeGreaterThan(5);
    expect(graph.inputs.length).toBeGreaterThan(0);
    for (const input of graph.inputs) expect(input.type?.shape.every((size) => size > 0)).toBe(true);
  });
});
