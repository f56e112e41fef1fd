/** What ONNX says of its integer operators, in plain loops: sums as integers, one float32 multiplication, one rounding. */
import type { Tensor } from "../../host/tensor.ts";
import { clamp, roundHalfEven } from "../support/reference-arithmetic.ts";

const f = Math.fround;

/** 8-bit numbers with their zero points: one, or one for each place of an axis. */
export interface Bytes {
  readonly dtype: "int8" | "uint8";
  readonly shape: readonly number[];
  readonly data: Int8Array | Uint8Array;
  readonly zeros: readonly number[];
  readonly scales: readonly number[];
}

/** A convolution's geometry over two spatial axes. */
export interface Geometry {
  readonly group: number;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

/** Sums of a convolution, int32: x [N, C, H, W], w [K, C/group, h, w]. */
export function convolve(
  x: Bytes,
  w: Bytes,
  { group, strides, dilations, pads }: Geometry,
): { readonly shape: number[]; readonly sums: number[] } {
  const [n, , height, width] = x.shape as [number, number, number, number];
  const [k, perGroup, kh, kw] = w.shape as [number, number, number, number];
  const out = (size: number, kernel: number, axis: 0 | 1): number =>
    Math.floor((size + pads[axis] + pads[axis + 2]! - dilations[axis] * (kernel - 1) - 1) / strides[axis]) + 1;
  const [outH, outW] = [out(height, kh, 0), out(width, kw, 1)];
  const sums: number[] = [];
  for (let b = 0; b < n; b++) {
    for (let o = 0; o < k; o++) {
      const first = Math.floor(o / (k / group)) * perGroup;
      const zero = w.zeros[w.zeros.length === 1 ? 0 : o]!;
      for (let y = 0; y < outH; y++) {
        for (let z = 0; z < outW; z++) {
          let sum = 0;
          for (let c = 0; c < perGroup; c++) {
            for (let i = 0; i < kh; i++) {
              for (let j = 0; j < kw; j++) {
                const [h, v] = [y * strides[0] + i * dilations[0] - pads[0], z * strides[1] + j * dilations[1] - pads[1]];
                if (h < 0 || v < 0 || h >= height || v >= width) continue;
                const a = x.data[((b * x.shape[1]! + first + c) * height + h) * width + v]! - x.zeros[0]!;
                sum += a * (w.data[((o * perGroup + c) * kh + i) * kw + j]! - zero);
              }
            }
          }
          sums.push(sum);
        }
      }
    }
  }
  return { shape: [n, k, outH, outW], sums };
}

/** Sums of a product: a [M, K], b [K, N]. */
export function multiply(a: Bytes, b: Bytes): { readonly shape: number[]; readonly sums: number[] } {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1]!;
  const sums: number[] = [];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let d = 0; d < k; d++) {
        sum +=
          (a.data[i * k + d]! - a.zeros[a.zeros.length === 1 ? 0 : i]!) * (b.data[d * n + j]! - b.zeros[b.zeros.length === 1 ? 0 : j]!);
      }
      sums.push(sum);
    }
  }
  return { shape: [m, n], sums };
}

/** saturate(roundHalfEven(f32(sum)·(scale x · scale w / scale y)) + zero y), `place` the output channel of an element. */
export function requantized(
  sums: readonly number[],
  x: Bytes,
  w: Bytes,
  y: Pick<Bytes, "dtype" | "zeros" | "scales">,
  place: (element: number) => number,
): readonly number[] {
  const [low, high] = y.dtype === "int8" ? [-128, 127] : [0, 255];
  return sums.map((sum, i) => {
    const scale = f(f(f(x.scales[0]!) * f(w.scales[w.scales.length === 1 ? 0 : place(i)]!)) / f(y.scales[0]!));
    return clamp(roundHalfEven(f(f(sum) * scale)) + y.zeros[0]!, low, high);
  });
}

/** saturate(roundHalfEven(x / scale) + zero) */
export function quantized(x: readonly number[], scale: number, zero: number, dtype: "int8" | "uint8"): readonly number[] {
  const [low, high] = dtype === "int8" ? [-128, 127] : [0, 255];
  return x.map((value) => clamp(roundHalfEven(f(f(value) / f(scale))) + zero, low, high));
}

/** Bytes as a tensor. */
export function tensorOf({ dtype, shape, data }: Bytes): Tensor {
  return { dtype, shape, data };
}
