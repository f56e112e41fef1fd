/**
 * Products of integer tensors, whose results are the sums themselves: MatMulInteger, ConvInteger, and what onnxruntime makes of them with scales.
 *
 *   Σ (a − zero a)·(b − zero b) = Σ (a − z)·(b − zero b) − (zero a − z)·Σ (b − zero b)      where zero a is computed; z is known
 *
 * The operands are dequantized with scale 1, so that int8 steps multiply them. Such a step gives its sums in float32, which is exact below
 * 2²⁴: a longer sum is taken in pieces, which are added as int32.
 */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";
import { dequantized } from "./quantized.ts";

/** Integers up to this are exact in float32. */
const EXACT = 2 ** 24;

/** The largest |x − zero| of bytes. */
const REACH = 255;

/** Whether DequantizeLinear takes a zero point: one for all, or one for each place of an axis. */
function isKnown(zero: Value | null): boolean {
  return !zero || (zero.constant !== null && (shapeOf(zero).length <= 1 || elementCount(shapeOf(zero)) === 1));
}

/** x − zero as real numbers; zeros of more than one element belong to `axis`. */
function centred(c: Composer, x: Value, zero: Value | null, axis: number): Value {
  if (isKnown(zero)) {
    const count = zero ? elementCount(shapeOf(zero)) : 1;
    return dequantized(c, x, count === 1 ? c.scalar(1) : c.numbers(new Array<number>(count).fill(1), [count]), zero, axis);
  }
  const offset = c.cast(zero!, "float32");
  const isVector = shapeOf(zero!).length === 1;
  const shape = shapeOf(x).map((d, i) => (i === axis ? d : 1));
  return c.sub(c.cast(x, "float32"), isVector && elementCount(shapeOf(zero!)) > 1 ? c.reshape(offset, shape) : offset);
}

/** A known zero point near the middle of x's type, for one that is computed. */
function middle(c: Composer, x: Value): Value {
  return c.scalar(dtypeOf(x) === "uint8" ? 128 : 0, x);
}

/** w − zero of constants as numbers, zeros along `axis`. */
function constantDifferences(w: Tensor, zero: Tensor | null, axis: number): Float32Array {
  const inner = elementCount(w.shape.slice(axis + 1));
  const at = (i: number): number => Number(zero!.data[zero!.data.length === 1 ? 0 : Math.floor(i / inner) % w.shape[axis]!]);
  return Float32Array.from(w.data as Int8Array, (x, i) => x - (zero ? at(i) : 0));
}

/** Where to cut `axis` of the weights so that each piece's sums are exact in float32: the ends of the pieces. */
function pieceEnds(c: Composer, w: Value, zero: Value | null, axis: number, zeroAxis: number, perPlace: number): readonly number[] {
  const size = shapeOf(w)[axis]!;
  const known = w.constant && isKnown(zero) ? constantDifferences(w.constant, zero?.constant ?? null, zeroAxis) : null;
  const inner = elementCount(shapeOf(w).slice(axis + 1));
  const outer = elementCount(shapeOf(w).slice(0, axis));
  // What belongs to one sum: the taps of a convolution, but not the columns of a matrix.
  const lanes = outer * (inner / perPlace);
  let sums = new Float64Array(lanes);
  const ends: number[] = [];
  for (let k = 0; k < size; k++) {
    const here = new Float64Array(lanes);
    if (!known) here.fill(perPlace * REACH);
    else {
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const lane = o * (inner / perPlace) + Math.floor(i / perPlace);
          here[lane] = here[lane]! + Math.abs(known[(o * size + k) * inner + i]!);
        }
      }
    }
    if (here.some((sum) => sum * REACH >= EXACT)) throw c.fault("the sums of its kernel do not fit 24 bits.");
    const next = sums.map((sum, i) => sum + here[i]!);
    if (k > 0 && next.some((sum) => sum * REACH >= EXACT)) {
      ends.push(k);
      sums = here;
    } else sums = next;
  }
  return [...ends, size];
}

/** The sum over the pieces of an axis, as int32. */
function summed(c: Composer, ends: readonly number[], part: (from: number, to: number) => Value): Value {
  return ends.map((end, i) => c.cast(part(i === 0 ? 0 : ends[i - 1]!, end), "int32")).reduce((x, y) => c.add(x, y));
}

/** sums − (zero − middle)·totals, all int32. */
function corrected(c: Composer, sums: Value, a: Value, zero: Value, totals: Value): Value {
  const shift = c.sub(c.cast(c.reshape(zero, []), "int32"), c.cast(middle(c, a), "int32"));
  return c.sub(sums, c.mul(shift, totals));
}

/** Σ (b − zero) over the rows of matrices, int32 [… , 1, N], or a number. */
function columnTotals(c: Composer, b: Value, zero: Value | null): Value {
  const rank = shapeOf(b).length;
  if (b.constant && isKnown(zero)) {
    const [depth, columns] = rank === 1 ? [shapeOf(b)[0]!, 1] : [shapeOf(b)[rank - 2]!, shapeOf(b)[rank - 1]!];
    const differences = constantDifferences(b.constant, zero?.constant ?? null, rank - 1);
    const totals = new Array<number>(differences.length / Math.max(1, depth)).fill(0);
    differences.forEach((x, i) => {
      const at = Math.floor(i / (depth * columns)) * columns + (i % columns);
      totals[at] = totals[at]! + x;
    });
    return c.numbers(totals, rank === 1 ? [] : [...shapeOf(b).slice(0, -2), 1, columns], "int32");
  }
  const real = c.cast(centred(c, b, zero, rank - 1), "int32");
  return rank === 1 ? c.reduce("Sum", real, [0], false) : c.reduce("Sum", real, [rank - 2]);
}

/** a · b of integers as int32. */
function integerProduct(c: Composer, a: Value, b: Value, zeroA: Value | null, zeroB: Value | null): Value {
  const [rankA, rankB] = [shapeOf(a).length, shapeOf(b).length];
  const inner = Math.max(0, rankB - 2);
  if (rankA === 0 || rankB === 0 || shapeOf(a)[rankA - 1] !== shapeOf(b)[inner])
    throw c.fault(`[${shapeOf(a).join(", ")}] and [${shapeOf(b).join(", ")}] cannot be multiplied.`);
  const isComputed = zeroA !== null && !isKnown(zeroA) && elementCount(shapeOf(zeroA)) === 1;
  const ends = pieceEnds(c, b, zeroB, inner, rankB - 1, 1);
  const sums = summed(c, ends, (from, to) =>
    c.op("MatMul", [
      centred(c, c.slice(a, rankA - 1, from, to), isComputed ? middle(c, a) : zeroA, Math.max(0, rankA - 2)),
      centred(c, c.slice(b, inner, from, to), zeroB, rankB - 1),
    ]),
  );
  if (!isComputed) return sums;
  const totals = columnTotals(c, b, zeroB);
  // A vector times matrices has no axis of rows.
  const fitting = rankA === 1 && rankB > 1 ? c.reshape(totals, [...shapeOf(b).slice(0, -2), shapeOf(b)[rankB - 1]!]) : totals;
  return corrected(c, sums, a, zeroA!, fitting);
}

const MATMUL_INTEGER: Decomposition = {
  name: "MatMulInteger",
  build: (c) => [integerProduct(c, c.input(0), c.input(1), c.optional(2), c.optional(3))],
};

const CONV_INTEGER: Decomposition = {
  name: "ConvInteger",
  build: (c) => {
    const [x, w, zeroX, zeroW] = [c.input(0), c.input(1), c.optional(2), c.optional(3)];
    const { attributes } = c.node;
    if (shapeOf(x).length < 3 || shapeOf(w).length !== shapeOf(x).length)
      throw c.fault(`weights [${shapeOf(w).join(", ")}] do not fit an image [${shapeOf(x).join(", ")}].`);
    const isComputed = zeroX !== null && !isKnown(zeroX);
    const taps = elementCount(shapeOf(w).slice(2));
    const isGrouped = (attributes["group"] ?? 1) !== 1;
    const ends = isGrouped ? [shapeOf(w)[1]!] : pieceEnds(c, w, zeroW, 1, 0, taps);
    if (isGrouped && pieceEnds(c, w, zeroW, 1, 0, taps).length > 1) return [groupwise(c, x, w, zeroX, zeroW)];
    const sums = summed(c, ends, (from, to) =>
      c.op(
        "Conv",
        [
          centred(c, c.slice(x, 1, from, isGrouped ? Infinity : to), isComputed ? middle(c, x) : zeroX, 1),
          centred(c, c.slice(w, 1, from, to), zeroW, 0),
        ],
        attributes,
      ),
    );
    if (!isComputed) return [sums];
    const ones = c.op("Expand", [c.scalar(1), c.list([1, ...shapeOf(x).slice(1)])]);
    const real = w.constant && isKnown(zeroW) ? differences(c, w, zeroW) : centred(c, w, zeroW, 0);
    return [corrected(c, sums, x, zeroX, c.cast(c.op("Conv", [ones, real], attributes), "int32"))];
  },
};

function differences(c: Composer, w: Value, zero: Value | null): Value {
  return c.constant({ dtype: "float32", shape: shapeOf(w), data: constantDifferences(w.constant!, zero?.constant ?? null, 0) });
}

/** A convolution in groups, each by itself. */
function groupwise(c: Composer, x: Value, w: Value, zeroX: Value | null, zeroW: Value | null): Value {
  const groups = Number(c.node.attributes["group"]);
  const [inputs, outputs] = [shapeOf(x)[1]! / groups, shapeOf(w)[0]! / groups];
  const { group: _, ...attributes } = c.node.attributes;
  const parts = Array.from({ length: groups }, (_, g) => {
    const zero = zeroW && elementCount(shapeOf(zeroW)) > 1 ? c.slice(zeroW, 0, g * outputs, (g + 1) * outputs) : zeroW;
    const operands = [c.slice(x, 1, g * inputs, (g + 1) * inputs), c.slice(w, 0, g * outputs, (g + 1) * outputs), zeroX, zero];
    return c.op("ConvInteger", operands, attributes);
  });
  return c.concat(parts, 1);
}

/** To uint8 by the range of the values with 0: scale = (max − min)/255, or 1 where all are 0; zero = round(−min/scale). */
function dynamicallyQuantized(c: Composer, x: Value): readonly [Value, Value, Value] {
  const axes = shapeOf(x).map((_, i) => i);
  const zero = c.scalar(0);
  const high = c.op("Max", [c.reduce("Max", x, axes, false), zero]);
  const low = c.op("Min", [c.reduce("Min", x, axes, false), zero]);
  const scale = c.where(c.op("Equal", [high, low]), c.scalar(1), c.div(c.sub(high, low), c.scalar(255)));
  const place = c.op("Round", [c.op("Clip", [c.div(c.op("Neg", [low]), scale), zero, c.scalar(255)])]);
  const zeroPoint = c.cast(place, "uint8");
  return [c.op("QuantizeLinear", [x, scale, zeroPoint]), scale, zeroPoint];
}

const DYNAMIC_QUANTIZE: Decomposition = {
  name: "DynamicQuantizeLinear",
  build: (c) => dynamicallyQuantized(c, c.input(0)).slice(0, c.node.outputs.length),
};

/** a · b · (scale a · scale b) + bias */
function scaledProduct(c: Composer, sums: Value, scaleA: Value, scaleB: Value, bias: Value | null): readonly Value[] {
  const real = c.mul(c.cast(sums, "float32"), c.mul(scaleA, scaleB));
  return [bias ? c.add(real, bias) : real];
}

const MATMUL_TO_FLOAT: Decomposition = {
  name: "com.microsoft:MatMulIntegerToFloat",
  build: (c) => {
    const sums = integerProduct(c, c.input(0), c.input(1), c.optional(4), c.optional(5));
    return scaledProduct(c, sums, c.input(2), c.input(3), c.optional(6));
  },
};

const DYNAMIC_MATMUL: Decomposition = {
  name: "com.microsoft:DynamicQuantizeMatMul",
  build: (c) => {
    const [a, scale, zero] = dynamicallyQuantized(c, c.input(0));
    return scaledProduct(c, integerProduct(c, a, c.input(1), zero, c.optional(3)), scale, c.input(2), c.optional(4));
  },
};

/** Every decomposition of this file. */
export const INTEGER_FORMS: readonly Decomposition[] = [MATMUL_INTEGER, CONV_INTEGER, DYNAMIC_QUANTIZE, MATMUL_TO_FLOAT, DYNAMIC_MATMUL];
