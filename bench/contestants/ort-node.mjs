/** onnxruntime-node: native code on one thread, the bound that a WebAssembly runtime is held against. */
import { readFileSync } from "node:fs";
import { openSession } from "./ort.mjs";

export async function load(path) {
  const { default: ort } = await import("onnxruntime-node");
  return openSession(ort, "node", path, { executionProviders: ["cpu"], intraOpNumThreads: 1, interOpNumThreads: 1 });
}

export function version() {
  return JSON.parse(readFileSync(new URL("../node_modules/onnxruntime-node/package.json", import.meta.url), "utf8")).version;
}

/** A native addon: nothing that a page could fetch. */
export function downloads() {
  return [];
}
