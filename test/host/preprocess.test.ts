import { describe, expect, it } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import { InputError } from "../../host/errors.ts";
import { load } from "../../host/index.ts";
import type { JsonValue } from "../../host/json.ts";
import { preprocess } from "../../host/preprocess.ts";
import { checkPreprocessSpec, type PreprocessSpec } from "../../host/preprocess-spec.ts";
import { type Pixels, resizeBilinear } from "../../host/resize.ts";
import { program, scanner } from "../support/small-model.ts";

const grey = (data: number[], width: number): Pixels => ({ data: Uint8Array.from(data), width, height: data.length / width, channels: 1 });
const L: PreprocessSpec = { channels: "L", layout: "NHWC" };

describe("resizing", () => {
  it("halves by the widened triangle: weights 1, 3, 3, 1 of 8, cut off and normalised at the edges", () => {
    // Destination 0 has its centre at 1 and a support of 2: sources 0, 1, 2 with weights ¾, ¾, ¼; destination 1 is its mirror image.
    const { data } = resizeBilinear(grey([0, 70, 140, 210], 4), 2, 1);
    expect([...data]).toEqual([
      Math.round((0 * 0.75 + 70 * 0.75 + 140 * 0.25) / 1.75),
      Math.round((70 * 0.25 + 140 * 0.75 + 210 * 0.75) / 1.75),
    ]);
    const { data: inner } = resizeBilinear(grey([0, 0, 0, 80, 160, 240, 0, 0], 8), 4, 1);
    // Destination 1 of 4 has its centre at 3: sources 1 to 4.
    expect(inner[1]).toBe(Math.round((0 + 0 + 80 * 3 + 160) / 8));
  });

  it("doubles by plain interpolation", () => {
    expect([...resizeBilinear(grey([0, 100], 2), 4, 1).data]).toEqual([0, 25, 75, 100]);
    expect([...resizeBilinear(grey([0, 100], 1), 1, 4).data]).toEqual([0, 25, 75, 100]);
  });

  it("rounds to bytes after the horizontal pass, as Pillow does", () => {
    // Columns first: (0·¾ + 1·¼, …) rounds to 0 and (1·¾ + 2·¼ = 1.25) to 1 before the rows are mixed.
    expect([...resizeBilinear(grey([0, 1, 1, 2], 2), 4, 2).data]).toEqual([0, 0, 1, 1, 1, 1, 2, 2]);
  });

  it("keeps constant images constant at awkward sizes, and leaves an equal size alone", () => {
    for (const value of [0, 1, 127, 128, 254, 255]) {
      const image: Pixels = { data: new Uint8Array(37 * 23 * 3).fill(value), width: 37, height: 23, channels: 3 };
      for (const [width, height] of [
        [1, 1],
        [5, 100],
        [100, 5],
        [36, 24],
        [74, 46],
      ] as const) {
        expect(new Set(resizeBilinear(image, width, height).data)).toEqual(new Set([value]));
      }
      expect(resizeBilinear(image, 37, 23).data).toBe(image.data);
    }
  });

  it("keeps channels apart", () => {
    const image: Pixels = { data: Uint8Array.from([0, 200, 10, 100, 0, 10]), width: 2, height: 1, channels: 3 };
    expect([...resizeBilinear(image, 4, 1).data]).toEqual([0, 200, 10, 25, 150, 10, 75, 50, 10, 100, 0, 10]);
  });
});

describe("a specification", () => {
  it("orders channels and axes and normalises each channel", () => {
    const image = { data: Uint8Array.from([10, 20, 30, 40, 50, 60]), width: 2, height: 1, channels: 3 };
    const spec: PreprocessSpec = { channels: "BGR", layout: "NCHW", scale: 0.5, mean: [1, 2, 3], std: [2, 4, 8] };
    expect(preprocess([image], spec)).toEqual({
      data: new Float32Array([(15 - 1) / 2, (30 - 1) / 2, (10 - 2) / 4, (25 - 2) / 4, (5 - 3) / 8, (20 - 3) / 8]),
      shape: [1, 3, 1, 2],
    });
    expect(preprocess([image], { channels: "RGB", layout: "NHWC" })).toEqual({
      data: new Float32Array([10, 20, 30, 40, 50, 60]),
      shape: [1, 1, 2, 3],
    });
  });

  it("makes luma of colour, colour of grey, and drops alpha", () => {
    const rgba = { data: new Uint8ClampedArray([255, 0, 0, 7, 0, 255, 0, 7, 0, 0, 255, 7, 255, 255, 255, 7]), width: 4, height: 1 };
    expect([...preprocess([rgba], L).data]).toEqual([76, 150, 29, 255]);
    expect([...preprocess([rgba], { channels: "RGB", layout: "NHWC" }).data].slice(0, 6)).toEqual([255, 0, 0, 0, 255, 0]);
    expect([...preprocess([grey([5, 6], 2)], { channels: "BGR", layout: "NHWC" }).data]).toEqual([5, 5, 5, 6, 6, 6]);
  });

  it("crops from the centre, the odd pixel to the right and below", () => {
    const image = grey(
      Array.from({ length: 20 }, (_, i) => i),
      5,
    );
    expect([...preprocess([image], { ...L, crop: [2, 2] }).data]).toEqual([6, 7, 11, 12]);
    expect([...preprocess([image], { ...L, crop: [3, 1] }).data]).toEqual([6, 7, 8]);
  });

  it("resizes the shorter side and keeps the ratio, rounded", () => {
    expect(preprocess([grey(new Array(7 * 3).fill(9), 7)], { ...L, resize: { shortest: 2 } }).shape).toEqual([1, 2, 5, 1]);
    expect(preprocess([grey(new Array(7 * 3).fill(9), 3)], { ...L, resize: { shortest: 6 } }).shape).toEqual([1, 14, 6, 1]);
    expect(preprocess([grey(new Array(7 * 3).fill(9), 3)], { ...L, resize: [4, 5] }).shape).toEqual([1, 5, 4, 1]);
  });

  it("letterboxes at the top left, shrinking only what is larger, filling with padValue", () => {
    expect([...preprocess([grey([1, 2], 2)], { ...L, letterbox: [3, 2], padValue: 114 }).data]).toEqual([1, 2, 114, 114, 114, 114]);
    const wide = preprocess([grey(new Array(8 * 2).fill(50), 8)], { ...L, letterbox: [4, 4], padValue: 7 });
    expect([...wide.data]).toEqual([50, 50, 50, 50, ...new Array<number>(12).fill(7)]);
  });

  it("goes through a list of images of one size, and refuses several sizes", () => {
    expect(preprocess([grey([1], 1), grey([2], 1)], L)).toEqual({ data: new Float32Array([1, 2]), shape: [2, 1, 1, 1] });
    expect(() => preprocess([grey([1], 1), grey([2, 3], 2)], L)).toThrow(
      new InputError("bad-image", 'Images of one batch come out at 1×1 and 2×1: add "resize" or "crop" to the specification.'),
    );
  });

  it.each<[object, string]>([
    [{ data: new Uint8Array(5), width: 2, height: 2 }, "An image has 1, 3 or 4 channels, not 1.25."],
    [{ data: new Uint8Array(8), width: 2, height: 2 }, "An image has 1, 3 or 4 channels, not 2."],
    [{ data: new Uint8Array(12), width: 2, height: 2, channels: 1 }, "An image of 2×2 with 1 channels has 4 bytes, not 12."],
    [{ data: new Uint8Array(0), width: 0, height: 2 }, "An image of 0×2 is none."],
    [{ data: [1, 2, 3], width: 1, height: 1 }, "An image's data is a Uint8Array or a Uint8ClampedArray."],
    [
      { data: new Uint8Array(3), width: 1, height: 1 },
      'An image of 1×1 is too small for the crop of 2×2: add "resize" to the specification.',
    ],
  ])("refuses %o", (image, message) => {
    expect(() => preprocess([image as Pixels], { ...L, crop: [2, 2] })).toThrow(new InputError("bad-image", message));
  });

  it.each<[JsonValue, string]>([
    [[], "is not an object"],
    [
      { channels: "RGB", layout: "NCHW", sizes: 1 },
      'has an unknown key "sizes"; known are channels, layout, resize, letterbox, padValue, crop, scale, mean, std',
    ],
    [{ channels: "RGBA", layout: "NCHW" }, '"channels" is none of RGB, BGR, L'],
    [{ channels: "RGB" }, '"layout" is neither NCHW nor NHWC'],
    [{ channels: "RGB", layout: "NCHW", resize: [1] }, '"resize" is not [width, height]'],
    [{ channels: "RGB", layout: "NCHW", resize: { shortest: 0 } }, '"resize.shortest" is no integer from 1 to 32768'],
    [{ channels: "RGB", layout: "NCHW", crop: [1, 1e9] }, '"crop[1]" is no integer from 1 to 32768'],
    [{ channels: "RGB", layout: "NCHW", padValue: 256 }, '"padValue" is no number from 0 to 255'],
    [{ channels: "RGB", layout: "NCHW", mean: [1, 2] }, '"mean" is neither a number nor a list of 3'],
    [{ channels: "L", layout: "NCHW", scale: "1" }, '"scale" is neither a number nor a list of 1'],
    [{ channels: "RGB", layout: "NCHW", std: [1, 0, 1] }, '"std" is 0'],
  ])("is checked: %j", (spec, problem) => {
    const fail = (found: string): never => {
      throw new Error(found);
    };
    expect(() => checkPreprocessSpec(spec, fail)).toThrow(new Error(problem));
  });
});

describe("model.preprocess", () => {
  const file = (dtype: "float32" | "uint8" | "int8", shape: number[], preprocessing: PreprocessSpec) =>
    emitFile(
      program({
        inputs: [{ name: "image", dtype, shape, address: 0 }],
        outputs: [{ name: "y", dtype, shape, address: 0 }],
        steps: [],
        metadata: { preprocess: preprocessing },
      }),
      scanner,
    );
  const image = { data: Uint8Array.from([1, 2, 3, 250, 251, 252]), width: 2, height: 1 };

  it("gives the first input, in its own type", async () => {
    using real = await load(file("float32", [1, 3, 1, 2], { channels: "RGB", layout: "NCHW", scale: 0.5 }));
    expect(real.run({ image: real.preprocess(image) })).toEqual({ y: new Float32Array([0.5, 125, 1, 125.5, 1.5, 126]) });
    using bytes = await load(file("int8", [1, 1, 2, 3], { channels: "RGB", layout: "NHWC", mean: 128 }));
    expect(bytes.preprocess(image)).toEqual(new Int8Array([-127, -126, -125, 122, 123, 124]));
    using halves = await load(file("uint8", [2, 1, 2, 3], { channels: "RGB", layout: "NHWC", scale: 1.5, mean: 3 }));
    expect(halves.preprocess([image, image])).toEqual(new Uint8Array([0, 0, 2, 255, 255, 255, 0, 0, 2, 255, 255, 255]));
  });

  it("refuses images that do not come out at the input's shape", async () => {
    using model = await load(file("float32", [1, 3, 2, 1], { channels: "RGB", layout: "NCHW" }));
    expect(() => model.preprocess(image)).toThrow(
      new InputError("wrong-shape", 'The input "image" has shape [1,3,2,1], the images come out as [1,3,1,2].', {
        input: "image",
        expected: [1, 3, 2, 1],
        got: [1, 3, 1, 2],
      }),
    );
  });
});
