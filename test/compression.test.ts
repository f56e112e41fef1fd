/** The option `compression` on the shared models: the same model from a smaller file. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compile } from "../compiler/index.ts";
import { Instance } from "../host/instance.ts";
import { readEqm } from "../host/reader.ts";
import { plainModule, scanner } from "./support/small-model.ts";

const models = join(process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../shared"), "models");
const isPresent = existsSync(models);
if (!isPresent) console.log(`skipped: the shared models are not at ${models} (EQM_ASSETS)`);

it.skipIf(!isPresent).each(["mnist_cntk", "resnet8_cifar10", "kws_dscnn"])("%s coded is the same model in fewer bytes", async (name) => {
  const onnx = readFileSync(join(models, `${name}.onnx`));
  const options = { biasCorrection: false, force: true } as const;
  for (const precision of ["int8", "float32"] as const) {
    const plain = await compile(onnx, { ...options, precision, compression: "none" });
    const coded = await compile(onnx, { ...options, precision });
    expect(coded.bytes.length).toBeLessThan(plain.bytes.length);
    expect(coded.report.weightBytes).toBeLessThan(plain.report.weightBytes);
    const [a, b] = [plain.bytes, coded.bytes].map((bytes) => readEqm(bytes, scanner));
    expect(b!.constants.some(({ coding }) => coding)).toBe(true);
    expect(b!.golden).toEqual(a!.golden);
    const [before, after] = [a!, b!].map((program) => new Instance(program, plainModule).bytes(0, program.plan.constantsBytes));
    expect(Buffer.compare(before!, after!)).toBe(0);
  }
});

it("refuses a compression that there is not", async () => {
  const compression = "zip" as unknown as "none";
  await expect(compile(new Uint8Array(), { compression })).rejects.toMatchObject({
    code: "bad-option",
    message: 'The option compression is "zip"; it takes "rans" or "none".',
  });
});
