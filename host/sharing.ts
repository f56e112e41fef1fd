/** Whether, and how, a model runs on several threads here. */
import { type BuildName, sharedModule } from "./builds.ts";
import type { ThreadStarter, ThreadWorker } from "./crew.ts";
import type { Program } from "./program.ts";
import { type Schedule, schedules } from "./schedule.ts";

/** The most threads that may be asked for. */
export const MAX_THREADS = 64;

/** What several threads need. */
export interface Sharing {
  /** The build for shared memory. */
  readonly module: WebAssembly.Module;
  /** One for each plan. */
  readonly schedules: readonly [Schedule, ...Schedule[]];
  /** Starts one further thread. */
  readonly start: () => ThreadWorker;
  readonly processors: number | undefined;
  readonly patienceMs: number | undefined;
}

/** Shares a proved program out among 2 threads or more; gives a sentence that says why not where it stays on one. */
export async function share(
  program: Program,
  threads: number,
  starter: ThreadStarter | undefined,
  build: BuildName,
): Promise<Sharing | string> {
  if (!starter) return 'This entry starts no threads: import load from "eqm/threads".';
  if (!starter.start) return "There are no workers here.";
  if (typeof SharedArrayBuffer === "undefined")
    return "There is no shared memory here: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.";
  const shared = schedules(program, threads);
  if (!shared.some(({ phases }) => phases.some((slots) => slots.length > 1))) return "No step of the model is large enough to be shared.";
  try {
    return {
      module: await sharedModule(build),
      schedules: shared,
      start: starter.start,
      processors: starter.processors,
      patienceMs: starter.patienceMs,
    };
  } catch (error) {
    return `This engine has no threads in WebAssembly: ${error instanceof Error ? error.message : String(error)}`;
  }
}
