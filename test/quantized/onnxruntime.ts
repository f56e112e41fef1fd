/** onnxruntime-web on its WebAssembly backend, where bench/ has it installed. */
import { existsSync } from "node:fs";

const PACKAGE = new URL("../../bench/node_modules/onnxruntime-web/dist/ort.node.min.mjs", import.meta.url);

/** Whether there is an onnxruntime-web to compare with. */
export const hasOnnxruntime: boolean = existsSync(PACKAGE);

if (!hasOnnxruntime) console.log("skipped: onnxruntime-web is not in bench/node_modules");

/** A tensor as onnxruntime takes and gives it. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

interface Ort {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(
      bytes: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>>; release(): Promise<void> }>;
  };
}

/** The outputs of a model by name. `optimization` is onnxruntime's graph optimisation level. */
export async function runOnnxruntime(
  model: Uint8Array,
  inputs: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[]; readonly data: unknown }>>,
  optimization: "disabled" | "basic" | "extended" | "all" = "all",
): Promise<Readonly<Record<string, readonly number[]>>> {
  const ort = (await import(PACKAGE.href)) as Ort;
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: optimization, logSeverityLevel: 3 });
  try {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape, data }]) => [name, new ort.Tensor(dtype, data, shape)]),
    );
    const results = await session.run(feeds);
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
  } finally {
    await session.release();
  }
}
