/** The inputs and outputs of a plan in the model's memory, and how a run fills and empties them. */
import type { Instance } from "./instance.ts";
import { readMembers, writeMembers } from "./members.ts";
import type { Batch, Metadata, TensorRegion } from "./metadata.ts";
import { withMembers } from "./plans.ts";
import { elementCount, type Tensor, type TypedArray } from "./tensor.ts";
import { readTensor, writeTensor } from "./transfer.ts";

/** An input or output, and where it lies. */
export interface Slot {
  readonly region: TensorRegion;
  readonly view: TypedArray;
  /** Where the number of entries stands, of an output that is counted. */
  readonly count: Int32Array | undefined;
}

/** Those of one plan. */
export interface Slots {
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
}

/** A batch that is not full, and how many members of it are there. */
export interface Part {
  readonly batch: Batch;
  readonly members: number;
}

/** The slots of a plan in the memory of `instance`. Throws RunError `disposed`. */
export function slotsOf(instance: Instance, { inputs, outputs }: Metadata): Slots {
  return { inputs: slotsIn(instance, inputs), outputs: slotsIn(instance, outputs) };
}

function slotsIn(instance: Instance, regions: readonly TensorRegion[]): readonly Slot[] {
  const slots: Slot[] = [];
  for (let i = 0; i < regions.length; i++) {
    const region = regions[i]!;
    slots.push({ region, view: instance.tensor(region), count: countOf(instance, region) });
  }
  return slots;
}

function countOf(instance: Instance, { name, counted }: TensorRegion): Int32Array | undefined {
  return counted && (instance.tensor({ name, dtype: "int32", shape: [1], address: counted.address }) as Int32Array);
}

/** Writes all inputs, each of which is given by its name; of a batch that is not full those members that are there. Throws as `writeTensor`. */
export function writeInputs(slots: readonly Slot[], given: Readonly<Record<string, TypedArray | Tensor>>, part: Part | undefined): void {
  for (let i = 0; i < slots.length; i++) {
    const { region, view } = slots[i]!;
    const axis = part?.batch.inputs[i] ?? -1;
    if (part === undefined || axis < 0) writeTensor(given[region.name]!, region, view);
    else writeMembers(given[region.name]!, withMembers(region, part.batch, axis, part.members), view, axis, part.members, part.batch.size);
  }
}

/** Gives copies of all outputs by their names, in those arrays of `into` that are there. Throws as `readTensor`. */
export function readOutputs(
  slots: readonly Slot[],
  into: Readonly<Record<string, TypedArray>>,
  part: Part | undefined,
): Record<string, TypedArray> {
  const results = Object.create(null) as Record<string, TypedArray>;
  for (let i = 0; i < slots.length; i++) {
    const { region, view, count } = slots[i]!;
    const { name } = region;
    const target = Object.hasOwn(into, name) ? into[name] : undefined;
    const axis = part?.batch.outputs[i] ?? -1;
    if (part !== undefined && axis >= 0)
      results[name] = readMembers(view, withMembers(region, part.batch, axis, part.members), target, axis, part.members, part.batch.size);
    else results[name] = readTensor(count ? view.subarray(0, filledLength(region, count[0]!)) : view, region, target);
  }
  return results;
}

/** Elements of an output with `count` entries, of which there are never more than its shape says. */
function filledLength({ shape, counted }: TensorRegion, count: number): number {
  const most = shape[counted!.axis]!;
  return (elementCount(shape) / Math.max(1, most)) * Math.max(0, Math.min(most, count));
}
