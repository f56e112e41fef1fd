/** MaxPool and AveragePool over 1 to 3 spatial axes, GlobalAveragePool and GlobalMaxPool over any number. */
import { type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import type { OpDefinition } from "./definition.ts";
import { checkRank, floats, floatTensor, operandType, requiredTensor } from "./operands.ts";
import { inThreeAxes, slidingWindow, type Volume } from "./window.ts";

const POOLED: readonly DType[] = ["float32", "int8", "uint8"];

interface Pooling {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly planes: number;
  readonly volume: Volume;
}

function poolingOf(node: Node, dtypes: readonly DType[]): Pooling {
  const { dtype, shape: x } = operandType(node, 0, dtypes);
  checkRank(node, "the image", x, 3, 5);
  const input = x.slice(2);
  const window = slidingWindow(node, input, numbersAttribute(node, "kernel_shape", []));
  const reaches = window.kernel.map((k, i) => (k - 1) * window.dilations[i]! + 1);
  if (reaches.some((reach, i) => window.padsBegin[i]! >= reach || window.padsEnd[i]! >= reach)) {
    throw badOperands(
      node,
      `padding [${[...window.padsBegin, ...window.padsEnd].join(", ")}] is not smaller than the kernel [${window.kernel.join(", ")}].`,
    );
  }
  return { dtype, shape: [x[0]!, x[1]!, ...window.output], planes: x[0]! * x[1]!, volume: inThreeAxes(window, input) };
}

/**
 * Calls `visit` for each result, in row-major order over planes and positions, with the taps that lie inside the image (their offsets in
 * the operand, `taps[0…count)`) and the number of taps inside image and padding.
 */
function eachWindow({ planes, volume }: Pooling, visit: (result: number, taps: Int32Array, count: number, padded: number) => void): void {
  const { input, kernel, strides, dilations, padsBegin, padsEnd, output } = volume;
  const taps = new Int32Array(elementCount(kernel));
  // Positions of the taps along each axis, −1 in the padding; those beyond the padding (ceil_mode) are absent.
  const positions = [0, 1, 2].map((axis) =>
    Array.from({ length: output[axis]! }, (_, o) => {
      const found: number[] = [];
      for (let k = 0; k < kernel[axis]!; k++) {
        const i = o * strides[axis]! + k * dilations[axis]! - padsBegin[axis]!;
        if (i >= 0 && i < input[axis]!) found.push(i);
        else if (i < input[axis]! + padsEnd[axis]!) found.push(-1);
      }
      return found;
    }),
  );
  const size = elementCount(input);
  let result = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (const ds of positions[0]!) {
      for (const hs of positions[1]!) {
        for (const ws of positions[2]!) {
          let count = 0;
          for (const d of ds) {
            if (d < 0) continue;
            for (const h of hs) {
              if (h < 0) continue;
              const row = plane * size + (d * input[1]! + h) * input[2]!;
              for (const w of ws) if (w >= 0) taps[count++] = row + w;
            }
          }
          visit(result++, taps, count, ds.length * hs.length * ws.length);
        }
      }
    }
  }
}

/**
 * MaxPool. Padding never wins (a window of padding alone gives the least value, at index −1), a NaN always does. Indices count over the
 * whole operand; with storage_order 1 the spatial axes are column-major.
 */
export const maxPool: OpDefinition = {
  name: "MaxPool",
  infer: (node) => {
    const { dtype, shape } = poolingOf(node, POOLED);
    return node.outputs.length > 1
      ? [
          { dtype, shape },
          { dtype: "int64", shape },
        ]
      : [{ dtype, shape }];
  },
  evaluate: (node, inputs) => {
    const pooling = poolingOf(node, POOLED);
    const { dtype, shape, volume } = pooling;
    const x = requiredTensor(inputs, 0).data as Float32Array;
    const data = newArray(dtype, elementCount(shape)) as Float32Array;
    const indices = new BigInt64Array(node.outputs.length > 1 ? data.length : 0);
    const isColumnMajor = numberAttribute(node, "storage_order", 0) !== 0;
    const least = dtype === "float32" ? -Infinity : dtype === "int8" ? -128 : 0;
    eachWindow(pooling, (result, taps, count) => {
      let [best, at] = [least, -1];
      for (let i = 0; i < count; i++) {
        const value = x[taps[i]!]!;
        if (at < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) [best, at] = [value, taps[i]!];
      }
      data[result] = best;
      if (indices.length > 0) indices[result] = BigInt(isColumnMajor && at >= 0 ? columnMajor(at, volume.input) : at);
    });
    const y: Tensor = { dtype, shape, data };
    return indices.length > 0 || node.outputs.length > 1 ? [y, { dtype: "int64", shape, data: indices }] : [y];
  },
};

/** The index of row-major element `at` where the spatial axes are column-major. */
function columnMajor(at: number, input: readonly number[]): number {
  const [depth, height, width] = input as readonly [number, number, number];
  const size = depth * height * width;
  const within = at % size;
  const w = within % width;
  const h = Math.floor(within / width) % height;
  const d = Math.floor(within / (width * height));
  return at - within + (w * height + h) * depth + d;
}

/** AveragePool: over the taps inside the image, or with count_include_pad over those inside image and padding. */
export const averagePool: OpDefinition = {
  name: "AveragePool",
  infer: (node) => {
    const { dtype, shape } = poolingOf(node, ["float32"]);
    return [{ dtype, shape }];
  },
  evaluate: (node, inputs) => {
    const pooling = poolingOf(node, ["float32"]);
    const x = floats(inputs, 0);
    const data = new Float32Array(elementCount(pooling.shape));
    const includesPad = numberAttribute(node, "count_include_pad", 0) !== 0;
    eachWindow(pooling, (result, taps, count, padded) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += x[taps[i]!]!;
      data[result] = sum / (includesPad ? padded : count);
    });
    return [floatTensor(pooling.shape, data)];
  },
};

function globalPool(name: string, reduce: (x: Float32Array) => number): OpDefinition {
  const shapeOf = (x: readonly number[]): readonly number[] => x.map((d, i) => (i < 2 ? d : 1));
  return {
    name,
    infer: (node) => {
      const { dtype, shape } = operandType(node, 0, ["float32"]);
      checkRank(node, "the image", shape, 2, Infinity);
      if (shape.slice(2).includes(0)) throw badOperands(node, `an image of [${shape.join(", ")}] is empty.`);
      return [{ dtype, shape: shapeOf(shape) }];
    },
    evaluate: (_node, inputs) => {
      const { shape } = requiredTensor(inputs, 0);
      const x = floats(inputs, 0);
      const size = elementCount(shape.slice(2));
      const planes = shape[0]! * shape[1]!;
      return [
        floatTensor(
          shapeOf(shape),
          Float32Array.from({ length: planes }, (_, i) => reduce(x.subarray(i * size, (i + 1) * size))),
        ),
      ];
    },
  };
}

/** GlobalAveragePool. */
export const globalAveragePool = globalPool("GlobalAveragePool", (x) => {
  let sum = 0;
  for (const value of x) sum += value;
  return sum / x.length;
});

/** GlobalMaxPool. */
export const globalMaxPool = globalPool("GlobalMaxPool", (x) => {
  let best = -Infinity;
  for (const value of x) if (value > best || Number.isNaN(value)) best = value;
  return best;
});
