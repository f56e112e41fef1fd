/**
 * Runs a graph on the shipped runtime, and shows every value right after the step that computes it: calibration, accuracy
 * measurement and folding all see what ships. Memory does not grow with the number of values, for none is kept.
 */

import { runtimeModule } from "../../host/builds.ts";
import { type Inspectable, openProgram } from "../../host/inspection.ts";
import { joinPrograms, type Program } from "../../host/program.ts";
import { createScanner } from "../../host/scanner.ts";
import { type DType, dtypeBytes, elementCount, type Tensor, type TypedArray, viewArray } from "../../host/tensor.ts";
import { CompileError } from "../errors.ts";
import { fuseSteps } from "../fuse/index.ts";
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import { lowerGraph } from "../lower/index.ts";
import type { Lowered } from "../lower/lowered.ts";
import { channelsLast } from "../passes/channels-last.ts";
import { eliminateDeadCode } from "../passes/eliminate-dead-code.ts";
import { flattenWeights } from "../passes/flatten-weights.ts";
import { sinkDequantize } from "../passes/sink-dequantize.ts";
import { type Description, type Observable, type Planned, planProgram, planTogether } from "../plan/plan.ts";

/** What an observer of a run sees of one value. */
export interface Observation {
  readonly name: string;
  readonly dtype: DType;
  /** In the axis order of the lowered graph. */
  readonly shape: readonly number[];
  readonly isChannelsLast: boolean;
  /** A view that the next step may overwrite. */
  readonly data: TypedArray;
}

/** The runtime that the compiler works with: the plain build, the same in Node and in a browser tab. */
export async function compilerRuntime(): Promise<{
  readonly module: WebAssembly.Module;
  readonly scanner: ReturnType<typeof createScanner>;
}> {
  const module = await runtimeModule("plain");
  return { module, scanner: createScanner(module) };
}

/** A graph lowered and planned, with the names of its channels-last values. */
export interface Compiled extends Planned {
  readonly channelsLast: ReadonlySet<string>;
}

/** What running takes of it: plain data. */
export type Runnable = Pick<Compiled, "program" | "observables" | "channelsLast">;

/** That, without the memory around it. */
export function runnable({ program, observables, channelsLast }: Compiled): Runnable {
  return { program: portable(program), observables, channelsLast };
}

/** A program of which a copy takes no more than itself: constants may be views of a whole model. */
export function portable(program: Program): Program {
  const constants = program.constants.map((constant) => ({ ...constant, bytes: constant.bytes.slice() }));
  return { ...program, constants };
}

/** Lowers and plans a copy of `graph` so that every computed value can be observed. */
export function compileGraph(graph: Graph, description: Description): Compiled {
  return planned(graph, description, (lowered) => lowered);
}

/** Lowers and plans a copy of `graph` as it ships: the same results in fewer steps, none of whose values can be observed. */
export function compileFused(graph: Graph, description: Description): Compiled {
  return planned(graph, description, fuseSteps);
}

/** As `compileFused`, for several graphs of one model over the same constants and in one memory; a program with variants. */
export function compileTogether(graphs: readonly Graph[], description: Description): Program {
  const lowered = graphs.map((graph) => fuseSteps(lowerCopy(graph).lowered));
  const [first, ...others] = planTogether(lowered, description).map(({ program }) => program);
  if (!first) throw new Error("unreachable: no graph to compile");
  return joinPrograms([first, ...others]);
}

function planned(graph: Graph, description: Description, finish: (lowered: Lowered) => Lowered): Compiled {
  const { lowered, names } = lowerCopy(graph);
  return { ...planProgram(finish(lowered), description), channelsLast: names };
}

function lowerCopy(graph: Graph): { readonly lowered: Lowered; readonly names: ReadonlySet<string> } {
  const copy = cloneGraph(graph);
  const names = channelsLast(copy);
  flattenWeights(copy);
  sinkDequantize(copy);
  eliminateDeadCode(copy);
  return { lowered: lowerGraph(copy), names };
}

/** A graph ready to run. */
export class GraphRunner {
  private readonly model: Inspectable;
  private readonly order: readonly (readonly [string, Observable])[];
  private readonly channelsLast: ReadonlySet<string>;
  private readonly observables: ReadonlyMap<string, Observable>;
  /** Steps that have run since `begin`. */
  private done = 0;

  constructor(compiled: Runnable, module: WebAssembly.Module) {
    this.model = openProgram(compiled.program, module);
    this.observables = compiled.observables;
    this.order = [...compiled.observables].sort(([, a], [, b]) => a.readyAfter - b.readyAfter);
    this.channelsLast = compiled.channelsLast;
  }

  /** Runs one sample. `observe` is called for every value that `wanted` holds (all by default), in the order of computation. */
  run(inputs: Readonly<Record<string, Tensor>>, observe?: (observation: Observation) => void, wanted?: ReadonlySet<string>): void {
    this.begin(inputs);
    if (observe) {
      for (const [name, { dtype, shape }] of this.order) {
        if (wanted && !wanted.has(name)) continue;
        this.advanceTo(name);
        observe({ name, dtype, shape, isChannelsLast: this.channelsLast.has(name), data: this.value(name) });
      }
    }
    this.model.runSteps(this.done);
  }

  /** Writes the inputs; nothing has run yet. Throws `missing-input` and `wrong-sample`. */
  begin(inputs: Readonly<Record<string, Tensor>>): void {
    for (const { name, dtype, shape } of this.model.metadata.inputs) {
      const given = inputs[name];
      if (!given) throw missingInput(name, Object.keys(inputs));
      if (given.dtype !== dtype || given.data.length !== elementCount(shape)) throw wrongSample(name, dtype, shape, given);
      (this.model.inputs.get(name)! as Uint8Array).set(given.data as Uint8Array);
    }
    this.done = 0;
  }

  /** Runs what is missing until the value is computed. */
  advanceTo(name: string): void {
    const { readyAfter } = this.observable(name);
    if (readyAfter <= this.done) return;
    this.model.runSteps(this.done, readyAfter);
    this.done = readyAfter;
  }

  /** Runs one step again. Its operands are in place as long as no later step has run. */
  runStep(step: number): void {
    this.model.runSteps(step, step + 1);
  }

  /** A view of a value; later steps may overwrite it. */
  value(name: string): TypedArray {
    const { address, dtype, shape } = this.observable(name);
    const count = elementCount(shape);
    const bytes = this.model.view(address, count * dtypeBytes(dtype));
    return viewArray(dtype, bytes.buffer, bytes.byteOffset, count);
  }

  /** A view of `count` int32 at an address of the data region, constants included. */
  words(address: number, count: number): Int32Array {
    const bytes = this.model.view(address, count * 4);
    return viewArray("int32", bytes.buffer, bytes.byteOffset, count);
  }

  get memoryBytes(): number {
    return this.model.memoryBytes;
  }

  private observable(name: string): Observable {
    const found = this.observables.get(name);
    if (!found) throw new Error(`unreachable: ${name} cannot be observed`);
    return found;
  }

  /** A copy of an output after a run. */
  output(name: string): TypedArray {
    return this.model.outputs.get(name)!.slice();
  }

  get outputNames(): readonly string[] {
    return this.model.metadata.outputs.map(({ name }) => name);
  }

  dispose(): void {
    this.model.dispose();
  }
}

function missingInput(name: string, given: readonly string[]): CompileError {
  return new CompileError("missing-input", `A sample lacks the input "${name}" (it has ${given.length > 0 ? given.join(", ") : "none"}).`, {
    input: name,
    given,
  });
}

function wrongSample(name: string, dtype: DType, shape: readonly number[], given: Tensor): CompileError {
  return new CompileError(
    "wrong-sample",
    `A sample of the input "${name}" is ${given.dtype}[${given.shape}]; the model takes ${dtype}[${shape}].`,
    {
      input: name,
      expected: { dtype, shape },
      got: { dtype: given.dtype, shape: given.shape },
    },
  );
}
