/**
 * PNG (ISO/IEC 15948): every colour type, bit depth and interlacing. Alpha is left out, 16 bits become their upper 8, colour profiles
 * and gamma are not applied: the pixels that training pipelines see.
 */
import { crc32, inflateSync } from "node:zlib";
import type { Image } from "./image.ts";
import type { Fail } from "./jpeg.ts";

interface Header {
  readonly width: number;
  readonly height: number;
  readonly bitDepth: number;
  readonly colourType: number;
  readonly interlaced: boolean;
}

/** Bytes that every PNG starts with. */
export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const PALETTE = 3;
/** Samples of a pixel and the bit depths that are allowed, by colour type. */
const COLOUR_TYPES: ReadonlyMap<number, { readonly samples: number; readonly depths: readonly number[] }> = new Map([
  [0, { samples: 1, depths: [1, 2, 4, 8, 16] }],
  [2, { samples: 3, depths: [8, 16] }],
  [PALETTE, { samples: 1, depths: [1, 2, 4, 8] }],
  [4, { samples: 2, depths: [8, 16] }],
  [6, { samples: 4, depths: [8, 16] }],
]);

/** First column and row, and the distance to the next, of Adam7's seven passes. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Decodes to grey or RGB. `fail` is called for anything damaged, cut off, or of more than `maxPixels`. */
export function decodePng(bytes: Uint8Array, maxPixels: number, fail: Fail): Image {
  const { header, palette, data } = readChunks(bytes, maxPixels, fail);
  const { width, height, bitDepth, colourType, interlaced } = header;
  const { samples } = COLOUR_TYPES.get(colourType) as { readonly samples: number };
  const passes = (interlaced ? ADAM7 : [[0, 0, 1, 1] as const])
    .map(([x, y, stepX, stepY]) => ({ x, y, stepX, stepY, columns: Math.ceil((width - x) / stepX), rows: Math.ceil((height - y) / stepY) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const lineBytes = (columns: number): number => Math.ceil((columns * samples * bitDepth) / 8);
  const wanted = passes.reduce((sum, { columns, rows }) => sum + rows * (1 + lineBytes(columns)), 0);
  const raw = inflated(data, wanted, fail);
  const channels = colourType === 0 || colourType === 4 ? 1 : 3;
  const out = new Uint8Array(width * height * channels);
  let at = 0;
  for (const { x, y, stepX, stepY, columns, rows } of passes) {
    const length = lineBytes(columns);
    let above = new Uint8Array(length);
    for (let row = 0; row < rows; row++, at += 1 + length) {
      const line = raw.subarray(at + 1, at + 1 + length);
      unfilter(raw[at] as number, line, above, Math.max(1, (samples * bitDepth) >> 3), fail);
      for (let column = 0; column < columns; column++) {
        const to = ((y + row * stepY) * width + x + column * stepX) * channels;
        if (colourType === PALETTE) copyColour(palette, sampleAt(line, column, bitDepth), out, to, fail);
        else for (let c = 0; c < channels; c++) out[to + c] = toByte(sampleAt(line, column * samples + c, bitDepth), bitDepth);
      }
      above = line as Uint8Array<ArrayBuffer>;
    }
  }
  return { width, height, channels, data: out };
}

function readChunks(
  bytes: Uint8Array,
  maxPixels: number,
  fail: Fail,
): { readonly header: Header; readonly palette: Uint8Array; readonly data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: Uint8Array[] = [];
  let header: Header | undefined;
  let palette = new Uint8Array();
  for (let at = PNG_SIGNATURE.length; ; ) {
    if (at + 12 > bytes.length) return fail("is cut off");
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) return fail("is cut off");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const chunk = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      return fail(`is damaged: the checksum of ${JSON.stringify(type)} does not hold`);
    at += 12 + length;
    if ((header === undefined) !== (type === "IHDR")) return fail("has no header, or two");
    if (type === "IHDR") header = readHeader(chunk, maxPixels, fail);
    else if (type === "PLTE") palette = chunk as Uint8Array<ArrayBuffer>;
    else if (type === "IDAT") pieces.push(chunk);
    else if (type === "IEND") break;
    else if ((type.charCodeAt(0) & 32) === 0) return fail(`has the unknown part ${JSON.stringify(type)}`);
  }
  return { header: header as Header, palette, data: Buffer.concat(pieces) };
}

function readHeader(chunk: Uint8Array, maxPixels: number, fail: Fail): Header {
  if (chunk.length !== 13) return fail("has a broken header");
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bitDepth, colourType, compression, filter, interlace] = chunk.subarray(8) as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
  ];
  if (width === 0 || height === 0) fail("has no size");
  if (width * height > maxPixels) fail(`has more than ${maxPixels} pixels`);
  if (COLOUR_TYPES.get(colourType)?.depths.includes(bitDepth) !== true || compression !== 0 || filter !== 0 || interlace > 1)
    fail("has a broken header");
  return { width, height, bitDepth, colourType, interlaced: interlace === 1 };
}

function inflated(data: Uint8Array, wanted: number, fail: Fail): Uint8Array {
  const raw = unpacked(data, wanted);
  if (raw === undefined) return fail("is damaged: its pixels cannot be unpacked, or are too many");
  return raw.length === wanted ? raw : fail("is damaged: it has too few pixels");
}

function unpacked(data: Uint8Array, atMost: number): Uint8Array | undefined {
  try {
    return inflateSync(data, { maxOutputLength: atMost });
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** Undoes a line's filter in place; `distance` is bytes to the pixel on the left. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, distance: number, fail: Fail): void {
  if (filter > 4) fail("is damaged: it has an unknown filter");
  if (filter === 0) return;
  for (let i = 0; i < line.length; i++) {
    const left = i < distance ? 0 : (line[i - distance] as number);
    const up = above[i] as number;
    const corner = i < distance ? 0 : (above[i - distance] as number);
    const guess = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
    line[i] = (line[i] as number) + guess;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const toLeft = Math.abs(estimate - left);
  const toUp = Math.abs(estimate - up);
  const toCorner = Math.abs(estimate - corner);
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
}

function sampleAt(line: Uint8Array, index: number, bitDepth: number): number {
  if (bitDepth === 8) return line[index] as number;
  if (bitDepth === 16) return ((line[2 * index] as number) << 8) | (line[2 * index + 1] as number);
  const bit = index * bitDepth;
  return ((line[bit >> 3] as number) >> (8 - bitDepth - (bit & 7))) & ((1 << bitDepth) - 1);
}

function toByte(sample: number, bitDepth: number): number {
  return bitDepth === 16 ? sample >> 8 : bitDepth === 8 ? sample : (sample * 255) / ((1 << bitDepth) - 1);
}

function copyColour(palette: Uint8Array, index: number, out: Uint8Array, to: number, fail: Fail): void {
  if (3 * index + 3 > palette.length) fail("is damaged: it uses a colour that its palette lacks");
  for (let c = 0; c < 3; c++) out[to + c] = palette[3 * index + c] as number;
}
