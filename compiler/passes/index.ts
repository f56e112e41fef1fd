/**
 * The float passes in order. Every pass keeps what the graph computes, to the rounding of folded constants; none looks at data.
 *
 *   infer-shapes          types for all values; folds what is constant, shape arithmetic included
 *   decompose             operators that are stated in others, so that their parts are fused like any other's
 *   quantized/            the form of models that come quantized, where there are such nodes
 *   ┌ remove-no-ops       so that the patterns below are not interrupted
 *   │ fuse-silu           before scales are folded out of its patterns
 *   │ fuse-gelu             likewise; and layer normalizations before their scales find another way
 *   │ fuse-layer-norm
 *   │ merge-clips
 *   │ fuse-pad            before padding hides that a Conv pads nothing
 *   │ fuse-bias           before BatchNorm and scales, which it makes foldable
 *   │ fuse-scale
 *   │ fuse-batch-norm     last of the foldings: what it cannot fold becomes a Conv of its own
 *   └ eliminate-dead-code    … again while something changed
 *   fuse-activations      once nothing else changes, for a clamp between stops the foldings; then again from remove-no-ops
 *   quantized/complete    quantization through what only moves elements, which would stop the foldings; then weights that int8 does not hold
 *
 * Not here: channels-last and flatten-weights, which need the final graph and run before lowering.
 */
import type { Graph } from "../ir/graph.ts";
import { decompose } from "./decompose.ts";
import { eliminateDeadCode } from "./eliminate-dead-code.ts";
import { fuseActivations } from "./fuse-activations.ts";
import { fuseBatchNorm } from "./fuse-batch-norm.ts";
import { fuseBias } from "./fuse-bias.ts";
import { fuseGelu } from "./fuse-gelu.ts";
import { fuseLayerNorm } from "./fuse-layer-norm.ts";
import { fusePad } from "./fuse-pad.ts";
import { fuseScale } from "./fuse-scale.ts";
import { fuseSilu } from "./fuse-silu.ts";
import { inferShapes } from "./infer-shapes.ts";
import { mergeClips } from "./merge-clips.ts";
import { completeQuantization } from "./quantized/complete.ts";
import { foldQuantizedConstants } from "./quantized/fold-constants.ts";
import { isQuantized, toRealForm } from "./quantized/layers.ts";
import { moveReals } from "./quantized/real-movement.ts";
import { makeSigned } from "./quantized/signed.ts";
import { splitWideWeights } from "./quantized/wide-weights.ts";
import { removeNoOps } from "./remove-no-ops.ts";

const PASSES: readonly ((graph: Graph) => number)[] = [
  removeNoOps,
  fuseSilu,
  fuseGelu,
  fuseLayerNorm,
  mergeClips,
  fusePad,
  fuseBias,
  fuseScale,
  fuseBatchNorm,
  eliminateDeadCode,
];

/**
 * Every rewrite removes a node or makes one simpler, so rounds are few; the bound is a guard against two passes that undo each other.
 */
const MAXIMUM_ROUNDS = 50;

/**
 * Optimises the float graph in place. `isToBeQuantized`: what a model that computes in float32 stores in integers becomes real. Errors:
 * those of shape inference.
 */
export function optimize(graph: Graph, isToBeQuantized = false): void {
  inferShapes(graph);
  decompose(graph);
  eliminateDeadCode(graph);
  const hasQuantization = graph.nodes.some(({ op }) => op === "DequantizeLinear" || op === "QuantizeLinear");
  const hasLayers = hasQuantization && isQuantized(graph);
  if (hasLayers) toQuantizedForm(graph);
  else if (hasQuantization && isToBeQuantized) toRealForm(graph);
  for (let round = 0; sweep(graph); round++) if (round === MAXIMUM_ROUNDS) throw new Error("unreachable: the passes undo each other");
  if (!hasLayers) return;
  completeQuantization(graph);
  if (splitWideWeights(graph) > 0) completeQuantization(graph);
}

function toQuantizedForm(graph: Graph): void {
  foldQuantizedConstants(graph);
  moveReals(graph);
  makeSigned(graph);
  eliminateDeadCode(graph);
}

function sweep(graph: Graph): boolean {
  const rewrites = PASSES.map((pass) => pass(graph));
  return rewrites.some((count) => count > 0) || fuseActivations(graph) > 0;
}
