/** Figures of merit over labelled samples. */
import { badData } from "./errors.ts";

/** The metrics of `eqm eval`; each is the share of samples whose class is among the model's k best. */
export const METRICS = { top1: 1, top5: 5 } as const satisfies Readonly<Record<string, number>>;

/** A metric's name. */
export type Metric = keyof typeof METRICS;

/**
 * The class index that `label` means to the model.
 *
 * @throws CompileError `bad-data` where the model has no such class
 */
export function classOf(label: number, offset: number, classes: number, sample: number): number {
  const index = label + offset;
  if (index >= 0 && index < classes) return index;
  const shifted = offset === 0 ? "" : ` (with --label-offset ${offset}: ${index})`;
  throw badData(
    `sample ${sample} has the label ${label}${shifted}, but the model has ${classes} classes, 0 to ${classes - 1}. --label-offset N adds N to every label.`,
  );
}
