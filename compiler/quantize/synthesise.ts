/**
 * Inputs made up where there are no calibration data: smooth random fields with some noise, by a fixed generator. They exercise
 * the layers, but their ranges are a guess, which the report says.
 */

import type { PreprocessSpec } from "../../host/preprocess-spec.ts";
import { elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { type Graph, typeOf } from "../ir/graph.ts";
import type { Sample } from "./calibrate.ts";

const SAMPLES = 16;

/** Sixteen samples. With a preprocessing spec, the first input spans what pixels 0 to 255 become; otherwise values lie mostly in [−2, 2]; bytes in all of theirs. */
export function* synthesise(graph: Graph, spec: PreprocessSpec | undefined): Generator<Sample> {
  let state = 0x2545f491;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < SAMPLES; i++) {
    const sample: Record<string, Tensor> = {};
    for (const value of graph.inputs) {
      const { dtype, shape } = typeOf(value);
      const data = newArray(dtype, elementCount(shape));
      if (dtype === "float32")
        fillField(data as Float32Array, shape, random, pixelRange(value === graph.inputs[0] ? spec : undefined) ?? [-2, 2]);
      // Bytes are never indices: ONNX takes none as such.
      else if (dtype === "uint8" || dtype === "int8") {
        const field = new Float32Array(data.length);
        fillField(field, shape, random, dtype === "uint8" ? [0, 255] : [-128, 127]);
        (data as Uint8Array).set(field.map(Math.round));
      }
      sample[value.name] = { dtype, shape, data };
    }
    yield sample;
  }
}

/** Rows of waves with random frequency and phase for each plane, plus a tenth of noise. */
function fillField(data: Float32Array, shape: readonly number[], random: () => number, [low, high]: readonly [number, number]): void {
  const width = shape[shape.length - 1] ?? 1;
  const height = shape.length > 2 ? shape[shape.length - 2]! : 1;
  const plane = width * height;
  for (let start = 0; start < data.length; start += plane) {
    const [fx, fy, px, py, level] = [random() * 4, random() * 4, random(), random(), random()];
    for (let i = 0; i < plane && start + i < data.length; i++) {
      const wave = triangle((fx * (i % width)) / width + px) * triangle((fy * Math.floor(i / width)) / height + py);
      const unit = Math.max(0, Math.min(1, 0.45 * wave + 0.45 * level + 0.1 * random()));
      data[start + i] = low + (high - low) * unit;
    }
  }
}

/** A triangle wave of period 1 in [0, 1]. */
function triangle(t: number): number {
  return Math.abs(2 * (t - Math.floor(t)) - 1);
}

function pixelRange(spec: PreprocessSpec | undefined): readonly [number, number] | null {
  if (!spec) return null;
  const list = (value: number | readonly number[] | undefined, otherwise: number): readonly number[] =>
    typeof value === "number" ? [value] : (value ?? [otherwise]);
  const scales = list(spec.scale, 1);
  const means = list(spec.mean, 0);
  const deviations = list(spec.std, 1);
  const ends = [0, 1, 2].flatMap((c) => {
    const at = (values: readonly number[]): number => values[c] ?? values[0]!;
    return [-at(means), 255 * at(scales) - at(means)].map((x) => x / at(deviations));
  });
  return [Math.min(...ends), Math.max(...ends)];
}
