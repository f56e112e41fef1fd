/** A model quantized to ONNX and compiled from there is the model compiled at once: the same steps, the same bytes out. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compile, quantizeToOnnx } from "../../compiler/index.ts";
import { typeOf } from "../../compiler/ir/graph.ts";
import { importGraph } from "../../compiler/pipeline.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { load } from "../../host/index.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import { elementCount } from "../../host/tensor.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";
import { VARIED } from "../support/varied-network.ts";

const folder = join(process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../../shared"), "models");
const shared = ["resnet8_cifar10", "kws_dscnn"].filter((name) => existsSync(join(folder, `${name}.onnx`)));
if (shared.length === 0) console.log("skipped: the shared models are not there (EQM_ASSETS)");

function samplesOf(onnx: Uint8Array, count: number): Sample[] {
  const random = randomNumbers(5);
  const { inputs } = importGraph(onnx, {}).graph;
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      inputs.map((input) => {
        const { shape } = typeOf(input);
        return [
          input.name,
          { dtype: "float32" as const, shape, data: Float32Array.from({ length: elementCount(shape) }, () => random() * 2 - 1) },
        ];
      }),
    ),
  );
}

async function outputsOf(bytes: Uint8Array<ArrayBuffer>, samples: readonly Sample[]): Promise<readonly unknown[]> {
  const loaded = await load(bytes);
  try {
    return samples.map((sample) =>
      Object.values(loaded.run(Object.fromEntries(Object.entries(sample).map(([name, { data }]) => [name, data])))).map((data) =>
        data.slice(),
      ),
    );
  } finally {
    loaded.dispose();
  }
}

test.each([
  ["a varied network", () => VARIED],
  ...shared.map((name) => [name, () => new Uint8Array(readFileSync(join(folder, `${name}.onnx`)))] as const),
] as const)("%s", async (_, read) => {
  const onnx = read();
  const options = { calibration: samplesOf(onnx, 3), force: true };
  const direct = await compile(onnx, options);
  const exported = await quantizeToOnnx(onnx, options);
  const again = await compile(exported.bytes);
  expect([again.report.alreadyQuantized, again.report.precision, again.report.calibration]).toEqual([true, "int8", null]);
  expect(again.report.layers.map(({ precision }) => precision)).toEqual(direct.report.layers.map(({ precision }) => precision));
  const scanner = createScanner(plainModule);
  const steps = (bytes: Uint8Array): readonly (readonly number[])[] => readEqm(bytes, scanner).plan.steps.map((words) => Array.from(words));
  expect(steps(again.bytes)).toEqual(steps(direct.bytes));
  const samples = samplesOf(onnx, 4);
  expect(await outputsOf(again.bytes, samples)).toEqual(await outputsOf(direct.bytes, samples));
});
