/**
 * How an image becomes a model's input, as JSON: kept in the .eqm, given on the command line. preprocess.ts carries it out.
 *
 * In this order: resize, letterbox, crop, then for each channel y = (x·scale − mean) / std with x in 0..255.
 */
import { isJsonObject, type JsonValue } from "./json.ts";

/** Width and height in pixels. */
export type Size = readonly [width: number, height: number];

/** What to do with an image. One number for `scale`, `mean` or `std` holds for every channel. */
export interface PreprocessSpec {
  /** Order of the channels that the model wants; "L" is luma (ITU-R 601-2). */
  readonly channels: "RGB" | "BGR" | "L";
  readonly layout: "NCHW" | "NHWC";
  /** To this size, or so that the shorter side is `shortest` pixels (the other in proportion, rounded). */
  readonly resize?: Size | { readonly shortest: number };
  /** Shrinks to fit where larger, places at the top left, fills the rest with `padValue`. */
  readonly letterbox?: Size;
  /** 0..255, 0 unless said. */
  readonly padValue?: number;
  /** From the centre. */
  readonly crop?: Size;
  readonly scale?: number | readonly number[];
  readonly mean?: number | readonly number[];
  readonly std?: number | readonly number[];
}

/** Sides beyond this are refused. */
export const MAX_IMAGE_SIDE = 32768;

const KEYS = ["channels", "layout", "resize", "letterbox", "padValue", "crop", "scale", "mean", "std"];

/** Checks and copies a specification. Calls `fail`, which must throw, with what is wrong. */
export function checkPreprocessSpec(json: JsonValue, fail: (problem: string) => never): PreprocessSpec {
  if (!isJsonObject(json)) return fail("is not an object");
  for (const key of Object.keys(json))
    if (!KEYS.includes(key)) fail(`has an unknown key ${JSON.stringify(key)}; known are ${KEYS.join(", ")}`);
  const { channels, layout, resize, letterbox, padValue, crop, scale, mean, std } = json;
  if (channels !== "RGB" && channels !== "BGR" && channels !== "L") return fail('"channels" is none of RGB, BGR, L');
  if (layout !== "NCHW" && layout !== "NHWC") return fail('"layout" is neither NCHW nor NHWC');
  const count = channels === "L" ? 1 : 3;
  if (padValue !== undefined && !(typeof padValue === "number" && padValue >= 0 && padValue <= 255))
    return fail('"padValue" is no number from 0 to 255');
  const spread = std === undefined ? undefined : perChannel(std, "std", count, fail);
  for (const value of [spread ?? 1].flat()) if (value === 0) fail('"std" is 0');
  return {
    channels,
    layout,
    ...(resize !== undefined && {
      resize: isJsonObject(resize) ? { shortest: side(resize["shortest"], "resize.shortest", fail) } : size(resize, "resize", fail),
    }),
    ...(letterbox !== undefined && { letterbox: size(letterbox, "letterbox", fail) }),
    ...(padValue !== undefined && { padValue }),
    ...(crop !== undefined && { crop: size(crop, "crop", fail) }),
    ...(scale !== undefined && { scale: perChannel(scale, "scale", count, fail) }),
    ...(mean !== undefined && { mean: perChannel(mean, "mean", count, fail) }),
    ...(spread !== undefined && { std: spread }),
  };
}

function size(json: JsonValue, key: string, fail: (problem: string) => never): Size {
  if (!Array.isArray(json) || json.length !== 2) return fail(`"${key}" is not [width, height]`);
  return [side(json[0], `${key}[0]`, fail), side(json[1], `${key}[1]`, fail)];
}

function side(json: JsonValue | undefined, key: string, fail: (problem: string) => never): number {
  if (typeof json !== "number" || !Number.isInteger(json) || json < 1 || json > MAX_IMAGE_SIDE)
    fail(`"${key}" is no integer from 1 to ${MAX_IMAGE_SIDE}`);
  return json as number;
}

function perChannel(json: JsonValue, key: string, count: number, fail: (problem: string) => never): number | readonly number[] {
  if (typeof json === "number" && Number.isFinite(json)) return json;
  if (!Array.isArray(json) || json.length !== count || !json.every((value) => typeof value === "number" && Number.isFinite(value))) {
    fail(`"${key}" is neither a number nor a list of ${count}`);
  }
  return json as readonly number[];
}
