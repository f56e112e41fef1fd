/**
 * Takes many samples through one model side by side, from step to step: of each sample only what is alive between two steps is kept, and
 * one instance serves them all.
 */
import { type Inspectable, openProgram } from "../../host/inspection.ts";
import type { Tensor } from "../../host/tensor.ts";
import type { Planned } from "../plan/plan.ts";

/** What walking takes of a planned program: plain data. */
export type Walkable = Pick<Planned, "program" | "pieces">;

/** A walk of samples through a model. */
export class SampleWalk {
  private model: Inspectable;
  private readonly states: (Uint8Array | null)[];
  /** Steps that have run, for every sample. */
  private done = 0;
  private planned: Walkable;
  private readonly samples: readonly Readonly<Record<string, Tensor>>[];
  private readonly module: WebAssembly.Module;

  constructor(planned: Walkable, module: WebAssembly.Module, samples: readonly Readonly<Record<string, Tensor>>[]) {
    this.planned = planned;
    this.module = module;
    this.samples = samples;
    this.model = openProgram(planned.program, module);
    this.states = samples.map(() => null);
  }

  /**
   * Runs all samples until `step` is the next one, which is not before that of the last call. `visit` sees the memory of each sample
   * before that step: views by address in the data region, valid during the call.
   */
  async advanceTo(
    step: number,
    visit: (sample: number, view: (address: number, bytes: number) => Uint8Array) => void,
    pause: () => Promise<void>,
  ): Promise<void> {
    if (step < this.done) throw new Error(`unreachable: a walk back from step ${this.done} to ${step}`);
    for (const [i, sample] of this.samples.entries()) {
      await pause();
      const state = this.states[i];
      if (state) this.restore(state);
      else for (const [name, view] of this.model.inputs) (view as Uint8Array).set(sample[name]!.data as Uint8Array);
      this.model.runSteps(this.done, step);
      visit(i, this.model.view);
      this.states[i] = this.saved(step);
    }
    this.done = step;
  }

  /** Goes on with a program that differs in its constants alone. */
  replace(planned: Walkable): void {
    this.model.dispose();
    this.planned = planned;
    this.model = openProgram(planned.program, this.module);
  }

  dispose(): void {
    this.model.dispose();
    this.states.length = 0;
  }

  private restore(state: Uint8Array): void {
    let at = 0;
    for (const { address, bytes } of livePieces(this.planned, this.done)) {
      this.model.write(address, state.subarray(at, at + bytes));
      at += bytes;
    }
  }

  private saved(step: number): Uint8Array {
    const live = livePieces(this.planned, step);
    const state = new Uint8Array(live.reduce((sum, { bytes }) => sum + bytes, 0));
    let at = 0;
    for (const { address, bytes } of live) {
      state.set(this.model.view(address, bytes), at);
      at += bytes;
    }
    return state;
  }
}

/** The most bytes of one sample that are alive between two steps. */
export function mostLiveBytes(planned: Planned): number {
  const { steps } = planned.program.plan;
  return steps.reduce(
    (most, _, step) =>
      Math.max(
        most,
        livePieces(planned, step).reduce((sum, { bytes }) => sum + bytes, 0),
      ),
    0,
  );
}

/** The pieces of the arena that hold what steps from `step` on still need. */
export function livePieces({ pieces }: Pick<Planned, "pieces">, step: number): Planned["pieces"] {
  return pieces.filter(({ first, last }) => first < step && step <= last);
}
