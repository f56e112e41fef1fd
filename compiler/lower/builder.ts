/**
 * Builds a program: gives values their places, packs constants, and appends steps.
 *
 * A DequantizeLinear is not computed until somebody needs its float32 result: rules that work on int8 ask for `quantized(value)`
 * and never touch it.
 */

import * as Packing from "../../format/packings.ts";
import { packedBytes } from "../../format/packings.ts";
import { dtypeBytes, elementCount, type Tensor } from "../../host/tensor.ts";
import { type Node, typeOf, type Value, type ValueType } from "../ir/graph.ts";
import { ConstantPool } from "./constant-pool.ts";
import { type Layout, type PackedConstant, type Placement, type Reference, type Region, type Step, tensorBytes } from "./lowered.ts";

/** An int8 value with the scale and zero point that give its real value, (q − zeroPoint)·scale. */
export interface QuantizedOperand {
  readonly value: Value;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Collects steps and regions while the graph is walked. */
export class Builder {
  readonly steps: Step[] = [];
  readonly regions: Region[] = [];
  readonly placements = new Map<string, Placement>();
  /** Where the numbers of entries stand, of values whose types are only the most that there can be. */
  readonly counts = new Map<Value, Reference>();
  private readonly references = new Map<Value, Reference>();
  private readonly constants = new ConstantPool<Region>();
  private readonly computeLate: (builder: Builder, node: Node) => void;
  private node: Node | null = null;

  /** `computeLate` lowers a node (DequantizeLinear) when its value is first asked for. */
  constructor(computeLate: (builder: Builder, node: Node) => void) {
    this.computeLate = computeLate;
  }

  /** Steps that follow belong to `node`. */
  enter(node: Node | null): void {
    this.node = node;
  }

  /** Where a value lies; constants are placed, and late nodes lowered, at the first call. */
  reference(value: Value): Reference {
    const found = this.references.get(value);
    if (found) return found;
    if (value.constant) {
      const reference = this.constant(Packing.COPY, value.constant);
      this.references.set(value, reference);
      return reference;
    }
    if (value.producer?.op === "DequantizeLinear") {
      const node = this.node;
      this.node = value.producer;
      this.computeLate(this, value.producer);
      this.node = node;
      const late = this.references.get(value);
      if (late) return late;
    }
    throw new Error(`unreachable: ${value.name} is used before it is computed`);
  }

  /** Whether a value already has its place. */
  isPlaced(value: Value): boolean {
    return this.references.has(value);
  }

  /** A new place for a value, for the caller's steps to fill. */
  define(value: Value): Reference {
    const reference = { region: this.region(this.byteSize(typeOf(value))), offsetBytes: 0 };
    this.place(value, reference);
    return reference;
  }

  /** A place for the number of entries that a value turns out to have. */
  count(value: Value): Reference {
    const reference = { region: this.region(4), offsetBytes: 0 };
    this.counts.set(value, reference);
    return reference;
  }

  /** Lets a value lie where another one does (a view). */
  place(value: Value, reference: Reference): void {
    if (this.references.has(value)) throw new Error(`unreachable: ${value.name} is computed twice`);
    this.references.set(value, reference);
    const { dtype, shape } = typeOf(value);
    // `readyAfter` counts the steps of the defining node, too: it is read once lowering has finished. A view is ready at once.
    const { steps, node } = this;
    const placedAt = steps.length;
    const placement = {
      value,
      reference,
      dtype,
      shape,
      get readyAfter(): number {
        for (let i = steps.length; i > placedAt; i--) if (steps[i - 1]!.node === node) return i;
        return placedAt;
      },
    };
    this.placements.set(value.name, placement);
  }

  /** Bytes of a tensor of this type. */
  byteSize({ dtype, shape }: ValueType): number {
    return dtypeBytes(dtype) * elementCount(shape);
  }

  /** A piece of the arena. */
  region(bytes: number): Region {
    const region: Region = { id: this.regions.length, bytes: Math.max(bytes, 1), constant: null };
    this.regions.push(region);
    return region;
  }

  /** A packed constant; equal ones are held once. */
  constant(packing: number, tensor: Tensor, p0 = 0, p1 = 0, p2 = 0): Reference {
    const constant: PackedConstant = { packing, parameters: [p0, p1, p2], bytes: tensorBytes(tensor) };
    const region = this.constants.get(constant, () => {
      const made = { id: this.regions.length, bytes: packedBytes(packing, constant.bytes.length, p0, p1, p2), constant };
      this.regions.push(made);
      return made;
    });
    return { region, offsetBytes: 0 };
  }

  /**
   * Appends a step. `destination` names the fields that it writes. Every word of the layout has to be given but SCRATCH, which is
   * given as a size in bytes in `scratchBytes`.
   */
  step(
    opcode: number,
    layout: Layout,
    fields: Readonly<Record<string, number | Reference>>,
    destination: readonly string[] = ["DST"],
    scratchBytes = 0,
  ): void {
    const scratch = scratchBytes > 0 ? this.region(scratchBytes) : null;
    const all = scratch ? { ...fields, SCRATCH: { region: scratch, offsetBytes: 0 } } : fields;
    const writes = destination.map((name) => {
      const field = all[name];
      if (typeof field !== "object") throw new Error(`unreachable: a step writes ${name}, which is no reference`);
      return field.region;
    });
    const given = new Set(Object.keys(all).map((name) => layout[name]));
    if (given.has(undefined) || given.size !== layout.WORDS - 2) {
      throw new Error(
        `unreachable: a step of opcode ${opcode} has ${given.size} of ${layout.WORDS - 2} words: ${Object.keys(all).join(" ")}`,
      );
    }
    this.steps.push({ opcode, layout, fields: all, writes, scratch, node: this.node });
  }
}

/** The int8 operand whose dequantized form `value` is, per tensor. */
export function quantizedOperand(value: Value): QuantizedOperand | null {
  const node = value.producer;
  if (node?.op !== "DequantizeLinear") return null;
  const [q, scale, zero] = node.inputs;
  if (!q || typeOf(q).dtype !== "int8" || !scale?.constant || scale.constant.data.length !== 1 || (zero && !zero.constant)) return null;
  return { value: q, scale: Number(scale.constant.data[0]), zeroPoint: zero ? Number(zero.constant!.data[0]) : 0 };
}

/** The int8 result of a QuantizeLinear with its parameters, per tensor; or null. */
export function quantizationOf(node: Node): QuantizedOperand | null {
  const [, scale, zero] = node.inputs;
  const output = node.outputs[0]!;
  if (typeOf(output).dtype !== "int8" || scale?.constant?.data.length !== 1 || (zero && !zero.constant)) return null;
  return { value: output, scale: Number(scale.constant.data[0]), zeroPoint: zero ? Number(zero.constant!.data[0]) : 0 };
}

/** What the QuantizeLinear to int8 that is the only reader of `value` makes of it, per tensor; or null. */
export function quantizedResult(value: Value): QuantizedOperand | null {
  if (value.readers.size !== 1) return null;
  const node = [...value.readers][0]!;
  return node.op === "QuantizeLinear" && node.inputs[0] === value ? quantizationOf(node) : null;
}
