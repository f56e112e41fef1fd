/** Runs a model through the shipped compiler and runtime, in float32. */
import { compile } from "../../compiler/index.ts";
import { importGraph } from "../../compiler/pipeline.ts";
import { actualShape, load } from "../../host/index.ts";
import type { Tensor } from "../../host/tensor.ts";
import { shapeInputs } from "./shape-inputs.ts";
import type { NamedTensor } from "./suite.ts";

/** What a compiled model gave. */
export interface CompiledRun {
  readonly outputs: readonly Tensor[];
  /** Folding constants alone produced every output: no kernel ran. */
  readonly isFolded: boolean;
}

/** Compiles a model and runs it. Inputs that decide shapes are bound as constants; all others stay inputs. */
export async function runCompiled(model: Uint8Array, inputs: readonly NamedTensor[]): Promise<CompiledRun> {
  const deciding = shapeInputs(model);
  const pick = (decides: boolean): Readonly<Record<string, Tensor>> =>
    Object.fromEntries(inputs.filter(({ name }) => deciding.has(name) === decides).map(({ name, tensor }) => [name, tensor]));
  const options = { precision: "float32", constants: pick(true) } as const;
  const { graph } = importGraph(model, options);
  const { bytes } = await compile(model, options);
  const loaded = await load(bytes);
  try {
    const results = loaded.run(pick(false));
    const outputs = loaded.outputs.map(
      (output): Tensor => ({ dtype: output.dtype, shape: actualShape(output, results[output.name]!), data: results[output.name]! }),
    );
    return { outputs, isFolded: graph.outputs.every(({ constant }) => constant !== null) };
  } finally {
    loaded.dispose();
  }
}
