/** Carries out a preprocessing specification: images in, a batch of float32 out. */
import { InputError } from "./errors.ts";
import type { PreprocessSpec, Size } from "./preprocess-spec.ts";
import { type Pixels, resizeBilinear } from "./resize.ts";
import { tagOf } from "./tensor.ts";

/** An 8-bit image as canvas, decoders and arrays have it; ImageData is one. Channels: 1 grey, 3 RGB, 4 RGB and alpha, which is left out; told by the length where not given. */
export interface Image {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels?: number;
}

/** A batch of preprocessed images: [N, C, H, W] or [N, H, W, C], as the specification says. */
export interface Batch {
  readonly data: Float32Array;
  readonly shape: readonly [number, number, number, number];
}

/** Preprocesses images that come out at one size. Throws InputError `bad-image`. */
export function preprocess(images: readonly Image[], spec: PreprocessSpec): Batch {
  const prepared = images.map((image) => place(checkedPixels(image, spec), spec));
  const first = prepared[0];
  if (!first) throw new InputError("bad-image", "There is no image.");
  const { width, height, channels } = first;
  for (const other of prepared) {
    if (other.width !== width || other.height !== height) {
      throw new InputError(
        "bad-image",
        `Images of one batch come out at ${width}×${height} and ${other.width}×${other.height}: add "resize" or "crop" to the specification.`,
      );
    }
  }
  const data = new Float32Array(prepared.length * channels * height * width);
  for (const [n, image] of prepared.entries()) normalise(image, spec, data.subarray(n * channels * height * width));
  return { data, shape: spec.layout === "NCHW" ? [prepared.length, channels, height, width] : [prepared.length, height, width, channels] };
}

/** The image with one channel (L) or three, in the order R, G, B. */
function checkedPixels({ data, width, height, channels: given }: Image, spec: PreprocessSpec): Pixels {
  const pixels = width * height;
  if (!Number.isInteger(width) || !Number.isInteger(height) || pixels <= 0)
    throw new InputError("bad-image", `An image of ${width}×${height} is none.`);
  if (!/^Uint8(Clamped)?Array$/.test(tagOf(data)))
    throw new InputError("bad-image", "An image's data is a Uint8Array or a Uint8ClampedArray.");
  const channels = given ?? data.length / pixels;
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new InputError("bad-image", `An image has 1, 3 or 4 channels, not ${channels}.`);
  if (data.length !== pixels * channels)
    throw new InputError(
      "bad-image",
      `An image of ${width}×${height} with ${channels} channels has ${pixels * channels} bytes, not ${data.length}.`,
    );
  const wanted = spec.channels === "L" ? 1 : 3;
  if (channels === wanted) return { data, width, height, channels };
  const converted = new Uint8Array(pixels * wanted);
  for (let i = 0; i < pixels; i++) {
    const from = i * channels;
    if (wanted === 1) converted[i] = (data[from]! * 19595 + data[from + 1]! * 38470 + data[from + 2]! * 7471 + 32768) >> 16;
    else for (let c = 0; c < 3; c++) converted[i * 3 + c] = data[channels === 1 ? from : from + c]!;
  }
  return { data: converted, width, height, channels: wanted };
}

function place(image: Pixels, { resize, letterbox, padValue = 0, crop }: PreprocessSpec): Pixels {
  let placed = image;
  if (resize !== undefined) {
    const [width, height] = "shortest" in resize ? shortestSize(placed, resize.shortest) : resize;
    placed = resizeBilinear(placed, width, height);
  }
  if (letterbox !== undefined) placed = letterboxed(placed, letterbox, padValue);
  if (crop !== undefined) placed = cropped(placed, crop);
  return placed;
}

function shortestSize({ width, height }: Pixels, shortest: number): Size {
  return width <= height ? [shortest, Math.round((height * shortest) / width)] : [Math.round((width * shortest) / height), shortest];
}

function letterboxed(image: Pixels, [width, height]: Size, padValue: number): Pixels {
  const ratio = Math.min(width / image.width, height / image.height, 1);
  const inner = resizeBilinear(image, Math.max(1, Math.round(image.width * ratio)), Math.max(1, Math.round(image.height * ratio)));
  const { channels } = image;
  const data = new Uint8Array(width * height * channels).fill(Math.round(padValue));
  for (let y = 0; y < inner.height; y++)
    data.set(inner.data.subarray(y * inner.width * channels, (y + 1) * inner.width * channels), y * width * channels);
  return { data, width, height, channels };
}

function cropped(image: Pixels, [width, height]: Size): Pixels {
  if (image.width < width || image.height < height) {
    throw new InputError(
      "bad-image",
      `An image of ${image.width}×${image.height} is too small for the crop of ${width}×${height}: add "resize" to the specification.`,
    );
  }
  const { channels } = image;
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * channels;
    data.set(image.data.subarray(start, start + width * channels), y * width * channels);
  }
  return { data, width, height, channels };
}

/** y = (x·scale − mean) / std in float64, rounded once, through a table for each channel. */
function normalise(
  { data, width, height, channels }: Pixels,
  { channels: order, layout, scale = 1, mean = 0, std = 1 }: PreprocessSpec,
  into: Float32Array,
): void {
  const pixels = width * height;
  const planes = layout === "NCHW";
  const at = (values: number | readonly number[], c: number) => (typeof values === "number" ? values : values[c]!);
  for (let c = 0; c < channels; c++) {
    const table = Float32Array.from({ length: 256 }, (_, x) => (x * at(scale, c) - at(mean, c)) / at(std, c));
    const source = order === "BGR" ? channels - 1 - c : c;
    for (let i = 0; i < pixels; i++) into[planes ? c * pixels + i : i * channels + c] = table[data[i * channels + source]!]!;
  }
}
