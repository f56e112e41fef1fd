/** A further thread's side: puts the runtime onto the model's memory and works there until the team is dissolved. */
import { instantiateBeside } from "./runtime.ts";
import { type Duty, takePartInAll } from "./team.ts";
import type { Order, Report } from "./thread-protocol.ts";

/** How a kind of worker hears and reports. */
export interface ThreadScope {
  onOrder(handler: (order: Order) => void): void;
  report(report: Report): void;
}

/** Serves until the worker is terminated. */
export function serveThread(scope: ThreadScope): void {
  let begin: (() => void) | undefined;
  scope.onOrder((order) => {
    if ("begin" in order) {
      begin?.();
      return;
    }
    const { module, memory, control, plans, spinMs, slot, slots, data, kernelScratch } = order.assign;
    try {
      const runtime = instantiateBeside(module, memory, kernelScratch);
      const duty: Duty = { control, plans, spinMs, slots, run: (from, to) => runtime.run(from, to, data) };
      begin = () => takePartInAll(duty, slot);
      scope.report({ ready: true });
    } catch (error) {
      scope.report({ failed: error instanceof Error ? error.message : String(error) });
    }
  });
}
