/**
 * JPEG (ITU-T T.81): baseline, extended and progressive Huffman, 8 bits a sample, with the arithmetic of libjpeg's defaults, so that
 * a model sees the pixels that it was trained and measured with: "slow" integer IDCT, triangular upsampling of chroma, JFIF colour.
 */

import type { Image } from "./image.ts";
import { BitReader, huffmanTable } from "./jpeg-bits.ts";
import { outputRgb } from "./jpeg-colour.ts";
import { type Component, decodeScan, type Scan } from "./jpeg-scan.ts";

/** Called with what is wrong ("is cut off"); must throw. */
export type Fail = (problem: string) => never;

interface Frame {
  readonly progressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly mcusAcross: number;
  readonly mcusDown: number;
  readonly components: readonly Component[];
}

/** Natural position of each coefficient in zigzag order; a run beyond the block ends on its last coefficient. */
export const NATURAL_ORDER = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57,
  50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63,
  63, 63, 63, 63, 63, 63, 63, 63, 63,
]);

/** Decodes to RGB. `fail` is called for anything damaged, cut off, unsupported, or of more than `maxPixels`. */
export function decodeJpeg(bytes: Uint8Array, maxPixels: number, fail: Fail): Image {
  const quantization = new Map<number, Int32Array>();
  const huffman = new Map<number, Uint16Array>();
  let frame: Frame | undefined;
  let restartInterval = 0;
  let jfif = false;
  let adobeTransform: number | undefined;
  let scanned = false;
  for (let at = 2; ; ) {
    const [marker, start] = nextMarker(bytes, at, fail);
    if (marker === 0xd9) break;
    const length = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
    if (length < 2 || start + length > bytes.length) fail("is cut off");
    const segment = bytes.subarray(start + 2, start + length);
    at = start + length;
    if (marker === 0xdb) readQuantization(segment, quantization, fail);
    else if (marker === 0xc4) readHuffman(segment, huffman, fail);
    else if (marker === 0xdd) restartInterval = word(segment, 0, fail);
    else if (marker === 0xe0) jfif ||= isAscii(segment, "JFIF\0");
    else if (marker === 0xee && isAscii(segment, "Adobe")) adobeTransform = segment[11];
    else if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2) {
      if (frame !== undefined) fail("holds two images");
      frame = readFrame(segment, marker === 0xc2, maxPixels, fail);
    } else if (marker > 0xc2 && marker < 0xd0 && marker !== 0xc8 && marker !== 0xcc)
      fail("is lossless, hierarchical or arithmetically coded, which is not read");
    else if (marker === 0xda) {
      if (frame === undefined) return fail("has image data before its frame");
      const scan = readScan(segment, frame, huffman, quantization, restartInterval, fail);
      const reader = new BitReader(bytes, at);
      decodeScan(scan, reader, fail);
      at = reader.position;
      scanned = true;
    }
  }
  if (frame === undefined || !scanned) return fail("holds no image");
  const missing = frame.components.some(({ quantization: table }) => table === undefined);
  if (missing) return fail("lacks a colour component");
  const { width, height, components } = frame;
  return { width, height, channels: 3, data: outputRgb(width, height, components, { jfif, adobeTransform }, fail) };
}

function nextMarker(bytes: Uint8Array, from: number, fail: Fail): readonly [marker: number, next: number] {
  let at = from;
  for (; at + 1 < bytes.length; at++) {
    const marker = bytes[at + 1] as number;
    const standsAlone = marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8) || marker === 1;
    if (bytes[at] === 0xff && !standsAlone) return [marker, at + 2];
  }
  return fail("is cut off");
}

function word(segment: Uint8Array, at: number, fail: Fail): number {
  if (at + 1 >= segment.length) return fail("has a short segment");
  return ((segment[at] as number) << 8) | (segment[at + 1] as number);
}

function isAscii(segment: Uint8Array, text: string): boolean {
  return [...text].every((c, at) => segment[at] === c.charCodeAt(0));
}

function readQuantization(segment: Uint8Array, tables: Map<number, Int32Array>, fail: Fail): void {
  for (let at = 0; at < segment.length; ) {
    const head = segment[at++] as number;
    const wide = head >> 4;
    if (wide > 1 || at + 64 * (wide + 1) > segment.length) fail("has a broken quantization table");
    const table = new Int32Array(64);
    for (let k = 0; k < 64; k++, at += wide + 1)
      table[NATURAL_ORDER[k] as number] = wide ? word(segment, at, fail) : (segment[at] as number);
    tables.set(head & 15, table);
  }
}

function readHuffman(segment: Uint8Array, tables: Map<number, Uint16Array>, fail: Fail): void {
  for (let at = 0; at < segment.length; ) {
    const head = segment[at] as number;
    const counts = segment.subarray(at + 1, at + 17);
    const symbols = counts.reduce((sum, count) => sum + count, 0);
    if (counts.length < 16 || symbols > 256 || at + 17 + symbols > segment.length) fail("has a broken Huffman table");
    const table = huffmanTable(counts, segment.subarray(at + 17, at + 17 + symbols));
    if (table === undefined) return fail("has a broken Huffman table");
    tables.set(head, table);
    at += 17 + symbols;
  }
}

function readFrame(segment: Uint8Array, progressive: boolean, maxPixels: number, fail: Fail): Frame {
  if (segment[0] !== 8) fail(`has ${segment[0]} bits a sample; 8 are read`);
  const height = word(segment, 1, fail);
  const width = word(segment, 3, fail);
  const count = segment[5] as number;
  if (width === 0 || height === 0) fail("has no size");
  if (width * height > maxPixels) fail(`has more than ${maxPixels} pixels`);
  if (![1, 3, 4].includes(count) || segment.length < 6 + 3 * count) fail(`has ${count} colour components`);
  const rows = Array.from({ length: count }, (_, i) => {
    const factors = segment[7 + 3 * i] as number;
    return { id: segment[6 + 3 * i] as number, across: factors >> 4, down: factors & 15, table: segment[8 + 3 * i] as number };
  });
  if (rows.some(({ across, down }) => across < 1 || across > 4 || down < 1 || down > 4)) fail("has broken sampling factors");
  const maxAcross = Math.max(...rows.map(({ across }) => across));
  const maxDown = Math.max(...rows.map(({ down }) => down));
  const mcusAcross = Math.ceil(width / (8 * maxAcross));
  const mcusDown = Math.ceil(height / (8 * maxDown));
  const components = rows.map(({ id, across, down, table }): Component => {
    if (maxAcross % across !== 0 || maxDown % down !== 0) fail("has fractional sampling factors, which are not read");
    const columns = Math.ceil((width * across) / maxAcross);
    const lines = Math.ceil((height * down) / maxDown);
    const blocksAcross = mcusAcross * across;
    const coefficients = new Int16Array(blocksAcross * mcusDown * down * 64);
    return {
      id,
      across,
      down,
      expandAcross: maxAcross / across,
      expandDown: maxDown / down,
      columns,
      lines,
      blocksAcross,
      table,
      quantization: undefined,
      coefficients,
    };
  });
  return { progressive, width, height, mcusAcross, mcusDown, components };
}

function readScan(
  segment: Uint8Array,
  frame: Frame,
  huffman: ReadonlyMap<number, Uint16Array>,
  quantization: ReadonlyMap<number, Int32Array>,
  restartInterval: number,
  fail: Fail,
): Scan {
  const count = segment[0] ?? 0;
  if (count < 1 || count > 4 || segment.length < 4 + 2 * count) fail("has a broken scan header");
  const [first, last, approximation] = segment.subarray(1 + 2 * count) as unknown as readonly [number, number, number];
  const { progressive } = frame;
  const broken =
    progressive && (first > last || last > 63 || (first === 0 && last !== 0) || (first > 0 && count > 1) || (approximation & 15) > 13);
  if (broken) fail("has a broken scan header");
  const parts = Array.from({ length: count }, (_, i) => {
    const id = segment[1 + 2 * i];
    const selectors = segment[2 + 2 * i] as number;
    const component = frame.components.find((candidate) => candidate.id === id) ?? fail("names an unknown colour component");
    component.quantization ??= quantization.get(component.table)?.slice() ?? fail("lacks a quantization table");
    return { component, dc: huffman.get(selectors >> 4), ac: huffman.get(16 | (selectors & 15)), prediction: 0 };
  });
  const wantsDc = !progressive || (first === 0 && approximation >> 4 === 0);
  const wantsAc = !progressive || first > 0;
  if (parts.some(({ dc, ac }) => (wantsDc && dc === undefined) || (wantsAc && ac === undefined))) fail("lacks a Huffman table");
  return {
    parts,
    progressive,
    first: progressive ? first : 0,
    last: progressive ? last : 63,
    high: progressive ? approximation >> 4 : 0,
    low: progressive ? approximation & 15 : 0,
    restartInterval,
    mcusAcross: frame.mcusAcross,
    mcusDown: frame.mcusDown,
  };
}
