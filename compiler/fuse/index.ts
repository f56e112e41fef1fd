/**
 * Fewer passes over memory: from a lowered program to one that gives the same bytes with fewer steps and smaller regions.
 *
 * Rules look at steps and regions alone, whatever operators they came from. Values that only the given program holds are gone in the result, so
 * programs that are to be observed are planned as they are.
 */
import type { Lowered } from "../lower/lowered.ts";
import { computeInPlace } from "./compute-in-place.ts";
import { joinPlacedCopies } from "./join-placed-copies.ts";
import { fuseLayerNorms } from "./layer-norm-i8.ts";
import { quantizeTransposed } from "./quantize-transposed.ts";

/** Fuses steps. The result has no placements: nothing between its steps is for observation. */
export function fuseSteps(lowered: Lowered): Lowered {
  const fused = [quantizeTransposed, fuseLayerNorms, joinPlacedCopies, computeInPlace].reduce((program, rule) => rule(program), lowered);
  return { ...fused, placements: new Map() };
}
