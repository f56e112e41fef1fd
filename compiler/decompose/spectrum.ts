/**
 * DFT and STFT as products with tables of sines and cosines, the windows, and the mel filter bank.
 *
 *   X[k] = Σₙ x[n]·(cos 2πkn/N − i·sin 2πkn/N), its inverse with + and 1/N
 *
 * Tables come from this compiler's own sine, so that files do not depend on the engine.
 */
import { numberAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { log, pow } from "../ops/mathematics.ts";
import { sin } from "../ops/trigonometry.ts";
import { axisOf, type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** cos and sin of 2πj/N. */
function turn(j: number, n: number): readonly [number, number] {
  const angle = (2 * Math.PI * (j % n)) / n;
  return [sin(angle + Math.PI / 2), sin(angle)];
}

/** Tables [rows, columns] of the cosines and of `sign` times the sines of 2π·row·column/N, all times `factor`. */
function tables(c: Composer, rows: number, columns: number, n: number, sign: number, factor: number): readonly [Value, Value] {
  const each = (which: 0 | 1, scale: number): Value =>
    c.numbers(
      Array.from({ length: rows * columns }, (_, i) => turn(Math.floor(i / columns) * (i % columns), n)[which] * scale),
      [rows, columns],
    );
  return [each(0, factor), each(1, sign * factor)];
}

/** x [.., N, 1 or 2] along its last axis but one to [.., K, 2]. */
function transform(c: Composer, x: Value, count: number, n: number, isInverse: boolean): Value {
  const shape = shapeOf(x);
  const axis = shape.length - 1;
  const part = (i: number): Value => c.reshape(c.slice(x, axis, i, i + 1), shape.slice(0, -1));
  const length = shape[axis - 1]!;
  const [cosines, sines] = tables(c, length, count, n, isInverse ? 1 : -1, isInverse ? 1 / n : 1);
  const real = part(0);
  const isComplex = shape[axis] === 2;
  const product = (a: Value, table: Value): Value => c.op("MatMul", [a, table]);
  const re = isComplex ? c.sub(product(real, cosines), product(part(1), sines)) : product(real, cosines);
  const im = isComplex ? c.add(product(real, sines), product(part(1), cosines)) : product(real, sines);
  const column = (value: Value): Value => c.reshape(value, [...shapeOf(value), 1]);
  return c.concat([column(re), column(im)], axis);
}

/** The whole spectrum of a real signal from its first half: X[N − k] is the conjugate of X[k]. */
function mirrored(c: Composer, x: Value, n: number): Value {
  const shape = shapeOf(x);
  const axis = shape.length - 2;
  const half = c.slice(x, axis, 0, Math.floor(n / 2) + 1);
  const rest = c.flip(c.slice(half, axis, 1, Math.ceil(n / 2)), [axis]);
  return c.concat([half, c.mul(rest, c.numbers([1, -1], [2]))], axis);
}

const DFT: Decomposition = {
  name: "DFT",
  build: (c) => {
    const given = c.input(0);
    const rank = shapeOf(given).length;
    const axis = axisOf(c.integers(2, "the axis")?.[0] ?? -2, rank);
    const [isInverse, isHalf] = [numberAttribute(c.node, "inverse", 0) !== 0, numberAttribute(c.node, "onesided", 0) !== 0];
    const order = Array.from({ length: rank - 1 }, (_, i) => i);
    const perm = [...order.filter((i) => i !== axis), axis, rank - 1];
    const x = c.transpose(given, perm);
    const length = shapeOf(x)[rank - 2]!;
    const isBack = isInverse && isHalf;
    const n = c.integers(1, "the length")?.[0] ?? (isBack ? 2 * (length - 1) : length);
    const needed = isBack ? Math.floor(n / 2) + 1 : n;
    const after = shapeOf(x).map((_, i) => (i === rank - 2 ? needed - length : 0));
    const fitted = c.pad(
      x,
      after.map(() => 0),
      after,
    );
    const whole = isBack ? mirrored(c, fitted, n) : fitted;
    const y = transform(c, whole, isHalf && !isInverse ? Math.floor(n / 2) + 1 : n, n, isInverse);
    const kept = isBack ? c.slice(y, rank - 1, 0, 1) : y;
    return [
      c.transpose(
        kept,
        Array.from({ length: rank }, (_, i) => perm.indexOf(i)),
      ),
    ];
  },
};

/** The spectra of windowed frames, [B, frames, K, 2]. */
const STFT: Decomposition = {
  name: "STFT",
  build: (c) => {
    const signal = c.input(0);
    const [batch, total] = shapeOf(signal) as readonly [number, number];
    const channels = shapeOf(signal)[2] ?? 1;
    const step = c.integers(1, "the frame's step")![0]!;
    const window = c.optional(2);
    const length = c.integers(3, "the frame's length")?.[0] ?? (window ? shapeOf(window)[0]! : total);
    const frames = Math.floor((total - length) / step) + 1;
    const places = Array.from({ length: frames * length }, (_, i) => Math.floor(i / length) * step + (i % length));
    const cut = c.gather(c.reshape(signal, [batch, total, channels]), c.numbers(places, [frames, length], "int64"), 1);
    const weighed = window ? c.mul(cut, c.reshape(window, [length, 1])) : cut;
    const count = numberAttribute(c.node, "onesided", 1) !== 0 ? Math.floor(length / 2) + 1 : length;
    return [transform(c, weighed, count, length, false)];
  },
};

/** a₀ − a₁·cos 2πi/N + a₂·cos 4πi/N. */
function cosineWindow(name: string, a: readonly [number, number, number]): Decomposition {
  return {
    name,
    build: (c) => {
      const size = c.integers(0, "the size")![0]!;
      const n = numberAttribute(c.node, "periodic", 1) !== 0 ? size : size - 1;
      const at = (i: number): number => (n === 0 ? 1 : a[0] - a[1] * turn(i, n)[0] + a[2] * turn(2 * i, n)[0]);
      const values = c.numbers(
        Array.from({ length: size }, (_, i) => at(i)),
        [size],
      );
      return [c.op("Cast", [values], { to: numberAttribute(c.node, "output_datatype", 1) })];
    },
  };
}

/** Triangles between frequencies that are even on the mel scale, as ONNX's text computes them. */
const MEL: Decomposition = {
  name: "MelWeightMatrix",
  build: (c) => {
    const number = (index: number): number => {
      const { constant } = c.input(index);
      if (!constant) throw c.fault("its operands have to be constant.");
      return Number(constant.data[0]);
    };
    const [bins, length, rate, low, high] = [number(0), number(1), number(2), number(3), number(4)];
    const mel = (hertz: number): number => (2595 * log(1 + hertz / 700)) / Math.LN10;
    const spectrum = Math.floor(length / 2) + 1;
    const step = (mel(high) - mel(low)) / (bins + 2);
    const edges = Array.from({ length: bins + 2 }, (_, i) => {
      const hertz = 700 * (pow(10, (i * step + mel(low)) / 2595) - 1);
      return Math.floor(((length + 1) * hertz) / rate);
    });
    const weights = new Array<number>(spectrum * bins).fill(0);
    for (let i = 0; i < bins; i++) {
      const [from, centre, to] = [edges[i]!, edges[i + 1]!, edges[i + 2]!];
      if (centre === from) weights[centre * bins + i] = 1;
      else for (let j = from; j <= centre; j++) weights[j * bins + i] = (j - from) / (centre - from);
      if (to > centre) for (let j = centre; j < to; j++) weights[j * bins + i] = (to - j) / (to - centre);
    }
    return [c.op("Cast", [c.numbers(weights, [spectrum, bins])], { to: numberAttribute(c.node, "output_datatype", 1) })];
  },
};

/** Every decomposition of this file. */
export const SPECTRUM: readonly Decomposition[] = [
  DFT,
  STFT,
  cosineWindow("HannWindow", [0.5, 0.5, 0]),
  cosineWindow("HammingWindow", [25 / 46, 21 / 46, 0]),
  cosineWindow("BlackmanWindow", [0.42, 0.5, 0.08]),
  MEL,
];
