/**
 * How much is pruned after each step of pruning that alternates with training, or goes in rounds:
 *
 *   cubic     s_t = s_f + (s_i − s_f)·(1 − t/n)³   (Zhu & Gupta 2017): much while much is left, little at the end
 *   linear    s_t = s_i + (s_f − s_i)·t/n
 *   one-shot  s_t = s_f
 */
import { CompileError } from "../errors.ts";

/** The names of schedules. */
export const SCHEDULES = ["cubic", "linear", "one-shot"] as const;

/** A schedule of pruning. */
export interface PruningSchedule {
  /** "cubic" by default. */
  readonly kind?: (typeof SCHEDULES)[number];
  /** The sparsity at the start, 0 by default: from 0 to `to`. */
  readonly from?: number;
  /** The sparsity at the end: below 1. */
  readonly to: number;
  /** How many times something is pruned: 1 or more. */
  readonly steps: number;
}

/**
 * The sparsity after each of `steps` steps; the last one is `to`. What `prune` takes, one after the other. Throws `bad-option`.
 *
 *   pruningSchedule({ to: 0.75, steps: 4 })  →  [0.43359375, 0.65625, 0.73828125, 0.75]
 */
export function pruningSchedule({ kind = "cubic", from = 0, to, steps }: PruningSchedule): readonly number[] {
  if (!SCHEDULES.includes(kind)) throw badSchedule("kind", kind, SCHEDULES.join(", "));
  if (!(to >= 0 && to < 1)) throw badSchedule("to", to, "a number from 0, below 1");
  if (!(from >= 0 && from <= to)) throw badSchedule("from", from, "a number from 0 to `to`");
  if (!Number.isSafeInteger(steps) || steps < 1) throw badSchedule("steps", steps, "a positive integer");
  return Array.from({ length: steps }, (_, i) => {
    const left = kind === "one-shot" ? 0 : (steps - 1 - i) / steps;
    return to + (from - to) * (kind === "cubic" ? left * left * left : left);
  });
}

function badSchedule(name: string, got: unknown, expected: string): CompileError {
  return new CompileError(
    "bad-option",
    `A pruning schedule's ${name} is ${JSON.stringify(got)}; it takes ${expected}.`,
    { option: name, got, expected },
    "usage",
  );
}
