/**
 * Images sampled at computed places: GridSample, AffineGrid, RoiAlign.
 *
 * Along each axis a place becomes a few positions with weights; their products over the axes weigh rows gathered from the image as [N·pixels, C].
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** A position along an axis and its weight for each sample; no weight is 1. */
interface Tap {
  readonly place: Value;
  readonly weight: Value | null;
}

type Padding = "zeros" | "border" | "reflection";

function clip(c: Composer, x: Value, low: number, high: number): Value {
  return c.op("Clip", [x, c.scalar(low), c.scalar(high)]);
}

/** x mirrored into [low, high] as often as it takes: the distance from low, modulo twice the length, folded. */
function reflected(c: Composer, x: Value, low: number, high: number): Value {
  const length = high - low;
  if (length <= 0) return c.mul(x, c.scalar(0));
  const distance = c.op("Mod", [c.op("Abs", [c.sub(x, c.scalar(low))]), c.scalar(2 * length)], { fmod: 1 });
  const folded = c.op("Min", [distance, c.sub(c.scalar(2 * length), distance)]);
  return c.add(folded, c.scalar(low));
}

/** Positions brought into the axis; with zeros outside, what is outside weighs nothing. */
function tap(c: Composer, place: Value, weight: Value | null, size: number, padding: Padding, ends: readonly [number, number]): Tap {
  const inside = padding === "reflection" ? reflected(c, place, ...ends) : place;
  const kept = clip(c, inside, 0, size - 1);
  if (padding !== "zeros") return { place: kept, weight };
  const isInside = c.cast(c.op("Equal", [kept, place]), "float32");
  return { place: kept, weight: weight ? c.mul(weight, isInside) : isInside };
}

/** Weights of the four neighbours of a place at `t` behind the second one (Keys, a = −0.75). */
function cubicWeights(c: Composer, t: Value): readonly Value[] {
  const a = -0.75;
  const polynomial = (x: Value, ...factors: readonly number[]): Value =>
    factors.slice(1).reduce((sum, factor) => c.add(c.mul(sum, x), c.scalar(factor)), c.scalar(factors[0]!));
  const near = (x: Value): Value => polynomial(x, a + 2, -(a + 3), 0, 1);
  const far = (x: Value): Value => polynomial(x, a, -5 * a, 8 * a, -4 * a);
  const one = c.scalar(1);
  const rest = c.sub(one, t);
  return [far(c.add(t, one)), near(t), near(rest), far(c.add(rest, one))];
}

/** The taps of places (in pixels) along an axis of `size`. */
function tapsOf(c: Composer, u: Value, size: number, mode: string, padding: Padding, ends: readonly [number, number]): readonly Tap[] {
  const floor = (x: Value): Value => c.op("Floor", [x]);
  if (mode === "cubic") {
    const start = floor(u);
    return cubicWeights(c, c.sub(u, start)).map((weight, i) => tap(c, c.add(start, c.scalar(i - 1)), weight, size, padding, ends));
  }
  const bounded =
    padding === "border" ? clip(c, u, 0, size - 1) : padding === "reflection" ? clip(c, reflected(c, u, ...ends), 0, size - 1) : u;
  if (mode === "nearest") return [tap(c, c.op("Round", [bounded]), null, size, padding, ends)];
  const start = floor(bounded);
  const t = c.sub(bounded, start);
  return [tap(c, start, c.sub(c.scalar(1), t), size, padding, ends), tap(c, c.add(start, c.scalar(1)), t, size, padding, ends)];
}

/** Σ over all combinations of taps: x [N, C, spatial…], taps [N, P] for each axis → [N, P, C]; `image` says whose pixels each row of samples takes. */
function sampled(c: Composer, x: Value, taps: readonly (readonly Tap[])[], image: Value, combine: "Sum" | "Max" = "Sum"): Value {
  const [batch, channels, ...spatial] = shapeOf(x) as readonly [number, number, ...number[]];
  const last = spatial.map((_, i) => i + 2);
  const rows = c.reshape(c.transpose(x, [0, ...last, 1]), [batch * elementCount(spatial), channels]);
  const start = c.mul(image, c.scalar(elementCount(spatial), "int64"));
  const combinations = taps.reduce<readonly (readonly Tap[])[]>(
    (all, axis) => all.flatMap((chosen) => axis.map((one) => [...chosen, one])),
    [[]],
  );
  const parts = combinations.map((chosen) => {
    let place = start;
    let weight: Value | null = null;
    chosen.forEach((one, i) => {
      const stride = elementCount(spatial.slice(i + 1));
      const step = c.cast(one.place, "int64");
      place = c.add(place, stride === 1 ? step : c.mul(step, c.scalar(stride, "int64")));
      if (one.weight) weight = weight ? c.mul(weight, one.weight) : one.weight;
    });
    const values = c.gather(rows, place);
    return weight ? c.mul(values, c.reshape(weight, [...shapeOf(weight), 1])) : values;
  });
  return parts.reduce((sum, part) => (combine === "Sum" ? c.add(sum, part) : c.op("Max", [sum, part])));
}

const GRID_SAMPLE: Decomposition = {
  name: "GridSample",
  build: (c) => {
    const [x, grid] = [c.input(0), c.input(1)];
    const [batch, channels, ...spatial] = shapeOf(x) as readonly [number, number, ...number[]];
    const out = shapeOf(grid).slice(1, -1);
    const rank = spatial.length;
    if (shapeOf(grid).at(-1) !== rank) throw c.fault(`a grid of ${shapeOf(grid).at(-1)} coordinates does not fit ${rank} spatial axes.`);
    const mode = stringAttribute(c.node, "mode", "linear");
    const padding = stringAttribute(c.node, "padding_mode", "zeros") as Padding;
    if (mode === "cubic" && rank !== 2) throw c.fault("cubic sampling is of two spatial axes.");
    const isAligned = numberAttribute(c.node, "align_corners", 0) !== 0;
    const points = c.reshape(grid, [batch, elementCount(out), rank]);
    const taps = spatial.map((size, i) => {
      // The last spatial axis comes first in the grid.
      const g = c.reshape(c.slice(points, 2, rank - 1 - i, rank - i), [batch, elementCount(out)]);
      const half = c.scale(c.add(g, c.scalar(1)), (isAligned ? size - 1 : size) / 2);
      const u = isAligned ? half : c.sub(half, c.scalar(0.5));
      return tapsOf(c, u, size, mode, padding, isAligned ? [0, size - 1] : [-0.5, size - 0.5]);
    });
    const y = sampled(c, x, taps, c.range(batch, [batch, 1]));
    return [c.reshape(c.transpose(y, [0, 2, 1]), [batch, channels, ...out])];
  },
};

/** theta [N, r, r + 1] times the homogeneous coordinates of the pixels' centres in [−1, 1]. */
const AFFINE_GRID: Decomposition = {
  name: "AffineGrid",
  build: (c) => {
    const size = c.integers(1, "the size")!;
    const [batch, , ...spatial] = size as readonly [number, number, ...number[]];
    const rank = spatial.length;
    const isAligned = numberAttribute(c.node, "align_corners", 0) !== 0;
    const count = elementCount(spatial);
    const columns = spatial.map((length, i) => {
      const ticks = Array.from({ length }, (_, at) =>
        isAligned ? (length === 1 ? 0 : (2 * at) / (length - 1) - 1) : (2 * at + 1) / length - 1,
      );
      const line = c.numbers(ticks, [length, ...spatial.slice(i + 1).map(() => 1)]);
      return c.reshape(c.expand(line, spatial), [count, 1]);
    });
    const points = c.concat([...columns.reverse(), c.expand(c.scalar(1), [count, 1])], 1);
    const y = c.op("MatMul", [c.reshape(points, [1, count, rank + 1]), c.transpose(c.input(0), [0, 2, 1])]);
    return [c.reshape(y, [batch, ...spatial, rank])];
  },
};

const ROI_ALIGN: Decomposition = {
  name: "RoiAlign",
  build: (c) => {
    const [x, rois] = [c.input(0), c.input(1)];
    const [, channels, height, width] = shapeOf(x) as readonly [number, number, number, number];
    const count = shapeOf(rois)[0]!;
    const out = [numberAttribute(c.node, "output_height", 1), numberAttribute(c.node, "output_width", 1)] as const;
    const samples = numberAttribute(c.node, "sampling_ratio", 0);
    if (samples < 1)
      throw c.fault("its sampling_ratio is 0: how many samples a bin takes depends on the data. Export it with a positive one.");
    const isHalf = stringAttribute(c.node, "coordinate_transformation_mode", "half_pixel") === "half_pixel";
    const scaled = c.sub(c.scale(rois, numberAttribute(c.node, "spatial_scale", 1)), c.scalar(isHalf ? 0.5 : 0));
    const corner = (i: number): Value => c.slice(scaled, 1, i, i + 1);
    const isMax = stringAttribute(c.node, "mode", "avg") === "max";
    const perAxis = [height, width].map((size, i): readonly Tap[] => {
      const [low, high] = [corner(1 - i), corner(3 - i)];
      const extent = c.sub(high, low);
      const length = isHalf ? extent : c.op("Max", [extent, c.scalar(1)]);
      const ticks = Array.from({ length: out[i]! * samples }, (_, at) => (at + 0.5) / (samples * out[i]!));
      const u = c.add(low, c.mul(length, c.numbers(ticks, [1, ticks.length])));
      // Outside of [−1, size] a sample is 0; between there and the border it is the border's.
      const isNear = c.op("And", [c.op("GreaterOrEqual", [u, c.scalar(-1)]), c.op("LessOrEqual", [u, c.scalar(size)])]);
      const taps = tapsOf(c, clip(c, u, 0, size - 1), size, "linear", "border", [0, size - 1]);
      const near = c.cast(isNear, "float32");
      return taps.map(({ place, weight }): Tap => ({ place, weight: c.mul(weight!, near) }));
    });
    const lengths = out.map((bins) => bins * samples) as [number, number];
    const spread = (axis: number, value: Value): Value =>
      c.reshape(c.expand(c.reshape(value, axis === 0 ? [count, lengths[0], 1] : [count, 1, lengths[1]]), [count, ...lengths]), [
        count,
        lengths[0] * lengths[1],
      ]);
    const taps = perAxis.map((axis, i) => axis.map(({ place, weight }): Tap => ({ place: spread(i, place), weight: spread(i, weight!) })));
    const values = sampled(c, x, taps, c.reshape(c.cast(c.input(2), "int64"), [count, 1]), isMax ? "Max" : "Sum");
    const bins = c.reshape(values, [count, out[0], samples, out[1], samples, channels]);
    const y = c.reduce(isMax ? "Max" : "Mean", bins, [2, 4], false);
    return [c.transpose(y, [0, 3, 1, 2])];
  },
};

/** Every decomposition of this file. */
export const SAMPLING: readonly Decomposition[] = [GRID_SAMPLE, AFFINE_GRID, ROI_ALIGN];
