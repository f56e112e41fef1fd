/**
 * Judges a compressed model by samples that nothing was fitted to: the SQNR of its outputs, how often its top class is the float32 model's,
 * and, where the samples are labelled, how often it is right.
 */
import type { Sample } from "../quantize/calibrate.ts";
import { meanSqnrDb, type Outputs, outputsOf } from "../quantize/output-measure.ts";
import { bestClass, isClassScores } from "../report/classes.ts";
import type { Compiled } from "../run/graph-runner.ts";

/** What a model was found to be worth. */
export interface Verdict {
  /** SQNR of the outputs, averaged over the samples, in dB. */
  readonly sqnrDb: number;
  /** Part of the samples whose top class is the float32 model's; null where no output is a list of classes. */
  readonly agreement: number | null;
  /** Points that are lost: of top-1 where there are labels, else of agreement; null where neither is known. */
  readonly drop: number | null;
}

/** What `drop` is measured by. */
export type DropMeasure = "labels" | "agreement";

/** Samples that are held out, with the float32 model's results on them. */
export class HeldOut {
  private readonly module: WebAssembly.Module;
  private readonly samples: readonly Sample[];
  private readonly pause: () => Promise<void>;
  private readonly expected: readonly Outputs[];
  /** Index of the output of class scores and how many samples its rows are, or null. */
  private readonly scores: { readonly output: number; readonly rows: number } | null;
  /** The right classes, one for each row; null: not known. */
  private readonly labels: readonly number[] | null;
  private readonly floatClasses: readonly number[];

  private constructor(
    module: WebAssembly.Module,
    samples: readonly Sample[],
    pause: () => Promise<void>,
    expected: readonly Outputs[],
    scores: HeldOut["scores"],
    labels: readonly number[] | null,
  ) {
    this.module = module;
    this.samples = samples;
    this.pause = pause;
    this.expected = expected;
    this.scores = scores;
    this.labels = labels;
    this.floatClasses = this.classesOf(expected);
  }

  /** Runs the float32 model on the samples. `labelsOf` gives the right classes of a sample, one for each of its rows, where they are known. */
  static async create(
    float: Compiled,
    module: WebAssembly.Module,
    samples: readonly Sample[],
    labelsOf: ((sample: Sample) => readonly number[]) | null,
    pause: () => Promise<void>,
  ): Promise<HeldOut> {
    const { inputs, outputs } = float.program.metadata;
    const batch = inputs[0]?.shape[0] ?? 1;
    const output = outputs.findIndex(({ shape }) => isClassScores(shape, batch));
    const rows = output >= 0 && outputs[output]!.shape.length > 1 && outputs[output]!.shape[0] === batch ? batch : 1;
    const scores = output < 0 ? null : { output, rows };
    return new HeldOut(
      module,
      samples,
      pause,
      await outputsOf(float, module, samples, pause),
      scores,
      labelsOf && scores ? samples.flatMap(labelsOf) : null,
    );
  }

  get size(): number {
    return this.samples.length;
  }

  /** What a drop is measured by; null where outputs are no classes. */
  get measure(): DropMeasure | null {
    if (!this.scores) return null;
    return this.labels ? "labels" : "agreement";
  }

  /** Runs a model on the samples. */
  async judge(compiled: Compiled): Promise<Verdict> {
    const measured = await outputsOf(compiled, this.module, this.samples, this.pause);
    const sqnrDb = meanSqnrDb(this.expected, measured);
    if (!this.scores) return { sqnrDb, agreement: null, drop: null };
    const classes = this.classesOf(measured);
    const agreement = share(classes, this.floatClasses);
    const lost = this.labels ? share(this.floatClasses, this.labels) - share(classes, this.labels) : 1 - agreement;
    return { sqnrDb, agreement, drop: lost * 100 };
  }

  private classesOf(results: readonly Outputs[]): readonly number[] {
    if (!this.scores) return [];
    const { output, rows } = this.scores;
    return results.flatMap((outputs) => {
      const scores = Array.from(outputs[output]!);
      const size = scores.length / rows;
      return Array.from({ length: rows }, (_, row) => bestClass(scores.slice(row * size, (row + 1) * size)));
    });
  }
}

function share(some: readonly number[], others: readonly number[]): number {
  return some.filter((x, i) => x === others[i]).length / Math.max(1, some.length);
}
