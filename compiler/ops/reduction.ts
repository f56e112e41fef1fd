/**
 * Reductions over any axes: Sum, Mean, Prod, Max, Min, L1, L2, SumSquare, LogSum, LogSumExp.
 *
 * Over no axes (noop_with_empty_axes) each element is a reduction of one. Float results are rounded once; integers wrap, and those that
 * have a fraction truncate. Of nothing: 0, the product 1, the extremes those of the type, the mean NaN.
 */
import { type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { frontAxes, rowMajorStrides, stridedIndices } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { exp, log } from "./mathematics.ts";
import { constantIntegers, operandType, requiredTensor } from "./operands.ts";

const SUMMED: readonly DType[] = ["float32", "int32", "int64"];
const ORDERED: readonly DType[] = ["float32", "int8", "uint8", "int32", "int64", "bool"];

/** Reduces values as floats; `exact`, where there is one, integers. */
interface Reduction {
  readonly name: string;
  readonly dtypes: readonly DType[];
  readonly float: (values: Float64Array, dtype: DType) => number;
  readonly exact?: (values: readonly bigint[]) => bigint;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function sumSquare(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value * value;
  return total;
}

const LEAST: Readonly<Record<DType, number>> = { float32: -Infinity, int8: -128, uint8: 0, int32: -(2 ** 31), int64: -(2 ** 63), bool: 0 };
const MOST: Readonly<Record<DType, number>> = { float32: Infinity, int8: 127, uint8: 255, int32: 2 ** 31 - 1, int64: 2 ** 63, bool: 1 };

/** The value that no other one beats; a NaN does. */
function extreme(values: Float64Array, first: number, beats: (a: number, b: number) => boolean): number {
  let best = first;
  for (const value of values) if (Number.isNaN(value) || beats(value, best)) best = value;
  return best;
}

const exactSum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

const REDUCTION_TABLE: readonly Reduction[] = [
  { name: "ReduceSum", dtypes: SUMMED, float: sum, exact: exactSum },
  { name: "ReduceMean", dtypes: SUMMED, float: (values) => sum(values) / values.length },
  {
    name: "ReduceProd",
    dtypes: SUMMED,
    float: (values) => values.reduce((a, b) => a * b, 1),
    exact: (values) => values.reduce((a, b) => BigInt.asIntN(64, a * b), 1n),
  },
  {
    name: "ReduceMax",
    dtypes: ORDERED,
    float: (values, dtype) => extreme(values, LEAST[dtype], (a, b) => a > b),
    exact: (values) => values.reduce((a, b) => (b > a ? b : a), -(2n ** 63n)),
  },
  {
    name: "ReduceMin",
    dtypes: ORDERED,
    float: (values, dtype) => extreme(values, MOST[dtype], (a, b) => a < b),
    exact: (values) => values.reduce((a, b) => (b < a ? b : a), 2n ** 63n - 1n),
  },
  {
    name: "ReduceL1",
    dtypes: SUMMED,
    float: (values) => sum(values.map(Math.abs)),
    exact: (values) => exactSum(values.map((x) => (x < 0n ? -x : x))),
  },
  { name: "ReduceL2", dtypes: SUMMED, float: (values) => Math.sqrt(sumSquare(values)) },
  { name: "ReduceSumSquare", dtypes: SUMMED, float: sumSquare, exact: (values) => exactSum(values.map((x) => x * x)) },
  { name: "ReduceLogSum", dtypes: SUMMED, float: (values) => log(sum(values)) },
  {
    name: "ReduceLogSumExp",
    dtypes: SUMMED,
    float: (values) => {
      const max = extreme(values, -Infinity, (a, b) => a > b);
      // An infinite maximum is the result itself, and x − max would be NaN.
      return Number.isFinite(max) ? max + log(sum(values.map((x) => exp(x - max)))) : max;
    },
  },
];

interface Axes {
  readonly shape: readonly number[];
  /** Where each result's values begin, and how far from there each of them lies. */
  readonly starts: Int32Array;
  readonly offsets: Int32Array;
}

function reducedShape(node: Node, x: readonly number[]): { readonly shape: readonly number[]; readonly isReduced: readonly boolean[] } {
  const given = constantIntegers(node, 1, "axes") ?? [];
  const isNoOp = given.length === 0 && numberAttribute(node, "noop_with_empty_axes", 0) !== 0;
  const axes = new Set(frontAxes(node, given, x.length));
  const isReduced = x.map((_, i) => !isNoOp && (given.length === 0 || axes.has(i)));
  const keeps = numberAttribute(node, "keepdims", 1) !== 0;
  return { shape: x.flatMap((d, i) => (isReduced[i] ? (keeps ? [1] : []) : [d])), isReduced };
}

function axesOf(node: Node, x: readonly number[]): Axes {
  const { shape, isReduced } = reducedShape(node, x);
  const strides = rowMajorStrides(x);
  const walk = (reduced: boolean): Int32Array =>
    stridedIndices(
      x.filter((_, i) => isReduced[i] === reduced),
      strides.filter((_, i) => isReduced[i] === reduced),
    );
  return { shape, starts: walk(false), offsets: walk(true) };
}

function reduction({ name, dtypes, float, exact }: Reduction): OpDefinition {
  return {
    name,
    infer: (node) => {
      const { dtype, shape } = operandType(node, 0, dtypes);
      return [{ dtype, shape: reducedShape(node, shape).shape }];
    },
    evaluate: (node, inputs) => {
      const { dtype, shape: source, data: x } = requiredTensor(inputs, 0);
      const { shape, starts, offsets } = axesOf(node, source);
      const data = newArray(dtype, elementCount(shape));
      const values = new Float64Array(offsets.length);
      starts.forEach((start, i) => {
        if (exact && dtype !== "float32") {
          const total = exact(Array.from(offsets, (offset) => BigInt(x[start + offset]!)));
          // Nothing to compare leaves the extremes of int64, which saturate in the others.
          store(data, i, offsets.length === 0 ? saturated(dtype, total) : total);
          return;
        }
        offsets.forEach((offset, j) => (values[j] = Number(x[start + offset]!)));
        const value = float(values, dtype);
        if (data instanceof BigInt64Array) data[i] = Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
        else data[i] = dtype === "float32" ? value : Math.trunc(value);
      });
      return [{ dtype, shape, data } satisfies Tensor];
    },
  };
}

function store(data: Tensor["data"], index: number, value: bigint): void {
  if (data instanceof BigInt64Array) data[index] = value;
  else data[index] = Number(BigInt.asIntN(32, value));
}

function saturated(dtype: DType, value: bigint): bigint {
  if (dtype === "int64") return value;
  const [low, high] = [BigInt(LEAST[dtype]), BigInt(MOST[dtype])];
  return value < low ? low : value > high ? high : value;
}

/** Every operator of this file. */
export const REDUCTIONS: readonly OpDefinition[] = REDUCTION_TABLE.map(reduction);
