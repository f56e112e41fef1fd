/** From a JPEG's components to RGB: chroma brought to full resolution as libjpeg does ("fancy"), then its colour conversion. */

import type { Fail } from "./jpeg.ts";
import { inverseTransform } from "./jpeg-idct.ts";
import type { Component } from "./jpeg-scan.ts";

/** What the application markers say about colour. */
export interface ColourMarkers {
  readonly jfif: boolean;
  /** Adobe's transform byte: 0 none, 1 YCbCr, 2 YCCK; undefined without that marker. */
  readonly adobeTransform: number | undefined;
}

interface Plane {
  readonly samples: Uint8Array | Uint8ClampedArray;
  readonly stride: number;
}

/** The picture, [height, width, 3]. */
export function outputRgb(width: number, height: number, components: readonly Component[], markers: ColourMarkers, fail: Fail): Uint8Array {
  const planes = components.map((component) => upsample(component, width, height));
  const out = new Uint8Array(width * height * 3);
  switch (planes.length) {
    case 1:
      eachPixel(planes, width, height, ([grey], at) => out.fill(grey as number, at * 3, at * 3 + 3));
      return out;
    case 3:
      if (isYcc(components, markers)) convertYcc(planes, width, height, out);
      else eachPixel(planes, width, height, (rgb, at) => out.set(rgb, at * 3));
      return out;
    case 4:
      convertCmyk(planes, width, height, markers.adobeTransform, out);
      return out;
    default:
      return fail(`has ${planes.length} colour components`);
  }
}

function isYcc(components: readonly Component[], { jfif, adobeTransform }: ColourMarkers): boolean {
  if (jfif) return true;
  if (adobeTransform !== undefined) return adobeTransform !== 0;
  return String.fromCharCode(...components.map(({ id }) => id)) !== "RGB";
}

/** 1.402, 0.71414, 0.34414 and 1.772 with 16 bits behind the point. */
function convertYcc(planes: readonly Plane[], width: number, height: number, out: Uint8Array): void {
  const [luma, blue, red] = planes as readonly [Plane, Plane, Plane];
  const clamped = new Uint8ClampedArray(out.buffer);
  for (let row = 0, to = 0; row < height; row++) {
    for (let x = 0; x < width; x++, to += 3) {
      const y = luma.samples[row * luma.stride + x] as number;
      const cb = (blue.samples[row * blue.stride + x] as number) - 128;
      const cr = (red.samples[row * red.stride + x] as number) - 128;
      clamped[to] = y + ((91881 * cr + 32768) >> 16);
      clamped[to + 1] = y + ((-22554 * cb - 46802 * cr + 32768) >> 16);
      clamped[to + 2] = y + ((116130 * cb + 32768) >> 16);
    }
  }
}

/** Adobe stores CMYK inverted; in YCCK the first three are YCbCr of the inverted values. */
function convertCmyk(planes: readonly Plane[], width: number, height: number, adobeTransform: number | undefined, out: Uint8Array): void {
  const inks = new Uint8Array(width * height * 3);
  if (adobeTransform === 2) convertYcc(planes, width, height, inks);
  else eachPixel(planes, width, height, ([c, m, y], at) => inks.set([c as number, m as number, y as number], at * 3));
  eachPixel(planes, width, height, ([, , , k], at) => {
    const black = k as number;
    const light = adobeTransform === undefined ? 255 - black : black;
    for (let c = at * 3; c < at * 3 + 3; c++) {
      const stored = inks[c] as number;
      const ink = adobeTransform === undefined ? stored : adobeTransform === 2 ? stored : 255 - stored;
      const product = ink * light + 128;
      out[c] = light - (((product >> 8) + product) >> 8);
    }
  });
}

function eachPixel(planes: readonly Plane[], width: number, height: number, visit: (values: readonly number[], at: number) => void): void {
  const values = planes.map(() => 0);
  for (let row = 0; row < height; row++) {
    for (let x = 0; x < width; x++) {
      for (let p = 0; p < planes.length; p++) {
        const { samples, stride } = planes[p] as Plane;
        values[p] = samples[row * stride + x] as number;
      }
      visit(values, row * width + x);
    }
  }
}

function upsample(component: Component, width: number, height: number): Plane {
  const source = { samples: inverseTransform(component), stride: component.blocksAcross * 8 };
  const { expandAcross, expandDown, columns, lines } = component;
  if (expandAcross === 1 && expandDown === 1) return source;
  const stride = columns * expandAcross;
  const samples = new Uint8Array(stride * lines * expandDown);
  const smoothAcross = expandAcross === 2 && columns > 2;
  if (smoothAcross && expandDown === 1) {
    for (let row = 0; row < lines; row++)
      doubleAcross(source.samples.subarray(row * source.stride, row * source.stride + columns), samples.subarray(row * stride));
  } else if ((smoothAcross || expandAcross === 1) && expandDown === 2) doubleDown(source, columns, lines, expandAcross, samples, stride);
  else {
    for (let row = 0; row < height; row++) {
      const from = Math.floor(row / expandDown) * source.stride;
      for (let x = 0; x < width; x++) samples[row * stride + x] = source.samples[from + Math.floor(x / expandAcross)] as number;
    }
  }
  return { samples, stride };
}

/** Each new sample lies a quarter of the way to its neighbour: 3/4 and 1/4, rounded up and down in turn. */
function doubleAcross(line: Uint8Array | Uint8ClampedArray, out: Uint8Array): void {
  const last = line.length - 1;
  for (let x = 0; x <= last; x++) {
    const here = line[x] as number;
    out[2 * x] = x === 0 ? here : (3 * here + (line[x - 1] as number) + 1) >> 2;
    out[2 * x + 1] = x === last ? here : (3 * here + (line[x + 1] as number) + 2) >> 2;
  }
}

/** The same downwards, and in both directions at once where the columns double as well. */
function doubleDown(
  { samples, stride }: Plane,
  columns: number,
  lines: number,
  expandAcross: number,
  out: Uint8Array,
  outStride: number,
): void {
  const sums = new Int32Array(columns);
  const last = columns - 1;
  for (let row = 0; row < lines * 2; row++) {
    const near = row >> 1;
    const far = Math.min(lines - 1, Math.max(0, near + (row & 1 ? 1 : -1)));
    for (let x = 0; x < columns; x++) sums[x] = 3 * (samples[near * stride + x] as number) + (samples[far * stride + x] as number);
    const to = row * outStride;
    if (expandAcross === 1) {
      for (let x = 0; x < columns; x++) out[to + x] = ((sums[x] as number) + 1 + (row & 1)) >> 2;
      continue;
    }
    for (let x = 0; x < columns; x++) {
      const here = sums[x] as number;
      out[to + 2 * x] = x === 0 ? (4 * here + 8) >> 4 : (3 * here + (sums[x - 1] as number) + 8) >> 4;
      out[to + 2 * x + 1] = x === last ? (4 * here + 7) >> 4 : (3 * here + (sums[x + 1] as number) + 7) >> 4;
    }
  }
}
