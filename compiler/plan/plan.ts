/** From a lowered program to what the host loads: addresses, words, constants, ports; and where each value can be observed. */

import { stagingBytes } from "../../host/memory-layout.ts";
import type { Metadata, TensorRegion } from "../../host/metadata.ts";
import type { Constant, Program } from "../../host/program.ts";
import type { DType } from "../../host/tensor.ts";
import type { Lowered, Port, Reference } from "../lower/lowered.ts";
import { encodeStep } from "./encode.ts";
import { type Piece, type PlacedConstants, type Placing, placeConstants, placeRegions } from "./place.ts";
import { stepKey } from "./step-key.ts";

/** Where a computed value lies once `readyAfter` steps have run, and until a later step takes the place. */
export interface Observable {
  readonly address: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly readyAfter: number;
}

/** What stands in a file's metadata beside the ports and the steps. */
export type Description = Omit<Metadata, "inputs" | "outputs" | "steps">;

/** A program with its addresses. */
export interface Planned {
  readonly program: Program;
  /** Computed values by name. */
  readonly observables: ReadonlyMap<string, Observable>;
  /** The name of the graph node that each step belongs to. */
  readonly stepNodes: readonly (string | null)[];
  /** What the time of each step depends on (step-key.ts). */
  readonly stepKeys: () => readonly string[];
  /** The pieces of the arena and their lives. */
  readonly pieces: readonly Piece[];
}

/** Plans memory and encodes the steps. */
export function planProgram(lowered: Lowered, description: Description): Planned {
  return planTogether([lowered], description)[0]!;
}

/** Plans several forms of one model into one memory: the same constants for all, and an arena that holds the largest. */
export function planTogether(all: readonly Lowered[], description: Description): readonly Planned[] {
  const placed = placeConstants(all);
  const constants = constantsOf(all, placed);
  const placings = all.map((lowered) => placeRegions(lowered, placed));
  const arenaBytes = placings.reduce((most, placing) => Math.max(most, placing.arenaBytes), 0);
  return all.map((lowered, i) => planOne(lowered, description, placings[i]!, constants, arenaBytes));
}

/** The constants in use, each once, by ascending address. */
function constantsOf(all: readonly Lowered[], { addresses }: PlacedConstants): readonly Constant[] {
  const found = new Map<number, Constant>();
  for (const region of all.flatMap(({ regions }) => regions)) {
    const address = addresses.get(region);
    if (!region.constant || address === undefined || found.has(address)) continue;
    const { packing, parameters, bytes } = region.constant;
    found.set(address, { packing, p0: parameters[0], p1: parameters[1], p2: parameters[2], bytes, address });
  }
  return [...found.values()].sort((a, b) => a.address - b.address);
}

function planOne(
  lowered: Lowered,
  description: Description,
  placing: Placing,
  constants: readonly Constant[],
  arenaBytes: number,
): Planned {
  const { addresses } = placing;
  const address = ({ region, offsetBytes }: Reference): number => addresses.get(region)! + offsetBytes;
  const region = ({ name, dtype, shape, reference, counted }: Port): TensorRegion => ({
    name,
    dtype,
    shape,
    address: address(reference),
    ...(counted && { counted: { axis: counted.axis, address: address(counted.reference) } }),
  });
  const steps = lowered.steps.map(({ node, fusedNodes = [] }) => ({
    op: [node?.op ?? "Copy", ...fusedNodes.map(({ op }) => op)].join("+"),
    nodes: [...new Set([node, ...fusedNodes].flatMap((each) => each?.sources ?? []))],
  }));
  const observables = new Map<string, Observable>();
  for (const [name, { reference, dtype, shape, readyAfter }] of lowered.placements) {
    const base = addresses.get(reference.region);
    if (base !== undefined) observables.set(name, { address: base + reference.offsetBytes, dtype, shape, readyAfter });
  }
  return {
    program: {
      metadata: { ...description, inputs: lowered.inputs.map(region), outputs: lowered.outputs.map(region), steps },
      constants,
      plan: {
        constantsBytes: placing.constantsBytes,
        arenaBytes,
        stagingBytes: stagingBytes(constants),
        steps: lowered.steps.map((step) => encodeStep(step, placing)),
      },
    },
    observables,
    stepNodes: lowered.steps.map(({ node }) => node?.name ?? null),
    stepKeys: () => lowered.steps.map(stepKey),
    pieces: placing.pieces,
  };
}
