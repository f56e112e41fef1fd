/**
 * A step cut into slices: the same step on a part of its output each, so that threads can share it. A slice is words like any step's; what
 * it gives is bit for bit what the whole step gives there, since no kernel's result depends on where in the tensor it stands.
 */
import { OPCODE } from "../format/plan.ts";
import { type Axis, RULES, type Words } from "./slice-rules.ts";

/** The word with the address of a step's scratch, or undefined where it has none or cannot be cut. */
export function scratchWord(opcode: number): number | undefined {
  return RULES.get(opcode)?.scratch;
}

/** Words of the layout that an opcode's rule was written for, or undefined where it has no rule. */
export function ruleWords(opcode: number): number | undefined {
  return RULES.get(opcode)?.words;
}

/**
 * Cuts a verified step into at most `parts` slices, along the axis that shares it most evenly; undefined where it stays whole. The
 * addresses of scratch are the whole step's.
 */
export function cutStep(words: Words, parts: number): readonly Words[] | undefined {
  let best: readonly number[] | undefined;
  let axis: Axis | undefined;
  const rule = RULES.get(words[OPCODE]!);
  // A layout that has more words than its rule knows of may mean something else by the others.
  if (rule?.words !== words.length) return undefined;
  for (const candidate of rule.axes(words)) {
    const bounds = share(candidate, parts);
    if (bounds.length > 2 && (!axis || !best || largest(bounds) / candidate.length < largest(best) / axis.length)) {
      best = bounds;
      axis = candidate;
    }
  }
  if (!axis || !best) return undefined;
  const slices: Words[] = [];
  for (let i = 0; i + 1 < best.length; i++) {
    const slice = words.slice();
    axis.cut(slice, best[i]!, best[i + 1]!);
    slices.push(slice);
  }
  return slices;
}

/** Where an axis is cut: 0, ascending, its length. */
function share({ length, multiple }: Axis, parts: number): readonly number[] {
  const tiles = Math.ceil(length / multiple);
  const count = Math.min(parts, tiles);
  const bounds = [0];
  for (let i = 1; i <= count; i++) bounds.push(Math.min(length, Math.round((i * tiles) / count) * multiple));
  return bounds;
}

function largest(bounds: readonly number[]): number {
  let most = 0;
  for (let i = 1; i < bounds.length; i++) most = Math.max(most, bounds[i]! - bounds[i - 1]!);
  return most;
}
