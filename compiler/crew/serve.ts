/** A worker's side: opens jobs and does what it is told, one order after the other. */
import { type Order, plainFault, type Report } from "./protocol.ts";
import type { Job, Place } from "./trade.ts";
import { TRADES } from "./trades.ts";

/** The worker's end of the line. */
export interface Line {
  readonly onOrder: (handler: (order: Order) => void) => void;
  readonly report: (report: Report) => void;
}

/** Serves until the worker is ended. */
export function serve({ onOrder, report }: Line): void {
  const jobs = new Map<number, Job<never, unknown>>();
  let place: Place | undefined;
  const follow = async (order: Exclude<Order, { begin: unknown }>): Promise<unknown> => {
    if ("open" in order) {
      const trade = TRADES.find(({ name }) => name === order.open);
      if (!trade || !place) throw new Error(`unreachable: the trade ${order.open}`);
      jobs.set(order.job, trade.open(order.init as never, place));
      return undefined;
    }
    if ("close" in order) {
      jobs.get(order.close)?.dispose();
      jobs.delete(order.close);
      return undefined;
    }
    return jobs.get(order.job)!.call(order.input as never);
  };
  onOrder((order) => {
    if ("begin" in order) {
      place = { module: order.begin, pause: async () => {} };
      report({ ready: true });
      return;
    }
    const { id } = order;
    follow(order).then(
      (result) => report({ id, result }),
      (error) => report({ id, failed: plainFault(error) }),
    );
  });
}
