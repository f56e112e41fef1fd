/** A model for several sizes of its dynamic dimensions: one program with a variant for each further set of sizes, over the same constants. */
import { joinPrograms, type Program, programsOf } from "../host/program.ts";
import { type Binding, bindingText } from "./bindings.ts";
import { CompileError } from "./errors.ts";
import { createPause } from "./event-loop.ts";
import type { Graph } from "./ir/graph.ts";
import type { CompileOptions } from "./options.ts";
import { importGraph } from "./pipeline.ts";
import type { Description } from "./plan/plan.ts";
import { transplantQuantization } from "./quantize/transplant.ts";
import { addBatches } from "./run/batch.ts";
import { compileTogether } from "./run/graph-runner.ts";

/** The graph for the first sizes, and what pruning and quantizing made of it; null where nothing. */
export interface FirstPlan {
  readonly base: Graph;
  readonly changed: Graph | null;
}

/** Compiles all plans. Throws what importing throws, with the sizes, and `structure-differs`. */
export async function compilePlans(
  onnx: Uint8Array,
  options: CompileOptions,
  bindings: readonly [Binding, ...Binding[]],
  { base, changed }: FirstPlan,
  description: Description,
  module: WebAssembly.Module,
): Promise<{ readonly program: Program; readonly warnings: readonly string[] }> {
  const pause = createPause(options.signal);
  const [first, ...others] = bindings;
  const graphs: Graph[] = [changed ?? base];
  for (const binding of others) {
    await pause();
    options.onProgress?.({ phase: "plans", done: graphs.length, total: bindings.length });
    const graph = importFor(onnx, options, binding);
    if (changed) transplantQuantization({ base, changed }, graph, `${bindingText(first)} and ${bindingText(binding)}`);
    graphs.push(graph);
  }
  await pause();
  const joined = compileTogether(graphs, description);
  const sized = programsOf(joined).map((program, i): Program => {
    const sizes = Object.entries(bindings[i]!).map(([name, size]) => ({ name, size }));
    return { ...program, metadata: { ...program.metadata, sizes } };
  });
  await pause();
  const { programs, mixing } = addBatches(sized, bindings, module);
  const [one, ...more] = programs;
  if (!one) throw new Error("unreachable: no plan");
  return {
    program: joinPrograms([one, ...more]),
    warnings:
      mixing === undefined
        ? []
        : [`What stands in ${mixing} depends on each other: a run has to fill it, since filling it up would change results.`],
  };
}

/** Reads the model for further sizes; what is wrong with it is said with them. */
function importFor(onnx: Uint8Array, options: CompileOptions, binding: Binding): Graph {
  try {
    return importGraph(onnx, options, binding).graph;
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    throw new CompileError(error.code, `With ${bindingText(binding)}: ${error.message}`, { ...error.details, sizes: binding }, error.fault);
  }
}
