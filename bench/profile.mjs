/** How near the dense layers of a compiled model come to what the machine can do: `eqm bench --profile`, read. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** Depth from which a dense layer's loads and stores of results weigh little. */
const LEAST_DEPTH = 256;

/** Rows from which a layer is a matrix product: with fewer, reading the weights is what takes the time. */
const LEAST_ROWS = 8;

/**
 * @param {string} path of a .eqm
 * @returns {{ layers: number, macs: number, ofPeak: number, lowest: { shape: string, ofPeak: number } } | { label: string, error: string } | undefined} of the layers with at
 *   least LEAST_DEPTH multiplications for each result: how many, and the fraction of the instruction's measured peak that they reach
 *   together and the lowest one; undefined where there are none
 */
export function profileDense(path, { node, dist }) {
  const { status, stdout, stderr } = spawnSync(node, [join(dist, "cli.js"), "bench", path, "--profile", "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) return { label: "eqm bench --profile", error: `exit ${status}: ${stderr.trim().split("\n").at(-1)}` };
  const layers = JSON.parse(stdout).steps.filter(isDense);
  if (layers.length === 0) return undefined;
  const sum = (of) => layers.reduce((total, layer) => total + of(layer), 0);
  const { shape, ofPeak } = layers.reduce((worst, layer) => (layer.ofPeak < worst.ofPeak ? layer : worst));
  return {
    layers: layers.length,
    macs: sum(({ macs }) => macs),
    // The time that they would take at the peak, over the time that they take.
    ofPeak: sum((layer) => layer.ofPeak * layer.ms) / sum(({ ms }) => ms),
    lowest: { shape, ofPeak },
  };
}

/** The shapes are those of compiler/cli/profile/work.ts: `3×3 s2 64→128 @14×14`, `linear 384→1536 ×128`. */
function isDense({ shape, macs, ofPeak }) {
  const [, kernelH = 1, kernelW = 1, inC, outC] = /^(?:(\d+)×(\d+)(?: [sd]\S+)* |linear )(\d+)→(\d+)(?! groups)/.exec(shape) ?? [];
  if (inC === undefined || ofPeak === undefined) return false;
  const depth = kernelH * kernelW * inC;
  return depth >= LEAST_DEPTH && macs / depth / outC >= LEAST_ROWS;
}
