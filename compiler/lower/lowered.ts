/**
 * The lowered form: steps over regions of memory that have no address yet.
 *
 * A region is a constant (packed at load time) or a piece of the arena. A field of a step is a number or a reference into a
 * region; the planner turns references into addresses.
 */
import type { DType, Tensor } from "../../host/tensor.ts";
import type { Node, Value } from "../ir/graph.ts";

/** A piece of the arena, or a packed constant. */
export interface Region {
  readonly id: number;
  /** Bytes it takes in memory. */
  readonly bytes: number;
  readonly constant: PackedConstant | null;
}

/** A constant as the file holds it, and how it is packed (format/packings.ts). */
export interface PackedConstant {
  readonly packing: number;
  readonly parameters: readonly [number, number, number];
  /** Canonical bytes, little endian. */
  readonly bytes: Uint8Array;
}

/** A place in a region. */
export interface Reference {
  readonly region: Region;
  readonly offsetBytes: number;
}

/** The word indices of a step: a module of format/steps/. */
export type Layout = Readonly<Record<string, unknown>> & { readonly WORDS: number };

/** One instruction. */
export interface Step {
  readonly opcode: number;
  readonly layout: Layout;
  readonly fields: Readonly<Record<string, number | Reference>>;
  /** Regions that the step writes; every other region it refers to, it reads. */
  readonly writes: readonly Region[];
  /** Scratch used during the step only. */
  readonly scratch: Region | null;
  /** The graph node that the step computes, whose results are complete after its last step. */
  readonly node: Node | null;
  /** Further nodes, whose steps were fused into this one (compiler/fuse/). */
  readonly fusedNodes?: readonly Node[];
}

/** Where a value lies, in the axis order of its type in the lowered graph. */
export interface Placement {
  readonly value: Value;
  readonly reference: Reference;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The value is complete once this many steps have run. */
  readonly readyAfter: number;
}

/** A model input or output. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly reference: Reference;
  /** How many entries there are along an axis, where the data decide. */
  readonly counted?: { readonly axis: number; readonly reference: Reference };
}

/** A lowered graph: everything the planner needs. */
export interface Lowered {
  readonly steps: readonly Step[];
  readonly regions: readonly Region[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Computed values by name, for observation. */
  readonly placements: ReadonlyMap<string, Placement>;
}

/** float32 bits of a number, as a step word. */
export function floatBits(x: number): number {
  FLOAT[0] = x;
  return BITS[0]!;
}

const FLOAT = new Float32Array(1);
const BITS = new Int32Array(FLOAT.buffer);

/** The bytes of a tensor's data. */
export function tensorBytes(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}
