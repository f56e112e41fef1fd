/**
 * Writes the .tflite of an ONNX model: `node bench/tflite/compile.mjs MODEL.onnx OUT.tflite [NAME=SIZE…] [LOW,HIGH]`, with the sizes of
 * dynamic dimensions and the range of an output that a quantized model leaves unquantized. Prints the model's ports as JSON.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { buildSync } from "esbuild";
import { ROOT } from "../models.mjs";
import { toTflite } from "./convert.mjs";
import { writeTflite } from "./format.mjs";

const [source, target, ...options] = process.argv.slice(2);
const sizes = options.filter((option) => option.includes("=")).map((option) => option.split("="));
const range = options
  .find((option) => option.includes(","))
  ?.split(",")
  .map(Number);

const { importGraph, channelsLast } = await compilerParts();
const shapes = Object.fromEntries(sizes.map(([name, size]) => [name, Number(size)]));
const { graph } = importGraph(new Uint8Array(readFileSync(source)), { shapes });
channelsLast(graph);
const { ports, ...model } = toTflite(graph, range);
writeFileSync(target, writeTflite(model));
console.log(JSON.stringify(ports));

/** The first stages of the compiler; its package does not give the graph away. */
async function compilerParts() {
  const contents = `
    export { importGraph } from "./compiler/pipeline.ts";
    export { channelsLast } from "./compiler/passes/channels-last.ts";`;
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
