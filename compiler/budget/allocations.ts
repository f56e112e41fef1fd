/**
 * All allocations that are worth making, by what they are predicted to take. Where several amounts are limited, each mixture of them has a front of
 * its own; what keeps to all limits is looked for in all fronts.
 */
import { type Allocation, allocate } from "./knapsack.ts";

/** What a model takes. */
export interface Amounts {
  readonly bytes: number;
  /** Multiply-accumulates by weights that are not zero. */
  readonly macs: number;
  /** Of the steps, added up; 0 where no time is limited. */
  readonly latencyMs: number;
}

/** Names of what can be limited. */
export type Limited = keyof Amounts;

/** One form of a layer: what it takes, and the noise that it costs. */
export interface Form extends Amounts {
  readonly loss: number;
}

/** Shares of the second of two amounts in a mixture. */
const MIXTURES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** A choice for every layer, and what it takes. */
export interface Plan extends Amounts {
  readonly loss: number;
  readonly picks: readonly number[];
}

/** Fronts of allocations. */
export class Allocations {
  /** From the one that takes least to the one of least loss, by the first amount that is limited. */
  readonly front: readonly Plan[];
  /** The amount that the front goes by. */
  readonly by: Limited;
  private readonly fronts: readonly (readonly Plan[])[];

  /** `limits` are the amounts to be kept to; without any the front goes by bytes. */
  constructor(layers: readonly (readonly Form[])[], limits: Partial<Amounts>) {
    const names = (Object.keys(limits) as Limited[]).filter((name) => limits[name] !== undefined);
    const [first = "bytes", ...others] = names;
    const scale = (name: Limited): number => 1 / (limits[name] ?? 1);
    const plansBy = (cost: (form: Form) => number): readonly Plan[] =>
      allocate(layers.map((forms) => forms.map((form) => ({ cost: cost(form), loss: form.loss })))).map((found) => planOf(layers, found));
    this.by = first;
    this.front = plansBy((form) => form[first]);
    const mixed = others.flatMap((other) =>
      MIXTURES.filter((share) => share > 0).map((share) =>
        plansBy((form) => form[first] * scale(first) * (1 - share) + form[other] * scale(other) * share),
      ),
    );
    this.fronts = [this.front, ...mixed];
  }

  /** The plan of least loss within the limits, or of those that come nearest to them. */
  bestWithin(limits: Partial<Amounts>): Plan {
    let best: Plan | null = null;
    let nearest = this.front[0]!;
    for (const front of this.fronts) {
      for (const plan of front) {
        const over = excess(plan, limits);
        if (over <= 1 && (!best || plan.loss < best.loss)) best = plan;
        if (over < excess(nearest, limits)) nearest = plan;
      }
    }
    return best ?? nearest;
  }

  /** The plan of least loss of all. */
  get finest(): Plan {
    return this.front[this.front.length - 1]!;
  }
}

/** The largest part of a limit that a plan takes; limits that are not positive are beyond anything. */
function excess(plan: Plan, limits: Partial<Amounts>): number {
  let most = 0;
  for (const [name, limit] of Object.entries(limits) as [Limited, number | undefined][]) {
    if (limit === undefined) continue;
    most = Math.max(most, limit > 0 ? plan[name] / limit : Number.MAX_VALUE);
  }
  return most;
}

function planOf(layers: readonly (readonly Form[])[], { loss, picks }: Allocation): Plan {
  const sum = (name: Limited): number => layers.reduce((total, forms, i) => total + forms[picks[i]!]![name], 0);
  return { bytes: sum("bytes"), macs: sum("macs"), latencyMs: sum("latencyMs"), loss, picks };
}
