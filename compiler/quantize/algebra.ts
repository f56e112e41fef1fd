/**
 * The linear algebra of compiling in WebAssembly (runtime-wasm/linear-algebra.ts, rounding.ts, run-sums.ts), and memory to work in: the same bits on every engine.
 */
import { base64 } from "../../build/linear-algebra.ts";
import { decodeBase64 } from "../../host/base64.ts";

/** The module's functions; addresses in bytes. */
interface Kernels {
  factor(matrix: number, size: number, upper: number, lower: number): number;
  solve(upper: number, lower: number, size: number, rows: number, count: number, scratch: number): void;
  multiply(
    matrix: number,
    height: number,
    size: number,
    rows: number,
    count: number,
    products: number,
    isLower: number,
    ridge: number,
    scratch: number,
  ): void;
  sweep(
    lower: number,
    size: number,
    isDiagonal: number,
    rows: number,
    count: number,
    scales: number,
    enough: number,
    levels: number,
    limit: number,
    bySign: number,
    mates: number,
    support: number,
    groupOf: number,
    groups: number,
    factors: number,
    integers: number,
    best: number,
    scratch: number,
  ): void;
  scaleErrors(
    rows: number,
    count: number,
    size: number,
    scales: number,
    tried: number,
    pivots: number,
    levels: number,
    limit: number,
    bySign: number,
    mates: number,
    groupOf: number,
    groups: number,
    mostFactor: number,
    errors: number,
    factors: number,
    scratch: number,
  ): void;
  subtractOuter(triangle: number, pitch: number, live: number, vectors: number): void;
  excess(run: number, limits: number, rows: number): number;
  excessAfter(first: number, second: number, left: number, taken: number, limits: number, rows: number, most: number): number;
  exchange(first: number, second: number, left: number, taken: number, rows: number): void;
}

/** Rows that the kernels take side by side. */
export const LANES = 16;

const PAGE_BYTES = 65536;

let module: WebAssembly.Module | undefined;

/** Kernels on a memory, which pieces are taken from, one behind the other. */
export class Workspace {
  readonly kernels: Kernels;
  private readonly memory: WebAssembly.Memory;
  private used = 0;

  constructor() {
    // Small enough for a page's main thread, which may not compile large modules at once.
    module ??= new WebAssembly.Module(decodeBase64(base64));
    this.memory = new WebAssembly.Memory({ initial: 1 });
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Kernels;
  }

  /** Gives all pieces back, and makes room for `doubles` float64 of new ones. Views of the memory may no longer be valid. */
  reserve(doubles: number): void {
    this.used = 0;
    const missing = doubles * 8 - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  /** The address of `count` float64 of the room that was reserved. */
  take(count: number): number {
    const address = this.used;
    this.used += count * 8;
    return address;
  }

  /** As `take`, filled with `data`. */
  put(data: Float64Array): number {
    const address = this.take(data.length);
    this.doubles(address, data.length).set(data);
    return address;
  }

  /** As `take`, for bytes. */
  putBytes(data: Int8Array | Uint8Array | Int32Array | Float32Array): number {
    const address = this.take(Math.ceil(data.byteLength / 8));
    this.bytes(address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return address;
  }

  /** As `take`, all 0. */
  zeros(count: number): number {
    const address = this.take(count);
    this.doubles(address, count).fill(0);
    return address;
  }

  /** A view, valid until `reserve`. */
  doubles(address: number, count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory.buffer, address, count);
  }

  /** A view, valid until `reserve`. */
  bytes(address: number, count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, address, count);
  }
}

let shared: Workspace | undefined;

/** The workspace for what is done at one go, with room for `doubles` float64. Who keeps views while others may run needs one of his own. */
export function workspace(doubles: number): Workspace {
  shared ??= new Workspace();
  shared.reserve(doubles);
  return shared;
}

/** A matrix to multiply rows with: [height][size]. */
export interface Multiplier {
  readonly matrix: Float64Array;
  readonly size: number;
  /** Of row k only what is up to column k counts; the matrix is square. */
  readonly isLower?: boolean;
  /** Added to the diagonal of a square matrix, in a product of its own. */
  readonly ridge?: number;
}

/** rows · matrixᵀ: [count][size] by [height][size] to [count][height]; each sum in the order of the columns. */
export function multiply(rows: ArrayLike<number>, { matrix, size, isLower = false, ridge = 0 }: Multiplier): Float64Array<ArrayBuffer> {
  const [count, height] = [rows.length / size, matrix.length / size];
  const room = workspace(matrix.length + rows.length + count * height + LANES * (size + 1));
  const from = room.put(matrix);
  const of = room.take(rows.length);
  room.doubles(of, rows.length).set(rows);
  const to = room.take(count * height);
  room.kernels.multiply(from, height, size, of, count, to, isLower ? 1 : 0, ridge, room.take(LANES * (size + 1)));
  return room.doubles(to, count * height).slice();
}

/** Σ over rows of r·M·rᵀ, for `rows` [count][size] and M [size][size]; summed up row by row, column by column. */
export function quadraticForms(rows: ArrayLike<number>, matrix: Float64Array, size: number): number {
  const products = multiply(rows, { matrix, size });
  let total = 0;
  for (let i = 0; i < rows.length; i++) total += products[i]! * rows[i]!;
  return total;
}

/** The transpose of a square matrix. */
export function transposed(matrix: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const result = new Float64Array(size * size);
  const BLOCK = 16;
  for (let i0 = 0; i0 < size; i0 += BLOCK)
    for (let j0 = 0; j0 < size; j0 += BLOCK)
      for (let i = i0; i < Math.min(size, i0 + BLOCK); i++)
        for (let j = j0; j < Math.min(size, j0 + BLOCK); j++) result[j * size + i] = matrix[i * size + j]!;
  return result;
}
