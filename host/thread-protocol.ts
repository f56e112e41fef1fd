/** What a model's memory and the further threads that work on it say to each other, before they speak through shared memory alone (team.ts). */
import type { Phases } from "./team.ts";

/** To a thread: all that it works on. */
export interface Assignment {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array;
  readonly plans: readonly Phases[];
  readonly spinMs: number;
  /** The slot of the schedule that it takes first, from 1. */
  readonly slot: number;
  /** How many slots there are. */
  readonly slots: number;
  /** Address of the data region. */
  readonly data: number;
  /** Address of its kernels' scratch. */
  readonly kernelScratch: number;
}

/** To a thread: what to work on, then the leave to begin. */
export type Order = { readonly assign: Assignment } | { readonly begin: true };

/** From a thread, once: that it can begin, or why not. */
export type Report = { readonly ready: true } | { readonly failed: string };
