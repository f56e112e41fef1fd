/**
 * Which plans have a batch that a smaller one may be filled up to: along a dimension that is named as a batch, where every output's size follows it,
 * and where running shows that filling it up changes no bit of the results.
 */
import { fillGolden } from "../../host/golden.ts";
import { Instance } from "../../host/instance.ts";
import { readMembers } from "../../host/members.ts";
import type { Batch, TensorRegion } from "../../host/metadata.ts";
import { Model } from "../../host/model.ts";
import { withMembers } from "../../host/plans.ts";
import type { Program } from "../../host/program.ts";
import { elementCount, newArray, type TypedArray } from "../../host/tensor.ts";
import type { Binding } from "../bindings.ts";
import { isBatchKey } from "../onnx/dimensions.ts";

/** The programs with their batches, and what stands against having one. */
export interface Batches {
  readonly programs: readonly Program[];
  /** A dimension named as a batch whose members depend on each other. */
  readonly mixing?: string;
}

/** Finds the batch of each program and adds it to its metadata; `bindings` are the sizes that they were made for. */
export function addBatches(programs: readonly Program[], bindings: readonly Binding[], module: WebAssembly.Module): Batches {
  const name = Object.keys(bindings[0] ?? {}).find((key) => isBatchKey(key) && new Set(bindings.map((binding) => binding[key])).size > 1);
  if (name === undefined) return { programs };
  const found = programs.map((program, i): Program | undefined => {
    const others = programs.flatMap((other, k) =>
      differInOne(bindings[i]!, bindings[k]!, name) ? [{ program: other, size: bindings[k]![name]! }] : [],
    );
    const batch = batchAmong(program, bindings[i]![name]!, others);
    return batch && { ...program, metadata: { ...program.metadata, batch } };
  });
  const withBatch = found.filter((program) => program !== undefined);
  if (withBatch.length < programs.length) return { programs };
  return withBatch.every((program) => isExact(program, module)) ? { programs: withBatch } : { programs, mixing: name };
}

function differInOne(a: Binding, b: Binding, name: string): boolean {
  return Object.keys(a).every((key) => (a[key] === b[key]) !== (key === name));
}

/** The batch of `size` members that a program has by how its tensors differ from those of others that differ in the batch alone. */
function batchAmong(
  program: Program,
  size: number,
  others: readonly { readonly program: Program; readonly size: number }[],
): Batch | undefined {
  const axesOf = (side: "inputs" | "outputs"): readonly number[] =>
    program.metadata[side].map((region, i) => {
      const axes = new Set(others.map((other) => growingAxis(region, other.program.metadata[side][i]!, size, other.size)));
      return axes.size === 1 ? [...axes][0]! : Number.NaN;
    });
  const [inputs, outputs] = [axesOf("inputs"), axesOf("outputs")];
  const holds = inputs.some((axis) => axis >= 0) && inputs.every((axis) => axis >= -1) && outputs.every((axis) => axis >= 0);
  return holds && !program.metadata.outputs.some(({ counted }) => counted) ? { size, inputs, outputs } : undefined;
}

/** The axis whose length is in proportion to the batch; −1 where both shapes are one, NaN where they differ otherwise. */
function growingAxis({ shape }: TensorRegion, other: TensorRegion, size: number, otherSize: number): number {
  const [axis = -1, ...more] = [...shape.keys()].filter((i) => shape[i] !== other.shape[i]);
  if (axis < 0) return axis;
  const [length, otherLength] = [shape[axis]!, other.shape[axis]!];
  return more.length === 0 && length * otherSize === otherLength * size && length % size === 0 ? axis : Number.NaN;
}

/** Whether a part of a batch, filled up, gives what it gives within the whole: for one member, and for all but one. */
function isExact(program: Program, module: WebAssembly.Module): boolean {
  const { inputs, outputs, batch } = program.metadata;
  const model = new Model(program, new Instance(program, module), module, { build: "plain", threads: 1 });
  try {
    const whole = new Map(inputs.map((region, i) => [region.name, filled(region, i)]));
    const front = (region: TensorRegion, data: TypedArray, axis: number, members: number): TypedArray =>
      axis < 0 ? data : readMembers(data, withMembers(region, batch!, axis, members), undefined, axis, members, batch!.size);
    const expected = model.run(Object.fromEntries(whole));
    return [...new Set([1, batch!.size - 1])]
      .filter((members) => members > 0 && members < batch!.size)
      .every((members) => {
        const part = inputs.map((region, i) => [region.name, front(region, whole.get(region.name)!, batch!.inputs[i]!, members)] as const);
        const got = model.run(Object.fromEntries(part));
        return outputs.every((region, i) => isSame(got[region.name]!, front(region, expected[region.name]!, batch!.outputs[i]!, members)));
      });
  } finally {
    model.dispose();
  }
}

/** Numbers in [−1, 1]; integers, which may be indices, are 0. */
function filled({ dtype, shape }: TensorRegion, index: number): TypedArray {
  const data = newArray(dtype, elementCount(shape));
  if (dtype === "float32") fillGolden(data, index, { low: -1, high: 1 });
  return data;
}

function isSame(a: TypedArray, b: TypedArray): boolean {
  return a.length === b.length && (a as Float32Array).every((x, i) => Object.is(x, b[i]));
}
