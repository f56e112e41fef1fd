/**
 * Gives every region its address: constants one after the other, arena pieces by lifetime.
 *
 * A piece lives from the step that first touches it to the step that last does; inputs from the start, outputs to the end. Pieces
 * are placed largest first at the lowest offset that no living neighbour covers (greedy by size, Pisarchyk and Lee 2020).
 */
import { ALIGNMENT } from "../../format/memory.ts";
import { ConstantPool } from "../lower/constant-pool.ts";
import type { Lowered, Region } from "../lower/lowered.ts";

/** Addresses of all regions, as offsets in the data region. */
export interface Placing {
  readonly addresses: ReadonlyMap<Region, number>;
  readonly constantsBytes: number;
  readonly arenaBytes: number;
  readonly pieces: readonly Piece[];
}

/** A piece of the arena and the steps between which it holds what is needed: from `first`, which writes it, to `last`, which reads it last. */
export interface Piece {
  readonly address: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

interface Lifetime {
  readonly region: Region;
  first: number;
  last: number;
  address: number;
}

/** Where the constants of some programs lie, those that are equal in one place. */
export interface PlacedConstants {
  readonly addresses: ReadonlyMap<Region, number>;
  readonly constantsBytes: number;
}

/** Places the constants that programs use, in the order of their first use. */
export function placeConstants(programs: readonly Lowered[]): PlacedConstants {
  const addresses = new Map<Region, number>();
  const pool = new ConstantPool<number>();
  let constantsBytes = 0;
  for (const { region } of programs.flatMap(lifetimesOf)) {
    if (!region.constant || addresses.has(region)) continue;
    const address = pool.get(region.constant, () => {
      const free = constantsBytes;
      constantsBytes = align(free + region.bytes);
      return free;
    });
    addresses.set(region, address);
  }
  return { addresses, constantsBytes };
}

/** Places all regions that a program uses; `constants` are its own, perhaps among those of others. */
export function placeRegions(program: Lowered, constants: PlacedConstants = placeConstants([program])): Placing {
  const { constantsBytes } = constants;
  const addresses = new Map(constants.addresses);
  const lifetimes = lifetimesOf(program);
  const placed: Lifetime[] = [];
  const pieces = lifetimes
    .filter(({ region }) => !region.constant)
    .sort((a, b) => b.region.bytes - a.region.bytes || a.region.id - b.region.id);
  let arenaBytes = 0;
  for (const piece of pieces) {
    const neighbours = placed
      .filter((other) => other.first <= piece.last && piece.first <= other.last)
      .sort((a, b) => a.address - b.address);
    let address = 0;
    for (const other of neighbours) {
      if (address + piece.region.bytes <= other.address) break;
      address = Math.max(address, align(other.address + other.region.bytes));
    }
    piece.address = address;
    placed.push(piece);
    arenaBytes = Math.max(arenaBytes, align(address + piece.region.bytes));
    addresses.set(piece.region, constantsBytes + address);
  }
  return {
    addresses,
    constantsBytes,
    arenaBytes: Math.max(arenaBytes, ALIGNMENT),
    pieces: placed.map(({ region, first, last, address }) => ({ address: constantsBytes + address, bytes: region.bytes, first, last })),
  };
}

/** Lifetimes of the regions in use, in order of first use. */
function lifetimesOf(program: Lowered): Lifetime[] {
  const found = new Map<Region, Lifetime>();
  const touch = (region: Region, step: number): void => {
    const lifetime = found.get(region);
    if (!lifetime) found.set(region, { region, first: step, last: step, address: 0 });
    else lifetime.last = Math.max(lifetime.last, step);
  };
  for (const { reference } of program.inputs) touch(reference.region, -1);
  program.steps.forEach((step, i) => {
    for (const field of Object.values(step.fields)) if (typeof field === "object") touch(field.region, i);
  });
  for (const { reference, counted } of program.outputs) {
    touch(reference.region, program.steps.length);
    if (counted) touch(counted.reference.region, program.steps.length);
  }
  return [...found.values()];
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
