/**
 * Gathering and masking by computed places, in Gather on rows and in comparisons with ranges.
 *
 * A place in several axes becomes one in their product: Σ place·stride.
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { axisOf, type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): readonly number[] {
  return shape.map((_, i) => elementCount(shape.slice(i + 1)));
}

/** Places counted from the front, as int64: a negative one counts from the end of `size`. */
export function fromFront(c: Composer, places: Value, size: Value): Value {
  const wide = c.cast(places, "int64");
  if (wide.constant && Array.from(wide.constant.data as BigInt64Array).every((place) => place >= 0n)) return wide;
  return c.where(c.op("Less", [wide, c.scalar(0, "int64")]), c.add(wide, size), wide);
}

/** For indices of GatherElements' kind, the place of each in the flat tensor of `shape`. */
export function flatElements(c: Composer, indices: Value, shape: readonly number[], axis: number): Value {
  const strides = stridesOf(shape);
  const own = shapeOf(indices);
  let flat = c.mul(fromFront(c, indices, c.scalar(shape[axis]!, "int64")), c.scalar(strides[axis]!, "int64"));
  own.forEach((size, i) => {
    if (i === axis || size === 1) return;
    const steps = Array.from({ length: size }, (_, at) => at * strides[i]!);
    flat = c.add(flat, c.numbers(steps, [size, ...own.slice(i + 1).map(() => 1)], "int64"));
  });
  return flat;
}

/** For indices of GatherND's kind, [outer, …, depth], the row of each in the tensor as [rows, …]. `batchDims` leading axes go together. */
export function flatRows(c: Composer, indices: Value, shape: readonly number[], batchDims: number): Value {
  const own = shapeOf(indices);
  const depth = own[own.length - 1]!;
  const counted = shape.slice(0, batchDims + depth);
  const strides = stridesOf(counted);
  const wide = fromFront(c, indices, c.list(counted.slice(batchDims)));
  let flat = c.reduce("Sum", c.mul(wide, c.list(strides.slice(batchDims))), [own.length - 1], false);
  for (let i = 0; i < batchDims; i++) {
    const steps = Array.from({ length: own[i]! }, (_, at) => at * strides[i]!);
    flat = c.add(flat, c.numbers(steps, [own[i]!, ...own.slice(i + 1, -1).map(() => 1)], "int64"));
  }
  return flat;
}

const GATHER_ELEMENTS: Decomposition = {
  name: "GatherElements",
  infer: (node) => [{ dtype: node.inputs[0]!.type!.dtype, shape: node.inputs[1]!.type!.shape }],
  build: (c) => {
    const [x, indices] = [c.input(0), c.input(1)];
    const shape = shapeOf(x);
    if (shape.length !== shapeOf(indices).length) throw c.fault("its data and indices are of different rank.");
    const axis = axisOf(numberAttribute(c.node, "axis", 0), shape.length);
    return [c.gather(c.reshape(x, [elementCount(shape)]), flatElements(c, indices, shape, axis))];
  },
};

const GATHER_ND: Decomposition = {
  name: "GatherND",
  build: (c) => {
    const [x, indices] = [c.input(0), c.input(1)];
    const shape = shapeOf(x);
    const batchDims = numberAttribute(c.node, "batch_dims", 0);
    const depth = shapeOf(indices).at(-1) ?? 0;
    if (batchDims + depth > shape.length || depth < 1) throw c.fault(`indices of ${depth} places do not fit rank ${shape.length}.`);
    const inner = shape.slice(batchDims + depth);
    const rows = c.reshape(x, [elementCount(shape.slice(0, batchDims + depth)), ...inner]);
    return [c.gather(rows, flatRows(c, indices, shape, batchDims))];
  },
};

const ONE_HOT: Decomposition = {
  name: "OneHot",
  build: (c) => {
    const indices = c.input(0);
    const depthValue = c.input(1).constant;
    if (depthValue?.data.length !== 1) throw c.fault("its depth has to be one constant number.");
    const depth = Number(depthValue.data[0]);
    const shape = shapeOf(indices);
    const axis = axisOf(numberAttribute(c.node, "axis", -1), shape.length + 1);
    const places = c.reshape(fromFront(c, indices, c.scalar(depth, "int64")), [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
    const ticks = c.range(depth, [depth, ...shape.slice(axis).map(() => 1)]);
    const [off, on] = [0, 1].map((i) => c.reshape(c.slice(c.input(2), 0, i, i + 1), [])) as [Value, Value];
    return [c.where(c.op("Equal", [places, ticks]), on, off)];
  },
};

const TRILU: Decomposition = {
  name: "Trilu",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const [rows, columns] = shapeOf(x).slice(-2) as [number, number];
    if (elementCount(shapeOf(x)) === 0) return [c.op("Identity", [x])];
    const diagonal = c.optional(1);
    const row = c.range(rows, [rows, 1]);
    const shifted = diagonal ? c.add(row, c.reshape(c.cast(diagonal, "int64"), [])) : row;
    const isUpper = numberAttribute(c.node, "upper", 1) !== 0;
    const kept = c.op(isUpper ? "GreaterOrEqual" : "LessOrEqual", [c.range(columns, [1, columns]), shifted]);
    return [c.where(kept, x, c.scalar(0, dtypeOf(x)))];
  },
};

/** Ones on a diagonal; only the operand's shape counts. */
const EYE_LIKE: Decomposition = {
  name: "EyeLike",
  build: (c) => {
    const [rows, columns] = shapeOf(c.input(0)) as [number, number];
    const difference = c.sub(c.range(columns, [1, columns]), c.range(rows, [rows, 1]));
    const isOn = c.op("Equal", [difference, c.scalar(numberAttribute(c.node, "k", 0), "int64")]);
    const code = numberAttribute(c.node, "dtype", 0);
    return [code ? c.op("Cast", [isOn], { to: code }) : c.cast(isOn, dtypeOf(c.input(0)))];
  },
};

const COMPRESS: Decomposition = {
  name: "Compress",
  build: (c) => {
    const x = c.input(0);
    const condition = c.input(1).constant;
    if (!condition) throw c.fault("its condition has to be constant: how much it keeps depends on it.");
    const axis = c.node.attributes["axis"] === undefined ? null : axisOf(numberAttribute(c.node, "axis", 0), shapeOf(x).length);
    const places = Array.from(condition.data as Uint8Array).flatMap((keep, i) => (keep ? [i] : []));
    return [axis === null ? c.gather(c.reshape(x, [elementCount(shapeOf(x))]), c.list(places)) : c.gather(x, c.list(places), axis)];
  },
};

/** The first lengths[b] steps of each sequence in reverse. */
const REVERSE_SEQUENCE: Decomposition = {
  name: "ReverseSequence",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const [batchAxis, timeAxis] = [numberAttribute(c.node, "batch_axis", 1), numberAttribute(c.node, "time_axis", 0)];
    if (batchAxis + timeAxis !== 1) throw c.fault("batch_axis and time_axis must be 0 and 1.");
    const steps = shape[timeAxis]!;
    const batchFirst = timeAxis === 1 ? x : c.transpose(x, [1, 0, ...shape.slice(2).map((_, i) => i + 2)]);
    const batch = shape[batchAxis]!;
    const lengths = c.reshape(c.cast(c.input(1), "int64"), [batch, 1]);
    const ticks = c.range(steps, [1, steps]);
    const mirrored = c.sub(c.sub(lengths, c.scalar(1, "int64")), ticks);
    const places = c.where(c.op("Less", [ticks, lengths]), mirrored, ticks);
    const rows = c.add(places, c.mul(c.range(batch, [batch, 1]), c.scalar(steps, "int64")));
    const flat = c.reshape(batchFirst, [batch * steps, ...shape.slice(2)]);
    const reversed = c.gather(flat, rows);
    return [timeAxis === 1 ? reversed : c.transpose(reversed, [1, 0, ...shape.slice(2).map((_, i) => i + 2)])];
  },
};

/** Every decomposition of this file. */
export const INDEXING: readonly Decomposition[] = [GATHER_ELEMENTS, GATHER_ND, ONE_HOT, TRILU, EYE_LIKE, COMPRESS, REVERSE_SEQUENCE];
