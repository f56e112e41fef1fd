/**
 * Judges a compressed model by samples that nothing was fitted to: the SQNR of its outputs, how often its top class is the float32 model's,
 * and, where the samples are labelled, how often it is right.
 */
import { CompileError } from "../errors.ts";
import { type Graph, typeOf } from "../ir/graph.ts";
import { log } from "../ops/mathematics.ts";
import type { Description } from "../plan/plan.ts";
import type { Sample } from "../quantize/calibrate.ts";
import { bestClass, isClassScores } from "../report/classes.ts";
import { type Decisions, decisionsOf, distance } from "../run/decisions.ts";

/** What a model was found to be worth. */
export interface Verdict {
  /** SQNR of the outputs, before a final Softmax or Sigmoid, of the worst one, in dB. */
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
  private readonly run: (graph: Graph) => Promise<Decisions>;
  private readonly expected: Decisions;
  /** Index of the output of class scores and how many samples its rows are, or null. */
  private readonly scores: { readonly output: number; readonly rows: number } | null;
  /** The right classes, one for each row; null: not known. */
  private readonly labels: readonly number[] | null;
  private readonly floatClasses: readonly number[];

  private constructor(
    run: (graph: Graph) => Promise<Decisions>,
    expected: Decisions,
    scores: HeldOut["scores"],
    labels: readonly number[] | null,
  ) {
    this.run = run;
    this.expected = expected;
    this.scores = scores;
    this.labels = labels;
    this.floatClasses = this.classesOf(expected);
    const chance = scores ? scores.rows / expected[0]![scores.output]!.length : 0;
    const right = labels ? share(this.floatClasses, labels) : 1;
    if (right <= chance) throw uselessLabels(right);
  }

  /** Runs the float32 model on the samples. `labelsOf` gives the right classes of a sample, one for each of its rows, where they are known. */
  static async create(
    float: Graph,
    description: Description,
    module: WebAssembly.Module,
    samples: readonly Sample[],
    labelsOf: ((sample: Sample, rows: number) => readonly number[]) | null,
    pause: () => Promise<void>,
  ): Promise<HeldOut> {
    const shapes = float.outputs.map((value) => typeOf(value).shape);
    const batch = float.inputs[0] ? (typeOf(float.inputs[0]).shape[0] ?? 1) : 1;
    const output = shapes.findIndex((shape) => isClassScores(shape, batch));
    const rows = output >= 0 && shapes[output]!.length > 1 && shapes[output]![0] === batch ? batch : 1;
    const run = async (graph: Graph): Promise<Decisions> => (await decisionsOf(graph, description, module, samples, pause)).decisions;
    const scores = output < 0 ? null : { output, rows };
    return new HeldOut(run, await run(float), scores, labelsOf && scores ? samples.flatMap((sample) => labelsOf(sample, rows)) : null);
  }

  get size(): number {
    return this.expected.length;
  }

  /** What a drop is measured by; null where outputs are no classes. */
  get measure(): DropMeasure | null {
    if (!this.scores) return null;
    return this.labels ? "labels" : "agreement";
  }

  /** Runs a graph on the samples. */
  async judge(graph: Graph): Promise<Verdict> {
    const measured = await this.run(graph);
    const sqnrDb = decibels(distance(this.expected, measured));
    if (!this.scores) return { sqnrDb, agreement: null, drop: null };
    const classes = this.classesOf(measured);
    const agreement = share(classes, this.floatClasses);
    const lost = this.labels ? share(this.floatClasses, this.labels) - share(classes, this.labels) : 1 - agreement;
    return { sqnrDb, agreement, drop: lost * 100 };
  }

  private classesOf(results: Decisions): readonly number[] {
    if (!this.scores) return [];
    const { output, rows } = this.scores;
    return results.flatMap((outputs) => {
      const scores = outputs[output]!;
      const size = scores.length / rows;
      return Array.from({ length: rows }, (_, row) => bestClass(scores.subarray(row * size, (row + 1) * size)));
    });
  }
}

function uselessLabels(right: number): CompileError {
  return new CompileError(
    "useless-labels",
    `The float32 model gives the right class of ${(right * 100).toFixed(1)} % of the labelled samples, no more than by chance: a drop cannot be told by such labels. Are they counted from 0, in the order of the samples?`,
    { right },
  );
}

/** Noise as a part of the signal, in dB; ±200 where there is none, or nothing else. */
function decibels(noise: number): number {
  return noise > 0 ? Math.max(-200, Math.min(200, (-10 / Math.LN10) * log(noise))) : 200;
}

function share(some: readonly number[], others: readonly number[]): number {
  return some.filter((x, i) => x === others[i]).length / Math.max(1, some.length);
}
