/**
 * BINARY. Neighbouring dimensions that both operands cross alike are joined first; then float32 runs over rows of the innermost one:
 * an operand that repeats there is one vector that stays, one with gaps is gathered a piece at a time.
 */
import { FLOAT32, INT32, INT64, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Binary from "../../format/steps/binary.ts";
import { scratch } from "../constants.ts";
import { limits, setLimits } from "../simd/limits.ts";
import { clampFloat } from "../simd/requantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { integerPower, powRow } from "./power.ts";

/** Offsets in scratch(). Joined dimensions, outermost first: records of [size, stride of A, stride of B, index], strides in elements. */
const DIMENSIONS: usize = 32;
const RECORD: usize = 16;
/** One value of A, of B, in four lanes. */
const SPLAT_A: usize = 128;
const SPLAT_B: usize = 144;
/** Gathered pieces of A and of B. */
const PIECE: i32 = 32;
/** Rows of fewer values are put together to pieces. */
const SHORT: i32 = 16;
const PIECE_A: usize = 160;
const PIECE_B: usize = 288;

export function binary(step: usize, data: usize): void {
  switch (word(step, Binary.DTYPE)) {
    case FLOAT32: binaryF32(step, data); break;
    case INT32: binaryInteger<i32>(step, data); break;
    case INT64: binaryInteger<i64>(step, data); break;
    case INT8: binaryInteger<i8>(step, data); break;
    case UINT8: binaryInteger<u8>(step, data); break;
    default: unreachable();
  }
}

/** Fills DIMENSIONS; returns their number, at least 1. */
function joinDimensions(step: usize): i32 {
  let count = 0;
  for (let i = 0; i < 6; i++) {
    const size = word(step, Binary.DIM0 + i);
    const a = word(step, Binary.A_STRIDE0 + i);
    const b = word(step, Binary.B_STRIDE0 + i);
    if (size == 1) continue;
    const previous = scratch() + DIMENSIONS + <usize>(count - 1) * RECORD;
    if (count > 0 && load<i32>(previous, 4) == a * size && load<i32>(previous, 8) == b * size) {
      store<i32>(previous, load<i32>(previous) * size);
      store<i32>(previous, a, 4);
      store<i32>(previous, b, 8);
      continue;
    }
    const record = scratch() + DIMENSIONS + <usize>count * RECORD;
    store<i32>(record, size);
    store<i32>(record, a, 4);
    store<i32>(record, b, 8);
    store<i32>(record, 0, 12);
    count++;
  }
  if (count > 0) return count;
  store<i32>(scratch() + DIMENSIONS, 1);
  store<i32>(scratch() + DIMENSIONS, 1, 4);
  store<i32>(scratch() + DIMENSIONS, 1, 8);
  store<i32>(scratch() + DIMENSIONS, 0, 12);
  return 1;
}

/** Steps to the next row of the outer `rank` dimensions. The offset of A (`at` = 4) or B (8), in elements; false at the end. */
function nextRow(rank: i32): bool {
  for (let i = rank - 1; i >= 0; i--) {
    const record = scratch() + DIMENSIONS + <usize>i * RECORD;
    const index = load<i32>(record, 12) + 1;
    if (index < load<i32>(record)) {
      store<i32>(record, index, 12);
      return true;
    }
    store<i32>(record, 0, 12);
  }
  return false;
}

/** Elements from the start of A (`field` 4) or B (8) to the current row. */
function rowOffset(rank: i32, field: usize): usize {
  let offset = 0;
  for (let i = 0; i < rank; i++) {
    const record = scratch() + DIMENSIONS + <usize>i * RECORD;
    offset += load<i32>(record, 12) * load<i32>(record + field);
  }
  return <usize>offset;
}

function binaryF32(step: usize, data: usize): void {
  const op = word(step, Binary.OP);
  const a = address(step, Binary.A, data);
  const b = address(step, Binary.B, data);
  let dst = address(step, Binary.DST, data);
  setLimits(floatWord(step, Binary.MIN), floatWord(step, Binary.MAX));
  let rank = joinDimensions(step) - 1;
  const isShort = rank > 0 && load<i32>(scratch() + DIMENSIONS + <usize>rank * RECORD) < SHORT;
  if (isShort) rank--;
  const record = scratch() + DIMENSIONS + <usize>rank * RECORD;
  const count = load<i32>(record) * (isShort ? load<i32>(record, 16) : 1);
  const strideA = load<i32>(record, 4);
  const strideB = load<i32>(record, 8);
  const isPlain = (strideA == 0 || strideA == 1) && (strideB == 0 || strideB == 1);
  do {
    const rowA = a + (rowOffset(rank, 4) << 2);
    const rowB = b + (rowOffset(rank, 8) << 2);
    if (isShort) shortRows(op, record, rowA, rowB, dst);
    else if (isPlain) piece(op, rowA, strideA, rowB, strideB, dst, count);
    else gatheredRow(op, rowA, strideA, rowB, strideB, dst, count);
    dst += <usize>count << 2;
  } while (nextRow(rank));
}

/** The two innermost dimensions, `record` and the next, as pieces of several rows each. */
function shortRows(op: i32, record: usize, a: usize, b: usize, dst: usize): void {
  const count = load<i32>(record, 16);
  const rows = PIECE / count;
  const strideA = load<i32>(record, 4);
  const strideB = load<i32>(record, 8);
  const innerA = load<i32>(record, 20);
  const innerB = load<i32>(record, 24);
  const isAdjacentA = innerA == 1 && strideA == count;
  const isAdjacentB = innerB == 1 && strideB == count;
  for (let left = load<i32>(record), isFirst = true; left > 0; left -= rows, isFirst = false) {
    const height = min(rows, left);
    // What repeats from row to row is gathered once.
    if (!isAdjacentA && (isFirst || strideA != 0)) gatherRows(scratch() + PIECE_A, a, strideA, innerA, height, count);
    if (!isAdjacentB && (isFirst || strideB != 0)) gatherRows(scratch() + PIECE_B, b, strideB, innerB, height, count);
    piece(op, isAdjacentA ? a : scratch() + PIECE_A, 1, isAdjacentB ? b : scratch() + PIECE_B, 1, dst, height * count);
    a += (<usize>rows * <usize>strideA) << 2;
    b += (<usize>rows * <usize>strideB) << 2;
    dst += (<usize>rows * <usize>count) << 2;
  }
}

function gatherRows(out: usize, src: usize, stride: i32, inner: i32, rows: i32, count: i32): void {
  for (; rows > 0; rows--) {
    let p = src;
    for (let i = count; i > 0; i--) {
      store<f32>(out, load<f32>(p));
      out += 4;
      p += <usize>inner << 2;
    }
    src += <usize>stride << 2;
  }
}

/** A row of which at least one operand has gaps between its values. */
function gatheredRow(op: i32, a: usize, strideA: i32, b: usize, strideB: i32, dst: usize, count: i32): void {
  const stepA = <usize>strideA << 2;
  const stepB = <usize>strideB << 2;
  for (; count > 0; count -= PIECE) {
    const length = min(count, PIECE);
    for (let i = 0; i < length; i++) {
      store<f32>(scratch() + PIECE_A + (<usize>i << 2), load<f32>(a));
      store<f32>(scratch() + PIECE_B + (<usize>i << 2), load<f32>(b));
      a += stepA;
      b += stepB;
    }
    piece(op, scratch() + PIECE_A, 1, scratch() + PIECE_B, 1, dst, length);
    dst += <usize>PIECE << 2;
  }
}

/** Operands whose values are adjacent (stride 1) or one value for all (stride 0). */
function piece(op: i32, a: usize, strideA: i32, b: usize, strideB: i32, dst: usize, count: i32): void {
  let stepA: usize = 16;
  let stepB: usize = 16;
  if (strideA == 0) {
    v128.store(scratch() + SPLAT_A, v128.load32_splat(a));
    a = scratch() + SPLAT_A;
    stepA = 0;
  }
  if (strideB == 0) {
    v128.store(scratch() + SPLAT_B, v128.load32_splat(b));
    b = scratch() + SPLAT_B;
    stepB = 0;
  }
  switch (op) {
    case Binary.ADD:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.add(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.SUB:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.sub(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.MUL:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.mul(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.DIV:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.div(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.PRELU:
      for (; count > 0; count -= 4) {
        const x = v128.load(a);
        put(dst, v128.bitselect(f32x4.mul(x, v128.load(b)), x, f32x4.lt(x, f32x4.splat(0))), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.MAXIMUM:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.max(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.MINIMUM:
      for (; count > 0; count -= 4) {
        put(dst, f32x4.min(v128.load(a), v128.load(b)), count);
        a += stepA;
        b += stepB;
        dst += 16;
      }
      break;
    case Binary.POW: powRow(a, stepA >> 2, b, stepB >> 2, dst, count); break;
    case Binary.FLOOR_MOD:
    case Binary.REMAINDER: remainderRow(op == Binary.FLOOR_MOD, a, stepA >> 2, b, stepB >> 2, dst, count); break;
    default: unreachable();
  }
}

/** a − n·b for whole n, exact: with the sign of b (`isFloor`) or of a. */
function remainderRow(isFloor: bool, a: usize, stepA: usize, b: usize, stepB: usize, dst: usize, count: i32): void {
  for (; count > 0; count--) {
    const y = load<f32>(b);
    const r = load<f32>(a) % y;
    store<f32>(dst, isFloor && r != 0 && r < 0 != y < 0 ? r + y : r);
    a += stepA;
    b += stepB;
    dst += 4;
  }
}

/** Clamps and stores what the row still has room for. */
@inline
function put(dst: usize, x: v128, left: i32): void {
  storeFloats(dst, clampFloat(x, v128.load(limits()), v128.load(limits(), 16)), left);
}

function binaryInteger<T>(step: usize, data: usize): void {
  const op = word(step, Binary.OP);
  const a = address(step, Binary.A, data);
  const b = address(step, Binary.B, data);
  let dst = address(step, Binary.DST, data);
  const rank = joinDimensions(step) - 1;
  const last = scratch() + DIMENSIONS + <usize>rank * RECORD;
  const stepA = <usize>load<i32>(last, 4) * sizeof<T>();
  const stepB = <usize>load<i32>(last, 8) * sizeof<T>();
  do {
    let p = a + rowOffset(rank, 4) * sizeof<T>();
    let q = b + rowOffset(rank, 8) * sizeof<T>();
    for (let i = load<i32>(last); i > 0; i--) {
      store<T>(dst, integerOperation<T>(op, load<T>(p), load<T>(q)));
      p += stepA;
      q += stepB;
      dst += sizeof<T>();
    }
  } while (nextRow(rank));
}

function integerOperation<T>(op: i32, a: T, b: T): T {
  switch (op) {
    case Binary.ADD: return <T>(a + b);
    case Binary.SUB: return <T>(a - b);
    case Binary.MUL: return <T>(a * b);
    case Binary.DIV: {
      if (b == <T>0) return <T>0;
      // The machine's division traps on the lowest number by −1, which wraps.
      if (isSigned<T>() && b == <T>-1) return <T>(<T>0 - a);
      return <T>(a / b);
    }
    case Binary.PRELU: return a < <T>0 ? <T>(a * b) : a;
    case Binary.MAXIMUM: return a > b ? a : b;
    case Binary.MINIMUM: return a < b ? a : b;
    case Binary.POW: return integerPower<T>(a, b);
    case Binary.FLOOR_MOD:
    case Binary.REMAINDER: {
      if (b == <T>0 || (isSigned<T>() && b == <T>-1)) return <T>0;
      const r = <T>(a % b);
      if (op == Binary.REMAINDER || r == <T>0 || (r < <T>0) == (b < <T>0)) return r;
      return <T>(r + b);
    }
    case Binary.BIT_AND: return <T>(a & b);
    case Binary.BIT_OR: return <T>(a | b);
    case Binary.BIT_XOR: return <T>(a ^ b);
    case Binary.SHIFT_LEFT: return <T>(a << b);
    case Binary.SHIFT_RIGHT: return sizeof<T>() == 1 ? <T>(<u8>a >> <u8>b) : <T>(a >>> b);
    default: unreachable();
  }
  return a;
}
