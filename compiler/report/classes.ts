/** Scores of classes: which is the best, and where a label stands among them. */

/** Anything that holds scores. */
export type Scores = ArrayLike<number | bigint>;

/** The index of the highest score, the first of equals; NaN counts as lowest. */
export function bestClass(scores: Scores): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) {
    const value = scores[i] as number;
    const highest = scores[best] as number;
    if (value > highest || (Number.isNaN(highest) && !Number.isNaN(value))) best = i;
  }
  return best;
}

/**
 * Whether fewer than `k` classes come before `label`: those with a higher score, and of equals those with a lower index.
 * A label whose score is NaN is not among the best.
 *
 * @param label in [0, scores.length)
 */
export function isAmongBest(scores: Scores, label: number, k: number): boolean {
  const own = scores[label] as number;
  if (Number.isNaN(own)) return false;
  let before = 0;
  for (let i = 0; i < scores.length && before < k; i++) {
    const value = scores[i] as number;
    if (value > own || (value === own && i < label)) before++;
  }
  return before < k;
}

/** The `k` best classes, best first, with the order of `isAmongBest`. */
export function bestClasses(scores: Scores, k: number): readonly number[] {
  const rank = (i: number): number => (Number.isNaN(Number(scores[i])) ? Number.NEGATIVE_INFINITY : Number(scores[i]));
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? a - b : second > first ? 1 : -1;
  });
  return order.slice(0, k);
}

/** Whether an output's shape is one score for each class: at most one dimension behind the batch is not 1. */
export function isClassScores(shape: readonly number[], batch: number): boolean {
  const dims = shape.slice(shape.length > 1 && shape[0] === batch ? 1 : 0).filter((size) => size !== 1);
  return dims.length === 1;
}
