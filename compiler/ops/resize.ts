/**
 * Resize (opset 19): every mode works axis by axis, as a table of source positions and weights.
 *
 * Coordinates in float64, after the formulas of Resize-19 and its reference; a length that comes from scales is the float32 product,
 * rounded down, and the formulas with the resized length take the product itself.
 */
import { elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { frontAxes } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { constantFloats, constantIntegers, floatTensor, operandType, requiredTensor } from "./operands.ts";

/** How one axis is resampled: element t is Σ over taps of weights[t·taps + k]·x[indices[t·taps + k]]. */
export interface AxisResampling {
  /** Axis of the node's operand, in its own order of axes. */
  readonly axis: number;
  readonly inLength: number;
  readonly outLength: number;
  readonly taps: number;
  /** [outLength][taps], inside the axis; the first of a row is −1 where the row is `outside`. */
  readonly indices: Int32Array;
  /** [outLength][taps]; null where one tap of weight 1 is taken. */
  readonly weights: Float32Array | null;
  /** The value of rows outside of the image; null where no row is. */
  readonly outside: number | null;
}

/** Resize. */
export const resize: OpDefinition = {
  name: "Resize",
  infer: (node) => {
    const { dtype, shape } = operandType(node, 0);
    if (dtype !== "float32" && stringAttribute(node, "mode", "nearest") !== "nearest")
      throw badOperands(node, `it mixes elements of ${dtype}; eqm resizes them to the nearest, or float32.`);
    const result = [...shape];
    for (const { axis, outLength } of lengths(node, shape)) result[axis] = outLength;
    return [{ dtype, shape: result }];
  },
  evaluate: (node, inputs) => [axisResamplings(node).reduce(resampled, requiredTensor(inputs, 0))],
};

/** The axes that change, each with its table; the order does not matter. The node may be channels-last. Errors: `bad-operands`, `not-constant`. */
export function axisResamplings(node: Node): readonly AxisResampling[] {
  const { shape } = typeOf(requiredInput(node, 0));
  const rank = shape.length;
  const place = (axis: number): number => (!node.channelsLast || rank < 3 || axis === 0 ? axis : axis === 1 ? rank - 1 : axis - 1);
  const inOrder = shape.map((_, axis) => shape[place(axis)]!);
  return lengths(node, inOrder)
    .map((length) => ({ ...table(node, length), axis: place(length.axis) }))
    .filter((axis) => !isIdentity(axis));
}

/** One axis and how its length changes. */
interface Length {
  readonly axis: number;
  readonly inLength: number;
  readonly outLength: number;
  readonly scale: number;
  /** inLength · scale, before rounding. */
  readonly width: number;
  readonly roi: readonly [number, number];
}

function lengths(node: Node, shape: readonly number[]): readonly Length[] {
  const axes = frontAxes(
    node,
    numbersAttribute(
      node,
      "axes",
      shape.map((_, i) => i),
    ),
    shape.length,
  );
  const scales = constantFloats(node, 2, "scales");
  const asked = constantIntegers(node, 3, "sizes");
  const sizes = asked && asked.length > 0 ? asked : null;
  if ((scales === null) === (sizes === null)) throw badOperands(node, "it must have scales or sizes, and not both.");
  const given = scales ?? sizes!;
  if (given.length !== axes.length || given.some((v) => !(v > 0 && v < Infinity)))
    throw badOperands(node, `scales or sizes [${given.join(", ")}] do not fit ${axes.length} axes.`);
  const roi = regions(node, axes.length);
  const kept = sizes ? keptScale(node, axes, sizes, shape) : null;
  return axes.map((axis, i) => {
    const inLength = shape[axis]!;
    if (scales) {
      const scale = scales[i]!;
      return { axis, inLength, outLength: Math.floor(Math.fround(inLength * scale)), scale, width: inLength * scale, roi: roi[i]! };
    }
    const outLength = kept === null ? sizes![i]! : Math.floor(kept * inLength + 0.5);
    if (inLength === 0 && outLength > 0) throw badOperands(node, `an empty axis ${axis} cannot be resized to ${outLength}.`);
    const scale = kept ?? outLength / inLength;
    return { axis, inLength, outLength, scale, width: kept === null ? outLength : kept * inLength, roi: roi[i]! };
  });
}

/** The one scale of keep_aspect_ratio_policy, or null where sizes are taken as they are. */
function keptScale(node: Node, axes: readonly number[], sizes: readonly number[], shape: readonly number[]): number | null {
  const policy = stringAttribute(node, "keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((axis, i) => sizes[i]! / shape[axis]!);
  if (policy === "stretch") return null;
  if (policy === "not_larger") return Math.min(...ratios);
  if (policy === "not_smaller") return Math.max(...ratios);
  throw badOperands(node, `keep_aspect_ratio_policy ${policy} is not one of stretch, not_larger, not_smaller.`);
}

/** [start, end] of each axis, in parts of its length; only tf_crop_and_resize has them. */
function regions(node: Node, count: number): readonly (readonly [number, number])[] {
  const isCrop = stringAttribute(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const roi = isCrop ? constantFloats(node, 1, "the region of interest") : null;
  if (isCrop && roi?.length !== 2 * count) throw badOperands(node, `a region of ${roi?.length ?? 0} numbers does not fit ${count} axes.`);
  return Array.from({ length: count }, (_, i) => (roi ? [roi[i]!, roi[count + i]!] : [0, 1]));
}

/** The position in the operand of position `x` of the result. */
function coordinate(node: Node, { inLength, outLength, scale, width, roi }: Length): (x: number) => number {
  const mode = stringAttribute(node, "coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return (x) => (x + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return (x) => (inLength / 2) * (1 - outLength / width) + (x + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return width === 1 ? () => -0.5 : (x) => (x + 0.5) / scale - 0.5;
    case "align_corners":
      return width === 1 ? () => 0 : (x) => (x * (inLength - 1)) / (width - 1);
    case "tf_half_pixel_for_nn":
      return (x) => (x + 0.5) / scale;
    case "asymmetric":
      return (x) => x / scale;
    case "tf_crop_and_resize": {
      const [start, end] = roi;
      if (width === 1) return () => ((start + end) * (inLength - 1)) / 2;
      return (x) => start * (inLength - 1) + (x * (end - start) * (inLength - 1)) / (width - 1);
    }
    default:
      throw badOperands(node, `coordinate_transformation_mode ${mode} is unknown.`);
  }
}

function table(node: Node, length: Length): Omit<AxisResampling, "axis"> {
  const { inLength, outLength } = length;
  const source = coordinate(node, length);
  const isCrop = stringAttribute(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const excludes = numberAttribute(node, "exclude_outside", 0) !== 0;
  const { first, taps, weigh } = sampling(node, length);
  const indices = new Int32Array(outLength * taps);
  const weights = weigh ? new Float32Array(outLength * taps) : null;
  let hasOutside = false;
  for (let t = 0; t < outLength; t++) {
    const x = source(t);
    if (isCrop && !(x >= 0 && x <= inLength - 1)) {
      indices[t * taps] = -1;
      hasOutside = true;
      continue;
    }
    const floor = Math.floor(x);
    const start = first(x);
    const row = weigh ? weigh(x - floor) : null;
    if (row && excludes) for (let k = 0; k < taps; k++) if (start + k < 0 || start + k >= inLength) row[k] = 0;
    const total = row && excludes ? row.reduce((a, b) => a + b, 0) : 1;
    for (let k = 0; k < taps; k++) {
      indices[t * taps + k] = Math.max(0, Math.min(inLength - 1, start + k));
      if (weights) weights[t * taps + k] = row![k]! / total;
    }
  }
  return { inLength, outLength, taps, indices, weights, outside: hasOutside ? numberAttribute(node, "extrapolation_value", 0) : null };
}

/** `taps` neighbours from `first(x)` on; `weigh` their weights by x − ⌊x⌋. */
interface Sampling {
  readonly taps: number;
  readonly first: (x: number) => number;
  readonly weigh: ((ratio: number) => number[]) | null;
}

function sampling(node: Node, { scale }: Length): Sampling {
  const mode = stringAttribute(node, "mode", "nearest");
  if (mode === "nearest") return { taps: 1, first: nearest(node), weigh: null };
  if (mode !== "linear" && mode !== "cubic") throw badOperands(node, `mode ${mode} is not one of nearest, linear, cubic.`);
  const reach = mode === "linear" ? 1 : 2;
  const a = numberAttribute(node, "cubic_coeff_a", -0.75);
  const kernel = mode === "linear" ? triangle : (x: number) => cubic(x, a);
  // Antialiasing widens the kernel by the factor of a reduction, and makes its weights sum up to 1.
  const narrow = numberAttribute(node, "antialias", 0) !== 0 ? Math.min(1, scale) : 1;
  const before = -Math.floor(-reach / narrow) - 1;
  const taps = 2 + 2 * before;
  const weigh = (ratio: number): number[] => {
    const row = Array.from({ length: taps }, (_, k) => kernel(narrow * (k - before - ratio)));
    if (narrow === 1) return row;
    const total = row.reduce((x, y) => x + y, 0);
    return row.map((weight) => weight / total);
  };
  return { taps, first: (x) => Math.floor(x) - before, weigh };
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

/** Keys' cubic convolution kernel (1981). */
function cubic(x: number, a: number): number {
  const t = Math.abs(x);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

function nearest(node: Node): (x: number) => number {
  const mode = stringAttribute(node, "nearest_mode", "round_prefer_floor");
  switch (mode) {
    case "round_prefer_floor":
      return (x) => Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return (x) => Math.floor(x + 0.5);
    case "floor":
      return Math.floor;
    case "ceil":
      return Math.ceil;
    default:
      throw badOperands(node, `nearest_mode ${mode} is unknown.`);
  }
}

function isIdentity({ inLength, outLength, taps, indices, weights, outside }: AxisResampling): boolean {
  if (inLength !== outLength || outside !== null) return false;
  for (let i = 0; i < indices.length; i++) {
    const isOwn = indices[i] === Math.floor(i / taps);
    if (weights ? weights[i] !== (isOwn ? 1 : 0) && !(isOwn && weights[i] === 0) : !isOwn) return false;
  }
  return true;
}

function resampled(x: Tensor, { axis, inLength, outLength, taps, indices, weights, outside }: AxisResampling): Tensor {
  const shape = x.shape.map((d, i) => (i === axis ? outLength : d));
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const data = newArray(x.dtype, elementCount(shape)) as Float32Array;
  const from = x.data as Float32Array;
  const other = (x.dtype === "int64" ? BigInt(Math.trunc(outside ?? 0)) : (outside ?? 0)) as number;
  for (let o = 0; o < outer; o++) {
    for (let t = 0; t < outLength; t++) {
      const to = (o * outLength + t) * inner;
      for (let i = 0; i < inner; i++) {
        const at = (k: number): number => from[(o * inLength + indices[t * taps + k]!) * inner + i]!;
        if (indices[t * taps]! < 0) data[to + i] = other;
        else if (!weights) data[to + i] = at(0);
        else {
          let sum = 0;
          for (let k = 0; k < taps; k++) sum += weights[t * taps + k]! * at(k);
          data[to + i] = sum;
        }
      }
    }
  }
  return x.dtype === "float32" ? floatTensor(shape, data) : { dtype: x.dtype, shape, data };
}
