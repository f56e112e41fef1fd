/** One operator compiled in float32 and run on the shipped runtime. */
import type { Attribute } from "../../compiler/ir/graph.ts";
import { Graph } from "../../compiler/ir/graph.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { compileGraph, compilerRuntime, GraphRunner } from "../../compiler/run/graph-runner.ts";
import type { Tensor } from "../../host/tensor.ts";

/** How a node differs from one of computed operands and a single result. */
export interface OneOpOptions {
  readonly outputs?: number;
  /** Indices of operands that are known while compiling. */
  readonly constants?: readonly number[];
}

/** The results of `op` as a compiled model gives them. */
export async function runOp(
  op: string,
  operands: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  { outputs = 1, constants = [] }: OneOpOptions = {},
): Promise<readonly Tensor[]> {
  const graph = new Graph("one");
  const inputs = operands.map((operand, i) => {
    if (!operand) return null;
    return constants.includes(i)
      ? graph.addConstant(`x${i}`, operand)
      : graph.addInput(`x${i}`, { dtype: operand.dtype, shape: operand.shape });
  });
  const names = Array.from({ length: outputs }, (_, i) => ({ name: `y${i}` }));
  const node = graph.add({ op, name: "n", inputs, attributes, outputs: names });
  graph.setOutputs(
    node.outputs,
    names.map(({ name }) => name),
  );
  optimize(graph);
  const compiled = compileGraph(graph, { producer: "test", name: "one" });
  const { module } = await compilerRuntime();
  const runner = new GraphRunner(compiled, module);
  try {
    runner.run(Object.fromEntries(operands.flatMap((operand, i) => (operand ? [[`x${i}`, operand]] : []))));
    return graph.outputs.map(({ type }, i) => ({ dtype: type!.dtype, shape: type!.shape, data: runner.output(names[i]!.name) }));
  } finally {
    runner.dispose();
  }
}
