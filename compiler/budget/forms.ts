/**
 * The forms that a layer may take: its bits, and where pruning is allowed how much of it goes.
 *
 *   loss(bits, sparsity)  = loss(bits) + sensitivity · curve(sparsity)
 *   bytes(bits, sparsity) = (1 − sparsity) · bytes(bits) + units · H₂(sparsity) / 8        which of the pattern's units are zero, and the rest
 *
 * The curve is what OBC says that the layer's result loses; the sensitivity is how much of a layer's noise arrives at the outputs, which is
 * known from the forms of fewer bits that were tried. What that is wrong by for a whole file is corrected by the files that are made.
 */
import { log } from "../ops/mathematics.ts";
import { allows, shapeOf, type WeightPattern } from "../prune/pattern.ts";
import type { LossCurve } from "../prune/support.ts";
import type { WeightBits } from "../quantize/weight-bits.ts";
import type { Form } from "./allocations.ts";
import type { TimeOf } from "./form-times.ts";
import { type LayerChoices, sensitivityOf } from "./loss-database.ts";

/** A form, and what it is. */
export interface LayerForms {
  readonly name: string;
  readonly forms: readonly (Form & { readonly bits: WeightBits; readonly sparsity: number })[];
}

/** Parts of a layer's weights that may go. */
export const SPARSITIES = [0.25, 0.5, 0.625, 0.75, 0.9];
/** More of a layer's variance than this is not taken away. */
const MOST_LOST = 0.5;

/** All forms of all layers. A layer without a curve is not pruned. */
export function formsOf(
  layers: readonly LayerChoices[],
  curves: ReadonlyMap<string, LossCurve>,
  pattern: WeightPattern,
  timeOf: TimeOf,
): readonly LayerForms[] {
  return layers.map(({ name, weights, macs, choices }) => {
    const dense = choices.map(({ bits, bytes, loss }) => ({ bits, sparsity: 0, bytes, macs, latencyMs: timeOf(name, bits, 0), loss }));
    const curve = curves.get(name);
    const sensitivity = sensitivityOf(choices);
    if (!curve || sensitivity === null) return { name, forms: dense };
    const { outputs, inputs } = shapeOf(pattern, 0.5);
    const unit = outputs * inputs;
    const sparsities = SPARSITIES.filter((part) => allows(pattern, part) && part <= curve.most && curve.at(part) <= MOST_LOST);
    const pruned = sparsities.flatMap((sparsity) =>
      dense.map(({ bits, bytes, loss }) => ({
        bits,
        sparsity,
        bytes: (1 - sparsity) * bytes + ((weights / unit) * binaryEntropy(sparsity)) / 8,
        macs: (1 - sparsity) * macs,
        latencyMs: timeOf(name, bits, sparsity),
        loss: loss + sensitivity * curve.at(sparsity),
      })),
    );
    return { name, forms: [...dense, ...pruned] };
  });
}

/** Bits that it takes to say which of two kinds something is, where this part is of the one. */
function binaryEntropy(part: number): number {
  return -(part * log(part) + (1 - part) * log(1 - part)) / Math.LN2;
}
