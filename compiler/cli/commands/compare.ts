/** `eqm compare`: how far a compiled model's outputs are from those of the model that it came from. */

import type { PlanDescription, TensorDescription } from "../../../host/description.ts";
import type { Shapes } from "../../bindings.ts";
import { bestClass, isClassScores } from "../../report/classes.ts";
import { openDataset } from "../data/dataset.ts";
import { createPlanFeeder, plansWith, type SizeChoice } from "../data/plan-choice.ts";
import { Difference } from "../difference.ts";
import { badData } from "../errors.ts";
import { type OpenModel, openModel, preprocessFor } from "../model-file.ts";
import type { Result } from "../output/result.ts";
import { formatTable } from "../output/table.ts";
import { formatPercent, formatReal } from "../output/units.ts";
import { forEachFeed, outputBuffers, rowOf } from "../sampling.ts";

/** Checked options of the command. */
export interface CompareOptions {
  readonly data: string;
  readonly preprocess?: string;
  readonly shapes: SizeChoice;
}

interface Pair {
  readonly name: string;
  readonly otherName: string;
  readonly shape: readonly number[];
  readonly classes: boolean;
  readonly difference: Difference;
  agreed: number;
}

/**
 * Runs the command. JSON: `{ outputs: [{ name, sqnrDb, maxAbs, top1Agreement }], samples }`; `top1Agreement` is a fraction, null for an output
 * that is no list of classes.
 *
 * @throws CompileError, EqmError
 */
export async function compare(referencePath: string, otherPath: string, options: CompareOptions): Promise<Result> {
  const data = openDataset(options.data);
  try {
    const other = await openModel(otherPath, options.shapes);
    const reference = await openModel(referencePath, shapesFor(other, options.shapes));
    const spec = preprocessFor(options.preprocess, referencePath, other.model.metadata.preprocess ?? reference.model.metadata.preprocess);
    const { plan, feeder } = await createPlanFeeder(plansOf(reference, options.shapes), spec, data);
    const otherPlans = plansOf(other, options.shapes);
    const alike = otherPlans.find((candidate) => JSON.stringify(inputsOf(candidate)) === JSON.stringify(inputsOf(plan)));
    const { plan: otherPlan, feeder: otherFeeder } = alike
      ? { plan: alike, feeder: undefined }
      : await createPlanFeeder(otherPlans, spec, data);
    const pairs = pairOutputs(
      { path: referencePath, outputs: plan.outputs },
      { path: otherPath, outputs: otherPlan.outputs },
      feeder.batch,
    );
    const expected = outputBuffers(plan.outputs);
    const got = outputBuffers(otherPlan.outputs);
    await forEachFeed(feeder, data.length, "comparing", async (feeds, first, used) => {
      reference.model.run(feeds, { outputs: expected });
      const otherFeeds = otherFeeder ? (await otherFeeder.feed(first)).feeds : feeds;
      other.model.run(otherFeeds, { outputs: got });
      for (const pair of pairs)
        compareRows(pair, expected[pair.name] as Float32Array, got[pair.otherName] as Float32Array, used, feeder.batch);
    });
    reference.model.dispose();
    other.model.dispose();
    return report(pairs, data.length);
  } finally {
    data.close();
  }
}

function inputsOf({ inputs }: PlanDescription): unknown {
  return inputs.map(({ name, dtype, shape, scale }) => ({ name, shape, dtype: scale === undefined ? dtype : "float32" }));
}

/** The plans of a model among which --shape leaves a choice; an .onnx was compiled for these sizes. */
function plansOf({ kind, model }: OpenModel, shapes: SizeChoice): readonly [PlanDescription, ...PlanDescription[]] {
  return plansWith(model.plans, kind === "eqm" ? shapes : {});
}

/** The sizes of a compiled model's inputs, as --shape would give them; of an .onnx, whose sizes may still be open, what --shape gives. */
function shapesFor(other: OpenModel, shapes: SizeChoice): Shapes {
  if (other.kind === "onnx") return shapes;
  const [first, ...more] = plansOf(other, shapes).map(({ inputs }) =>
    Object.fromEntries(inputs.flatMap(({ name, shape }) => shape.map((size, axis) => [`${name}:${axis}`, size]))),
  );
  return more.length > 0 ? [first!, ...more] : { ...first, ...(other.model.plans.length === 1 && shapes) };
}

/** The outputs of a plan, and whose it is. */
interface Side {
  readonly path: string;
  readonly outputs: readonly TensorDescription[];
}

function pairOutputs(reference: Side, other: Side, batch: number): readonly Pair[] {
  const { outputs } = other;
  const byName = reference.outputs.every(({ name }) => outputs.some((output) => output.name === name));
  if (!byName && outputs.length !== reference.outputs.length) {
    throw badData(`the models' outputs differ: ${namesOf(reference)} in ${reference.path}, ${namesOf(other)} in ${other.path}.`);
  }
  return reference.outputs.map(({ name, shape }, at) => {
    const match = (byName ? outputs.find((output) => output.name === name) : outputs[at]) as (typeof outputs)[number];
    if (match.shape.join() !== shape.join()) {
      throw badData(
        `the output ${name} is ${shape.join("×")} in ${reference.path}, ${match.shape.join("×")} in ${other.path}. Bind the sizes with --shape.`,
      );
    }
    return { name, otherName: match.name, shape, classes: isClassScores(shape, batch), difference: new Difference(), agreed: 0 };
  });
}

function namesOf({ outputs }: Side): string {
  return outputs.map(({ name }) => name).join(", ");
}

function compareRows(pair: Pair, expected: Float32Array, got: Float32Array, used: number, batch: number): void {
  const rows = pair.shape[0] === batch ? used : 1;
  for (let i = 0; i < rows; i++) {
    const wanted = rowOf(expected, pair.shape, i, batch);
    const found = rowOf(got, pair.shape, i, batch);
    pair.difference.add(wanted, found);
    if (pair.classes && bestClass(wanted) === bestClass(found)) pair.agreed++;
  }
}

function report(pairs: readonly Pair[], samples: number): Result {
  const outputs = pairs.map(({ name, difference, classes, agreed }) => ({
    name,
    sqnrDb: difference.sqnrDb,
    maxAbs: difference.maxAbs,
    top1Agreement: classes ? agreed / samples : null,
  }));
  const rows = outputs.map(({ name, sqnrDb, maxAbs, top1Agreement }) => [
    name,
    sqnrDb.toFixed(2),
    maxAbs === null ? "not finite" : formatReal(maxAbs),
    top1Agreement === null ? "-" : formatPercent(top1Agreement),
  ]);
  const table = formatTable(
    [
      { title: "output" },
      { title: "SQNR dB", align: "right" },
      { title: "max error", align: "right" },
      { title: "same top class", align: "right" },
    ],
    rows,
  );
  return { json: { outputs, samples }, text: `${table}${samples} samples\n` };
}
