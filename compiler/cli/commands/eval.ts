/** `eqm eval`: how often a model is right. */
import type { TensorDescription } from "../../../host/description.ts";
import { isAmongBest, isClassScores } from "../../report/classes.ts";
import { openDataset } from "../data/dataset.ts";
import { readLabels } from "../data/labels.ts";
import { createPlanFeeder, plansWith, type SizeChoice } from "../data/plan-choice.ts";
import { badData } from "../errors.ts";
import { classOf, METRICS, type Metric } from "../metrics.ts";
import { openModel, preprocessFor } from "../model-file.ts";
import type { Result } from "../output/result.ts";
import { formatFacts } from "../output/table.ts";
import { formatMs, formatPercent } from "../output/units.ts";
import { forEachFeed, outputBuffers, rowOf } from "../sampling.ts";

/** Checked options of the command. */
export interface EvalOptions {
  readonly data: string;
  readonly labels?: string;
  readonly metric: Metric;
  readonly labelOffset: number;
  readonly preprocess?: string;
  readonly shapes: SizeChoice;
  readonly threads: number;
}

/** Runs the command. JSON: `{ metric, value, samples, correct, model, output, classes, msPerSample }`. @throws CompileError, EqmError */
export async function evaluate(path: string, options: EvalOptions): Promise<Result> {
  const data = openDataset(options.data);
  try {
    const labels = readLabels(options.labels, data);
    const { model, kind } = await openModel(path, options.shapes, { threads: options.threads });
    const plans = plansWith(model.plans, kind === "eqm" ? options.shapes : {});
    const { feeder, plan } = await createPlanFeeder(plans, preprocessFor(options.preprocess, path, model.metadata.preprocess), data);
    const outputs = outputBuffers(plan.outputs);
    const output = scoresOf(plan.outputs, feeder.batch);
    let correct = 0;
    let runMs = 0;
    let classes = 0;
    await forEachFeed(feeder, data.length, "evaluating", (feeds, first, used) => {
      const start = performance.now();
      model.run(feeds, { outputs });
      runMs += performance.now() - start;
      for (let i = 0; i < used; i++) {
        const scores = rowOf(outputs[output.name] as Float32Array, output.shape, i, feeder.batch);
        classes = scores.length;
        const label = classOf(labels[first + i] as number, options.labelOffset, classes, first + i);
        if (isAmongBest(scores, label, METRICS[options.metric])) correct++;
      }
    });
    model.dispose();
    const samples = data.length;
    const value = correct / samples;
    const msPerSample = runMs / samples;
    return {
      json: { metric: options.metric, value, samples, correct, model: path, output: output.name, classes, msPerSample },
      text: formatFacts([
        [options.metric, formatPercent(value)],
        ["samples", `${samples} (${correct} right)`],
        ["time", `${formatMs(msPerSample)} a sample`],
      ]),
    };
  } finally {
    data.close();
  }
}

function scoresOf(outputs: readonly TensorDescription[], batch: number): TensorDescription {
  const found = outputs.find(({ shape }) => isClassScores(shape, batch));
  if (found !== undefined) return found;
  const shapes = outputs.map(({ name, shape }) => `${name} ${shape.join("×")}`).join(", ");
  throw badData(
    `none of the model's outputs is one score for each class: ${shapes}. The metrics of this version are for classifiers; eqm compare works for any model.`,
  );
}
