/**
 * A stream over a model: runs whose states (LSTM states, audio context, caches) go from one to the next. What is carried, the file says.
 *
 * A stream owns copies of its states, so several on one model do not disturb each other, nor does anything that a caller does with arrays.
 */
import type { PlanDescription } from "./description.ts";
import { InputError } from "./errors.ts";
import type { StateLink } from "./metadata.ts";
import type { Inputs, Outputs, RunOptions } from "./model.ts";
import { chosenPlan } from "./plans.ts";
import { dtypeOfArray, elementCount, isTensor, newArray, type Tensor, type TypedArray } from "./tensor.ts";

/** States by the names of their inputs. */
export type States = Readonly<Record<string, TypedArray | Tensor>>;

/** The states of one stream, between its runs. */
export class CarriedStates {
  readonly #links: readonly StateLink[];
  readonly #plans: readonly PlanDescription[];
  #states = new Map<string, TypedArray | Tensor>();

  /** Throws InputError `no-states` where there is nothing to carry, or as `reset`. */
  constructor(links: readonly StateLink[], plans: readonly PlanDescription[], initial: States) {
    if (links.length === 0)
      throw new InputError(
        "no-states",
        "The model carries no states: compile it with --state OUTPUT=INPUT for each, or pass them to run by hand.",
      );
    this.#links = links;
    this.#plans = plans;
    this.reset(initial);
  }

  /** Sets the states: copies of what is given, zeros for the others. Throws InputError `unknown-input` for what is no state. */
  reset(initial: States): void {
    const states = new Map<string, TypedArray | Tensor>();
    for (const [name, given] of Object.entries(initial)) {
      if (!this.#links.some(({ input }) => input === name)) throw this.#noState(name);
      states.set(name, copied(given));
    }
    this.#states = states;
  }

  /** The inputs of the next run: what is given, and the states. Throws InputError `unknown-input` where a state is given, `no-plan`, `ambiguous-shape`. */
  inputs(given: Inputs): Inputs {
    const carried = this.#links.find(({ input }) => Object.hasOwn(given, input));
    if (carried) {
      throw new InputError(
        "unknown-input",
        `The input ${JSON.stringify(carried.input)} is carried by the stream: set it with reset, or call the model's run.`,
        { input: carried.input },
      );
    }
    const known: Inputs = { ...given, ...Object.fromEntries(this.#states) };
    if (this.#states.size === this.#links.length) return known;
    const { inputs } = chosenPlan(this.#plans, known);
    const zeros = this.#links.flatMap(({ input }): [string, Tensor][] => {
      if (this.#states.has(input)) return [];
      const { dtype, shape } = inputs.find(({ name }) => name === input)!;
      return [[input, { dtype, shape, data: newArray(dtype, elementCount(shape)) }]];
    });
    return { ...known, ...Object.fromEntries(zeros) };
  }

  /** Keeps the states that a run with `inputs` gave; gives the other outputs. */
  keep(outputs: Outputs, inputs: Inputs): Outputs {
    const { inputs: described } = chosenPlan(this.#plans, inputs);
    const others = Object.assign(Object.create(null), outputs) as Outputs;
    for (const { input, output } of this.#links) {
      const { dtype, shape } = described.find(({ name }) => name === input)!;
      this.#states.set(input, { dtype, shape, data: outputs[output]! });
      delete others[output];
    }
    return others;
  }

  /** Copies of the states that there are so far, by the names of their inputs. */
  copies(): Record<string, TypedArray> {
    const states = Object.create(null) as Record<string, TypedArray>;
    for (const [name, state] of this.#states) states[name] = (isTensor(state) ? state.data : state).slice();
    return states;
  }

  /** Throws InputError `unknown-output` where a caller wants a state written into an array of its own. */
  checkOutputs(outputs: Readonly<Record<string, unknown>>): void {
    const carried = this.#links.find(({ output }) => Object.hasOwn(outputs, output));
    if (carried) {
      throw new InputError(
        "unknown-output",
        `The output ${JSON.stringify(carried.output)} is carried by the stream, which gives it as states.${carried.input}.`,
        { output: carried.output },
      );
    }
  }

  #noState(name: string): InputError {
    const states = this.#links.map(({ input }) => input);
    return new InputError(
      "unknown-input",
      `${JSON.stringify(name)} is no state of the model; it has ${states.map((state) => JSON.stringify(state)).join(", ")}.`,
      { input: name, known: states },
    );
  }
}

/** Runs on the caller's thread, each with the states that the one before it left. */
export class Stream {
  readonly #carried: CarriedStates;
  readonly #run: (inputs: Inputs, options?: RunOptions) => Outputs;

  constructor(carried: CarriedStates, run: (inputs: Inputs, options?: RunOptions) => Outputs) {
    this.#carried = carried;
    this.#run = run;
  }

  /** Runs the model on the inputs that are no states; gives the outputs that are none. Throws as the model's `run`; the states are then as before. */
  run(inputs: Inputs, options: RunOptions = {}): Outputs {
    this.#carried.checkOutputs(options.outputs ?? {});
    const all = this.#carried.inputs(inputs);
    return this.#carried.keep(this.#run(all, options), all);
  }

  /** Begins anew: with zeros, or the states that are given by the names of their inputs. Throws InputError. */
  reset(states: States = {}): void {
    this.#carried.reset(states);
  }

  /** Copies of the states, by the names of their inputs; those that are zeros as nothing has run yet are not there. */
  get states(): Record<string, TypedArray> {
    return this.#carried.copies();
  }
}

/** Runs in the model's worker, each with the states that the one before it left. */
export class WorkerStream {
  readonly #carried: CarriedStates;
  readonly #run: (inputs: Inputs) => Promise<Outputs>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(carried: CarriedStates, run: (inputs: Inputs) => Promise<Outputs>) {
    this.#carried = carried;
    this.#run = run;
  }

  /** As `Stream.run`; runs wait for each other, in the order of their calls. Inputs have to stay as they are until their turn. */
  runAsync(inputs: Inputs): Promise<Outputs> {
    return this.#next(async () => {
      const all = this.#carried.inputs(inputs);
      return this.#carried.keep(await this.#run(all), all);
    });
  }

  /** As `Stream.reset`, behind the runs that were asked for before. Rejects with InputError. */
  reset(states: States = {}): Promise<void> {
    return this.#next(async () => this.#carried.reset(states));
  }

  /** As `Stream.states`, behind the runs that were asked for before. */
  states(): Promise<Record<string, TypedArray>> {
    return this.#next(async () => this.#carried.copies());
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** A copy; what is no array goes as it is, for the typed error of the run. */
function copied(given: TypedArray | Tensor): TypedArray | Tensor {
  if (isTensor(given)) return dtypeOfArray(given.data) === undefined ? given : { ...given, data: given.data.slice() };
  return dtypeOfArray(given) === undefined ? given : given.slice();
}
