/** One scan of a JPEG: Huffman symbols to coefficients (T.81 sections F.2 and G.2). */

import { type Fail, NATURAL_ORDER } from "./jpeg.ts";
import type { BitReader } from "./jpeg-bits.ts";

/** A colour component. Lines and columns are those of the picture at its own resolution, blocks fill whole MCUs. */
export interface Component {
  readonly id: number;
  /** Blocks in one MCU. */
  readonly across: number;
  readonly down: number;
  /** How often each sample stands in the full picture. */
  readonly expandAcross: number;
  readonly expandDown: number;
  readonly columns: number;
  readonly lines: number;
  readonly blocksAcross: number;
  /** Number of its quantization table, and the table as it was at the component's first scan, in natural order. */
  readonly table: number;
  quantization: Int32Array | undefined;
  /** [block row, block column, 64], natural order. */
  readonly coefficients: Int16Array;
}

interface Part {
  readonly component: Component;
  readonly dc: Uint16Array | undefined;
  readonly ac: Uint16Array | undefined;
  prediction: number;
}

/** What one scan codes: coefficients `first` to `last`, bits from `low` up; `high` is 0 in the first pass over them. */
export interface Scan {
  readonly parts: readonly Part[];
  readonly progressive: boolean;
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
  /** MCUs between restart markers; 0 for none. */
  readonly restartInterval: number;
  readonly mcusAcross: number;
  readonly mcusDown: number;
}

type DecodeBlock = (part: Part, offset: number) => void;

/** Adds the scan's coefficients to those of its components. */
export function decodeScan(scan: Scan, reader: BitReader, fail: Fail): void {
  const run = { left: 0 };
  const decodeBlock = blockDecoder(scan, reader, run, fail);
  const single = scan.parts.length === 1 ? (scan.parts[0] as Part) : undefined;
  const across = single === undefined ? scan.mcusAcross : Math.ceil(single.component.columns / 8);
  const down = single === undefined ? scan.mcusDown : Math.ceil(single.component.lines / 8);
  let restarts = 0;
  for (let row = 0, done = 0; row < down; row++) {
    for (let column = 0; column < across; column++, done++) {
      if (scan.restartInterval > 0 && done > 0 && done % scan.restartInterval === 0) {
        if (reader.overrun || !reader.restart(restarts++ & 7)) fail("is damaged or cut off");
        for (const part of scan.parts) part.prediction = 0;
        run.left = 0;
      }
      if (single !== undefined) decodeBlock(single, (row * single.component.blocksAcross + column) * 64);
      else decodeMcu(scan.parts, row, column, decodeBlock);
    }
    if (reader.overrun) fail("is damaged or cut off");
  }
}

function decodeMcu(parts: readonly Part[], row: number, column: number, decodeBlock: DecodeBlock): void {
  for (const part of parts) {
    const { across, down, blocksAcross } = part.component;
    for (let v = 0; v < down; v++) {
      for (let h = 0; h < across; h++) decodeBlock(part, ((row * down + v) * blocksAcross + column * across + h) * 64);
    }
  }
}

function blockDecoder({ progressive, first, last, high, low }: Scan, reader: BitReader, run: { left: number }, fail: Fail): DecodeBlock {
  const symbol = (table: Uint16Array | undefined): number => {
    const value = reader.symbol(table as Uint16Array);
    return value < 0 ? fail("is damaged") : value;
  };
  const decodeDc: DecodeBlock = (part, offset) => {
    part.prediction += reader.readSigned(symbol(part.dc) & 15);
    part.component.coefficients[offset] = part.prediction << low;
  };
  if (!progressive) {
    return (part, offset) => {
      decodeDc(part, offset);
      const { coefficients } = part.component;
      for (let k = 1; k < 64; k++) {
        const code = symbol(part.ac);
        const size = code & 15;
        if (size === 0 && code !== 0xf0) break;
        k += code >> 4;
        if (size > 0) coefficients[offset + (NATURAL_ORDER[k] as number)] = reader.readSigned(size);
      }
    };
  }
  if (first === 0) {
    if (high === 0) return decodeDc;
    return (part, offset) => {
      if (reader.read(1) === 1) (part.component.coefficients[offset] as number) |= 1 << low;
    };
  }
  if (high === 0) {
    return (part, offset) => {
      if (run.left > 0) {
        run.left--;
        return;
      }
      const { coefficients } = part.component;
      for (let k = first; k <= last; k++) {
        const code = symbol(part.ac);
        const size = code & 15;
        if (size === 0 && code !== 0xf0) {
          run.left = (1 << (code >> 4)) - 1 + reader.read(code >> 4);
          break;
        }
        k += code >> 4;
        if (size > 0) coefficients[offset + (NATURAL_ORDER[k] as number)] = reader.readSigned(size) * (1 << low);
      }
    };
  }
  return refiner(first, last, low, reader, run, symbol, fail);
}

/** Refines the coefficients that are already there by one bit and places new ones of ±1 (T.81 figure G.7). */
function refiner(
  first: number,
  last: number,
  low: number,
  reader: BitReader,
  run: { left: number },
  symbol: (table: Uint16Array | undefined) => number,
  fail: Fail,
): DecodeBlock {
  const plus = 1 << low;
  return (part, offset) => {
    const { coefficients } = part.component;
    let k = first;
    const refineUntil = (zeros: number): void => {
      for (let left = zeros; k <= last; k++) {
        const at = offset + (NATURAL_ORDER[k] as number);
        const value = coefficients[at] as number;
        if (value === 0) {
          if (left-- === 0) return;
        } else if (reader.read(1) === 1 && (value & plus) === 0) coefficients[at] = value + (value > 0 ? plus : -plus);
      }
    };
    for (; run.left === 0 && k <= last; k++) {
      const code = symbol(part.ac);
      const size = code & 15;
      if (size > 1) fail("is damaged");
      if (size === 0 && code !== 0xf0) {
        run.left = (1 << (code >> 4)) + reader.read(code >> 4);
        break;
      }
      const value = size === 0 ? 0 : reader.read(1) === 1 ? plus : -plus;
      refineUntil(code >> 4);
      if (value !== 0 && k <= last) coefficients[offset + (NATURAL_ORDER[k] as number)] = value;
    }
    if (run.left > 0) {
      refineUntil(64);
      run.left--;
    }
  };
}
