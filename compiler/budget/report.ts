/** What was asked of a budget, and what it came to: a part of the report, plain JSON. */
import type { Pattern } from "../prune/pattern.ts";
import type { WeightBits } from "../quantize/weight-bits.ts";
import type { DropMeasure } from "./held-out.ts";
import type { LatencyTable } from "./step-clock.ts";

/** What a compiled model may take. */
export interface Target {
  /** Bytes of the whole .eqm. */
  readonly bytes?: number;
  /** Multiply-accumulates of one inference by weights that are not zero. */
  readonly macs?: number;
  /** Milliseconds of one inference on one thread of this machine, as its steps add up. */
  readonly latencyMs?: number;
}

/** A model that was made and measured. */
export interface BudgetPoint {
  /** Of the whole file. */
  readonly bytes: number;
  /** Multiply-accumulates by weights that are not zero. */
  readonly macs: number;
  /** As the steps add up; null where no time is limited. */
  readonly latencyMs: number | null;
  /** Noise that the layers' losses add up to, as a part of the outputs' signal, beside that of eight bits. */
  readonly predictedLoss: number;
  /** SQNR of the outputs, before a final Softmax or Sigmoid, on the samples held out; of the worst one, in dB. */
  readonly measuredDb: number;
  /** Part of them whose top class is the float32 model's; null where no output is a list of classes. */
  readonly agreement: number | null;
  /** Points lost on them, of top-1 or of agreement; see `dropBy`. */
  readonly drop: number | null;
  /** Layers by the bits of their weights, and how many are pruned. */
  readonly layersByBits: Readonly<Record<string, number>>;
  readonly prunedLayers: number;
}

/** The report of a search. */
export interface BudgetReport {
  readonly target: Target;
  readonly maxDrop: number | null;
  /** Which weights went together where any did; null where nothing was pruned. */
  readonly pattern: Pattern | null;
  /** Whether the model keeps to all that was asked. */
  readonly met: boolean;
  /** What it does not keep to, in words. */
  readonly unmet: readonly string[];
  /** What a drop is measured by: labels of the samples held out, or the float32 model's top class; null where outputs are no classes. */
  readonly dropBy: DropMeasure | null;
  /** Samples held out: nothing was fitted to them. */
  readonly heldOut: number;
  /** The times that were gone by: those given, and what was missing; null where no time is limited. */
  readonly latencyTable: LatencyTable | null;
  /** How many of them were measured now. */
  readonly measuredTimes: number;
  /** The model that was chosen. */
  readonly point: BudgetPoint;
  /** What was chosen for each layer. */
  readonly chosen: readonly {
    readonly layer: string;
    readonly bits: WeightBits;
    /** The part of its weights that was to go. */
    readonly sparsity: number;
    /** That its weights were expected to take in the file. */
    readonly bytes: number;
    /** Noise that the outputs were expected to get from this layer, as a part of their signal. */
    readonly predictedLoss: number;
  }[];
  /** Models that were made and measured, smallest first; none is beaten by another in both bytes and agreement. */
  readonly front: readonly BudgetPoint[];
}
