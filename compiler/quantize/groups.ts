/**
 * Groups of weights that share a scale: adjacent columns of an output's weights, in the order in which the file holds them. A group has a small integer
 * factor, and its weights are
 *
 *   scale of the output · factor of the group · code,   |code| ≤ weightLevels(bits)
 *
 * so that scale times an int8 is what is multiplied, as of weights without groups, and the file holds codes and factors (format/groups.ts).
 */
import type { WeightBits } from "./weight-bits.ts";

/** Weights of more bits have a scale an output only: it is the noise of few bits that groups are for. */
export const MOST_GROUPED_BITS = 4;
/** Sizes of groups: in smaller ones the factors take more than they gain. */
export const LEAST_GROUP = 8;
export const LARGEST_GROUP = 1024;

/**
 * The largest factor: finer scales gain nothing. Any two weights of four bits are pair-safe with it, any of three bits run-safe, and those of two bits stay
 * integers of four.
 */
const MOST_FACTOR = 7;

/** How the weights of a layer's outputs are grouped. */
export interface Grouping {
  /** Columns of a group; the last of an output may have fewer. */
  readonly size: number;
  readonly mostFactor: number;
}

/** The grouping of weights of `bits` where groups of `size` were asked for, `depth` weights to an output; null where an output is no more than one. */
export function groupingOf(bits: WeightBits, depth: number, size: number | undefined): Grouping | null {
  if (size === undefined || bits > MOST_GROUPED_BITS || depth <= size) return null;
  return { size, mostFactor: MOST_FACTOR };
}

/** Columns in the order in which they are rounded, by their groups. */
export interface ColumnGroups {
  /** The number of each column's group. */
  readonly groupOf: Int32Array;
  readonly count: number;
  readonly mostFactor: number;
}

/** The groups of columns that are rounded in `order`; of one scale an output a single group whose factor is 1. */
export function columnGroups(order: Int32Array, grouping: Grouping | null): ColumnGroups {
  if (!grouping) return { groupOf: new Int32Array(order.length), count: 1, mostFactor: 1 };
  const { size, mostFactor } = grouping;
  return { groupOf: order.map((column) => Math.floor(column / size)), count: Math.ceil(order.length / size), mostFactor };
}
