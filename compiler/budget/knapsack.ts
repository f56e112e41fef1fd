/**
 * One choice for each layer, so that the losses add up to the least for what the costs add up to: the multiple-choice knapsack, for all
 * budgets at once. Layers join one after the other; of all that costs about as much, within a part of the dearest, the least loss goes on.
 * Additions and comparisons only: the same on every engine.
 */

/** What a layer may be. */
export interface Choice {
  /** Not negative. */
  readonly cost: number;
  readonly loss: number;
}

/** Choices for all layers. */
export interface Allocation extends Choice {
  /** Index of the choice of each layer. */
  readonly picks: readonly number[];
}

/** Parts of the dearest allocation that are told apart. */
const RESOLUTION = 2048;

interface Partial extends Choice {
  readonly pick: number;
  readonly before: Partial | null;
}

/** The allocations that none other beats in both cost and loss, from the cheapest to the one of least loss. Every layer has a choice. */
export function allocate(layers: readonly (readonly Choice[])[]): readonly Allocation[] {
  const dearest = layers.reduce((sum, choices) => sum + Math.max(...choices.map(({ cost }) => cost)), 0);
  const grain = dearest / RESOLUTION;
  let front: readonly Partial[] = [{ cost: 0, loss: 0, pick: -1, before: null }];
  for (const choices of layers) {
    const joined = front.flatMap((before) =>
      choices.map(({ cost, loss }, pick): Partial => ({ cost: before.cost + cost, loss: before.loss + loss, pick, before })),
    );
    front = unbeaten(joined, grain);
  }
  return front.map((last) => ({ cost: last.cost, loss: last.loss, picks: picksOf(last) }));
}

/** What nothing cheaper beats; of neighbours within a grain, the one of least loss. */
function unbeaten(all: readonly Partial[], grain: number): readonly Partial[] {
  const sorted = [...all].sort((a, b) => a.cost - b.cost || a.loss - b.loss);
  const kept: Partial[] = [];
  for (const next of sorted) {
    const last = kept[kept.length - 1];
    if (last && next.loss >= last.loss) continue;
    const cheapest = kept.length < 2;
    if (last && !cheapest && next.cost - kept[kept.length - 2]!.cost < grain) kept.pop();
    kept.push(next);
  }
  return kept;
}

function picksOf(last: Partial): readonly number[] {
  const picks: number[] = [];
  for (let at: Partial | null = last; at?.before; at = at.before) picks.unshift(at.pick);
  return picks;
}
