/** What a worker of the compiler can do: each is a trade, known by its name on both sides (trades.ts lists them). */
import type { Pause } from "../event-loop.ts";

/** Where work is done. */
export interface Place {
  /** The runtime. */
  readonly module: WebAssembly.Module;
  /** To be awaited between pieces of work. */
  readonly pause: Pause;
}

/** Work that was begun, and goes on call by call. */
export interface Job<Input, Result> {
  call(input: Input): Result | Promise<Result>;
  dispose(): void;
}

/**
 * A kind of work. What goes in and comes out is plain data, which structured clone carries; a result depends on nothing but `Init` and
 * the inputs so far of the job, so that it does not matter who does it.
 */
export interface Trade<Init, Input, Result> {
  readonly name: string;
  readonly open: (init: Init, place: Place) => Job<Input, Result>;
}
