/** Whether a compilation has workers, and how many: those that were asked for, where there is work for them. */
import { CompileError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import type { CrewedOptions } from "../pipeline.ts";
import { macsOf } from "../report/macs.ts";
import type { Report } from "../report/report.ts";
import { startWorkers } from "./crew.ts";

/** A model of fewer multiply-accumulates is compiled before workers have started. */
const LITTLE_WORK = 2e6;

/** Does `work` with the workers that `options` ask for, and ends them. Rejects as `work` does, or with the signal's reason. */
export async function withCrew<Result>(
  graph: Graph,
  module: WebAssembly.Module,
  options: CompileOptions,
  work: (options: CrewedOptions, workers: Report["workers"]) => Promise<Result>,
): Promise<Result> {
  const { workers = 1, startWorker, signal } = options;
  const reason = reasonAgainst(graph, options);
  if (workers === 1 || startWorker === undefined || reason) return work(options, { count: 1, reason });
  let crew: Awaited<ReturnType<typeof startWorkers>>;
  try {
    crew = await startWorkers(workers, startWorker, module, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CompileError)) throw error;
    return work(options, { count: 1, reason: error.message });
  }
  try {
    return await work({ ...options, crew }, { count: workers, reason: null });
  } finally {
    crew.end();
  }
}

/** Why there are no workers although some were asked for. */
function reasonAgainst(graph: Graph, { workers = 1, calibration }: CompileOptions): string | null {
  if (workers === 1) return null;
  if (calibration === undefined) return "there are no samples to share out";
  const macs = graph.nodes.reduce((sum, node) => sum + macsOf(node), 0);
  return macs < LITTLE_WORK ? "so small a model is compiled before they have started" : null;
}
