/**
 * Which weights are pruned together, by the names that options take.
 *
 *   channel        whole filters and neurons, cut out
 *   block          8 outputs × 1 input: what the runtime's sparse kernels skip
 *   block8x2       8 outputs × 2 adjacent inputs
 *   unstructured   each weight by itself
 *   nm, N:M        of each M adjacent inputs of an output at most N stay; nm has 4 for M
 *
 * Inputs are in the order in which the file holds them: kernel row, kernel column, channel. Blocks do not reach over a group of a grouped
 * convolution; where outputs or inputs are no multiple, the last ones are smaller.
 */

/** A pattern's name. */
export type Pattern = (typeof PATTERNS)[number] | `${number}:${number}`;

/** The name of a pattern within layers. */
export type WeightPattern = Exclude<Pattern, "channel">;

/** How the weights that go are chosen: by what the results lose (OBC), by |w|·‖x‖ (Wanda), or by |w|. */
export type Criterion = (typeof CRITERIA)[number];

/** The names of criteria. */
export const CRITERIA = ["obc", "wanda", "magnitude"] as const;

/** What becomes of the weights that stay: they are fitted to the samples, or stay as they are, as for a training that follows. */
export type Reconstruction = (typeof RECONSTRUCTIONS)[number];

/** All that can be done with them. */
export const RECONSTRUCTIONS = ["least-squares", "none"] as const;

/** The names of patterns, but N:M. */
export const PATTERNS = ["block", "block8x2", "unstructured", "nm", "channel"] as const;

/** What goes together within a layer. */
export interface Shape {
  /** Outputs that lose the same inputs. */
  readonly outputs: 1 | 8;
  /** Adjacent inputs that go together. */
  readonly inputs: 1 | 2;
  /** Of each `of` adjacent inputs at least `keep` stay. */
  readonly groups: { readonly keep: number; readonly of: number } | null;
}

/** The most inputs of an N:M group. */
const MOST_GROUP = 64;
/** Inputs of a group of "nm". */
const GROUP = 4;

/** Whether a text names a pattern. */
export function isPattern(text: string): text is Pattern {
  if (PATTERNS.some((name) => name === text)) return true;
  const [keep, of] = parts(text);
  return keep >= 1 && of > keep && of <= MOST_GROUP;
}

function parts(text: string): readonly [number, number] {
  const found = /^(\d{1,2}):(\d{1,2})$/.exec(text);
  return found ? [Number(found[1]), Number(found[2])] : [0, 0];
}

/** Whether a pattern can take away this part of the weights: N:M takes (M − N)/M. */
export function allows(pattern: Pattern, sparsity: number): boolean {
  const groups = groupsOf(pattern, sparsity);
  return groups === null || (groups.keep >= 1 && groups.keep < groups.of && Math.abs((1 - sparsity) * groups.of - groups.keep) < 1e-9);
}

/** The shape of a pattern within a layer that is to lose this part of its weights. */
export function shapeOf(pattern: WeightPattern, sparsity: number): Shape {
  if (pattern === "block") return { outputs: 8, inputs: 1, groups: null };
  if (pattern === "block8x2") return { outputs: 8, inputs: 2, groups: null };
  return { outputs: 1, inputs: 1, groups: groupsOf(pattern, sparsity) };
}

function groupsOf(pattern: Pattern, sparsity: number): Shape["groups"] {
  if (pattern === "nm") return { keep: Math.round((1 - sparsity) * GROUP), of: GROUP };
  const [keep, of] = parts(pattern);
  return of > 0 ? { keep, of } : null;
}
