/** onnxruntime-node: native code, the bound that a WebAssembly runtime is held against. */
import { readFileSync } from "node:fs";
import { openSession } from "./ort.mjs";

export async function prepare() {
  return (await import("onnxruntime-node")).default;
}

export async function load(path, { threads = 1 }) {
  return openSession(await prepare(), "node", path, { executionProviders: ["cpu"], intraOpNumThreads: threads, interOpNumThreads: 1 });
}

export function version() {
  return JSON.parse(readFileSync(new URL("../node_modules/onnxruntime-node/package.json", import.meta.url), "utf8")).version;
}

/** A native addon: nothing that a page could fetch. */
export function downloads() {
  return [];
}
