/** `eqm compare`: how far a compiled model's outputs are from those of the model that it came from. */

import { bestClass, isClassScores } from "../../report/classes.ts";
import { openDataset } from "../data/dataset.ts";
import { createFeeder } from "../data/feeds.ts";
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
  readonly shapes: Readonly<Record<string, number>>;
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
    const reference = await openModel(referencePath, { ...shapesOf(other), ...options.shapes });
    const spec = preprocessFor(options.preprocess, referencePath, other.model.metadata.preprocess ?? reference.model.metadata.preprocess);
    const feeder = await createFeeder(reference.model.inputs, spec, data);
    const sameInputs = JSON.stringify(inputsOf(reference)) === JSON.stringify(inputsOf(other));
    const otherFeeder = sameInputs ? undefined : await createFeeder(other.model.inputs, spec, data);
    const pairs = pairOutputs(reference, other, feeder.batch);
    const expected = outputBuffers(reference.model);
    const got = outputBuffers(other.model);
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

function inputsOf({ model }: OpenModel): unknown {
  return model.inputs.map(({ name, dtype, shape, scale }) => ({ name, shape, dtype: scale === undefined ? dtype : "float32" }));
}

/** The sizes of a compiled model's inputs, as --shape would give them; nothing for an .onnx, whose sizes may still be open. */
function shapesOf({ kind, model }: OpenModel): Readonly<Record<string, number>> {
  if (kind === "onnx") return {};
  return Object.fromEntries(model.inputs.flatMap(({ name, shape }) => shape.map((size, axis) => [`${name}:${axis}`, size])));
}

function pairOutputs(reference: OpenModel, other: OpenModel, batch: number): readonly Pair[] {
  const outputs = other.model.outputs;
  const byName = reference.model.outputs.every(({ name }) => outputs.some((output) => output.name === name));
  if (!byName && outputs.length !== reference.model.outputs.length) {
    throw badData(`the models' outputs differ: ${namesOf(reference)} in ${reference.path}, ${namesOf(other)} in ${other.path}.`);
  }
  return reference.model.outputs.map(({ name, shape }, at) => {
    const match = (byName ? outputs.find((output) => output.name === name) : outputs[at]) as (typeof outputs)[number];
    if (match.shape.join() !== shape.join()) {
      throw badData(
        `the output ${name} is ${shape.join("×")} in ${reference.path}, ${match.shape.join("×")} in ${other.path}. Bind the sizes with --shape.`,
      );
    }
    return { name, otherName: match.name, shape, classes: isClassScores(shape, batch), difference: new Difference(), agreed: 0 };
  });
}

function namesOf({ model }: OpenModel): string {
  return model.outputs.map(({ name }) => name).join(", ");
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
