/** Three shared models from .onnx to .eqm and back to their labels, on 100 samples each. Skipped where ../shared is absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDataset } from "../compiler/cli/data/dataset.ts";
import { createFeeder } from "../compiler/cli/data/feeds.ts";
import { readLabels } from "../compiler/cli/data/labels.ts";
import { preprocessFileBeside, readPreprocessSpec } from "../compiler/cli/data/preprocess-file.ts";
import { Difference } from "../compiler/cli/difference.ts";
import { compile } from "../compiler/index.ts";
import { bestClass } from "../compiler/report/classes.ts";
import { load, type Model, type Tensor } from "../host/index.ts";

const assets = process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../shared");
const isPresent = existsSync(join(assets, "models/MANIFEST.json"));
if (!isPresent) console.log(`skipped: the shared models are not at ${assets} (EQM_ASSETS)`);

const SAMPLES = 100;

interface SharedModel {
  readonly name: string;
  readonly data: string;
  /** Samples of the first hundred that the float model classifies rightly, in onnxruntime as well. */
  readonly right: number;
  readonly sqnrDb: number;
}

const MODELS: readonly SharedModel[] = [
  { name: "resnet8_cifar10", data: "cifar10", right: 88, sqnrDb: 25 },
  { name: "kws_dscnn", data: "kws", right: 90, sqnrDb: 25 },
  { name: "mnist_cntk", data: "mnist", right: 98, sqnrDb: 35 },
];

describe.skipIf(!isPresent)("a shared model", () => {
  test.each(MODELS)("$name loses at most two of 100 samples in int8", async ({ name, data, right, sqnrDb }) => {
    const path = join(assets, "models", `${name}.onnx`);
    const onnx = readFileSync(path);
    const specPath = preprocessFileBeside(path);
    const spec = specPath === undefined ? {} : { preprocess: readPreprocessSpec(specPath) };
    const float = await load((await compile(onnx, { ...spec, precision: "float32" })).bytes);
    const { bytes, report } = await compile(onnx, { ...spec, calibration: samples(float, join(assets, "data", data, "calib_x.npy")) });
    const int8 = await load(bytes);

    const evaluation = openDataset(join(assets, "data", data, "eval_x.npy"));
    const labels = readLabels(join(assets, "data", data, "eval_y.npy"), evaluation);
    evaluation.close();
    const difference = new Difference();
    const correct = { float: 0, int8: 0 };
    let i = 0;
    for await (const sample of samples(float, join(assets, "data", data, "eval_x.npy"), SAMPLES)) {
      const wanted = scoresOf(float, sample);
      const got = scoresOf(int8, sample);
      difference.add(wanted, got);
      if (bestClass(wanted) === labels[i]) correct.float++;
      if (bestClass(got) === labels[i]) correct.int8++;
      i++;
    }
    expect(i).toBe(SAMPLES);
    expect(correct.float).toBe(right);
    expect(correct.int8).toBeGreaterThanOrEqual(right - 2);
    expect(difference.sqnrDb).toBeGreaterThan(sqnrDb);
    expect(report.calibration?.synthetic).toBe(false);
    expect(bytes.length / onnx.length).toBeLessThan(0.3);
    float.dispose();
    int8.dispose();
  });
});

async function* samples(model: Model, path: string, limit = Infinity): AsyncGenerator<Readonly<Record<string, Tensor>>> {
  const data = openDataset(path);
  const feeder = await createFeeder(model.inputs, model.metadata.preprocess, data);
  for (let i = 0; i < Math.min(limit, data.length); i++) yield (await feeder.feed(i)).feeds;
  data.close();
}

function scoresOf(model: Model, sample: Readonly<Record<string, Tensor>>): Float32Array {
  const [output] = model.outputs;
  if (output === undefined) throw new Error("unreachable: a model without outputs");
  const count = output.shape.reduce((a, b) => a * b, 1);
  const scores = new Float32Array(count);
  model.run(sample, { outputs: { [output.name]: scores } });
  return scores;
}
