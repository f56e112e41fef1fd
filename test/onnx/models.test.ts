/** All shared models are read, written, and read again to the same graph. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { graphText } from "../../compiler/ir/text.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { importModel } from "../../compiler/onnx/import.ts";

const folder = join(process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../../shared"), "models");
const models = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".onnx")) : [];
if (models.length === 0) console.log("skipped: the shared models are not there (EQM_ASSETS)");

/** Sizes of dynamic dimensions that are no batch. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "charrnn_bronte.onnx": { T: 1 },
  "espcn_x3.onnx": { H: 32, W: 48 },
};

describe.skipIf(models.length === 0)("the shared models", () => {
  it.each(models)("%s", (file) => {
    const first = importModel(readFileSync(join(folder, file)), { shapes: SHAPES[file] ?? {}, supports: () => true });
    expect(first.graph.nodes.length).toBeGreaterThan(5);
    for (const input of first.graph.inputs) expect(input.type?.shape.every((size) => size > 0)).toBe(true);
    const bytes = exportModel(first.graph, first.metadata);
    const second = importModel(bytes, { supports: () => true });
    expect(graphText(second.graph)).toBe(graphText(first.graph));
    expect(Buffer.compare(exportModel(second.graph, second.metadata), bytes)).toBe(0);
  });
});
