/**
 * How long each layer takes on this machine, in the build that `load` would choose here: in float32 as it came, with all of its weights where some are
 * gone, and as it is now. For people; no byte of a file depends on it.
 */
import { StepClock } from "../budget/step-clock.ts";
import type { Pause } from "../event-loop.ts";
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import { type Compiled, compileFused } from "../run/graph-runner.ts";

/** Milliseconds of one model. */
export interface ModelTimes {
  readonly byLayer: ReadonlyMap<string, number>;
  /** Of all steps, those of no layer included. */
  readonly total: number;
}

/** Milliseconds by the names of layers; null where there is no such model. */
export interface LayerTimes {
  /** The build that they were measured with. */
  readonly build: string;
  readonly float32: ModelTimes | null;
  /** In int8 with no weight gone, as run-safe as can be. */
  readonly dense: ModelTimes | null;
  readonly now: ModelTimes;
}

/** What is to be timed. */
export interface TimedModels {
  /** The model in float32 as it came; null where that is what was made, or where it came in int8. */
  readonly float: Graph | null;
  /** The int8 graph that `compiled` is made from; null where it is in float32. */
  readonly int8: Graph | null;
  readonly compiled: Compiled;
  /** Layers of which weights are gone, by name. */
  readonly sparse: ReadonlySet<string>;
}

/** Times the models one after the other, about a quarter of a second each, longer where a run takes more than 25 ms. */
export async function timeLayers({ float, int8, compiled, sparse }: TimedModels, pause: Pause): Promise<LayerTimes> {
  const { metadata } = compiled.program;
  const clock = await StepClock.create(undefined);
  const timesOf = async (model: Compiled): Promise<ModelTimes> => {
    const byLayer = new Map<string, number>();
    const steps = await clock.msOf(model, pause);
    model.stepNodes.forEach((name, step) => {
      if (name) byLayer.set(name, (byLayer.get(name) ?? 0) + steps[step]!);
    });
    return { byLayer, total: steps.reduce((sum, ms) => sum + ms, 0) };
  };
  return {
    now: await timesOf(compiled),
    dense: int8 && sparse.size > 0 ? await timesOf(compileFused(withAllWeights(int8, sparse), metadata)) : null,
    float32: float && (await timesOf(compileFused(float, metadata))),
    build: clock.table().build,
  };
}

/** Of more than four bits, and any four add up to no more than run-safe weights may. */
const ANY_WEIGHT = 16;

/** A copy of an int8 graph in which the weights of some layers are all the same: dense, and run-safe. */
function withAllWeights(int8: Graph, layers: ReadonlySet<string>): Graph {
  const graph = cloneGraph(int8);
  for (const node of graph.nodes) {
    const dequantize = layers.has(node.name) ? node.inputs[1]?.producer : null;
    const weights = dequantize?.op === "DequantizeLinear" ? requiredInput(dequantize, 0) : null;
    if (!dequantize || weights?.constant?.dtype !== "int8") continue;
    const { shape, data } = weights.constant;
    graph.setInput(
      dequantize,
      0,
      graph.addConstant(weights.name, { dtype: "int8", shape, data: new Int8Array(data.length).fill(ANY_WEIGHT) }),
    );
  }
  return graph;
}
