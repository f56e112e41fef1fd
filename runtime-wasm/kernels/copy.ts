/**
 * COPY. Dimensions are sorted by the destination's stride and joined where both sides cross them alike. What is left is copied as runs
 * (the innermost dimension is adjacent on both sides), as transposed tiles (adjacent along different dimensions, 1 or 4 bytes), or one by one.
 */
import * as Copy from "../../format/steps/copy.ts";
import { scratch } from "../constants.ts";
import { transposeBytes, transposeWords } from "../simd/transpose.ts";
import { address, word } from "../words.ts";

/** In scratch(): dimensions, outermost first: records of [size, source stride, destination stride, index], strides in bytes. */
const DIMENSIONS: usize = 0;
const RECORD: usize = 16;

export function copy(step: usize, data: usize): void {
  const bytes = word(step, Copy.ELEMENT_BYTES);
  let src = address(step, Copy.SRC, data);
  let dst = address(step, Copy.DST, data);
  const count = joinDimensions(sortDimensions(step));
  if (count < 2) ensurePlane(count);
  const rank = max(count, 2);
  const isTransposed =
    (bytes == 1 || bytes == 4) && dimension(rank - 1, 4) != bytes && dimension(rank - 1, 8) == bytes && moveAdjacentDimension(rank, bytes);
  const outer = dimension(rank - 2, 0);
  const outerSrc = dimension(rank - 2, 4);
  const outerDst = dimension(rank - 2, 8);
  const inner = dimension(rank - 1, 0);
  const innerSrc = dimension(rank - 1, 4);
  const innerDst = dimension(rank - 1, 8);
  const isRun = innerSrc == bytes && innerDst == bytes;
  while (true) {
    if (isTransposed) {
      if (bytes == 4) transposeWords(src, innerSrc, inner, outer, dst, outerDst);
      else transposeBytes(src, innerSrc, inner, outer, dst, outerDst);
    } else if (isRun) {
      copyRuns(src, outerSrc, dst, outerDst, outer, inner * bytes);
    } else {
      switch (bytes) {
        case 1: copyElements<u8>(src, outerSrc, innerSrc, dst, outerDst, innerDst, outer, inner); break;
        case 2: copyElements<u16>(src, outerSrc, innerSrc, dst, outerDst, innerDst, outer, inner); break;
        case 4: copyElements<u32>(src, outerSrc, innerSrc, dst, outerDst, innerDst, outer, inner); break;
        default: copyElements<u64>(src, outerSrc, innerSrc, dst, outerDst, innerDst, outer, inner);
      }
    }
    // To the next plane of the outer dimensions.
    let i = rank - 3;
    for (; i >= 0; i--) {
      const record = scratch() + DIMENSIONS + <usize>i * RECORD;
      const index = load<i32>(record, 12) + 1;
      src += load<i32>(record, 4);
      dst += load<i32>(record, 8);
      if (index < load<i32>(record)) {
        store<i32>(record, index, 12);
        break;
      }
      src -= index * load<i32>(record, 4);
      dst -= index * load<i32>(record, 8);
      store<i32>(record, 0, 12);
    }
    if (i < 0) return;
  }
}

@inline
function dimension(i: i32, field: usize): i32 {
  return load<i32>(scratch() + DIMENSIONS + <usize>i * RECORD + field);
}

function setDimension(i: i32, size: i32, src: i32, dst: i32): void {
  const record = scratch() + DIMENSIONS + <usize>i * RECORD;
  store<i32>(record, size);
  store<i32>(record, src, 4);
  store<i32>(record, dst, 8);
  store<i32>(record, 0, 12);
}

/** Records of the dimensions larger than 1, the largest destination stride first; returns their number. */
function sortDimensions(step: usize): i32 {
  const bytes = word(step, Copy.ELEMENT_BYTES);
  let count = 0;
  for (let i = 0; i < 6; i++) {
    const size = word(step, Copy.DIM0 + i);
    if (size == 1) continue;
    const src = word(step, Copy.SRC_STRIDE0 + i) * bytes;
    const dst = word(step, Copy.DST_STRIDE0 + i) * bytes;
    let at = count++;
    for (; at > 0 && abs(dimension(at - 1, 8)) < abs(dst); at--) {
      setDimension(at, dimension(at - 1, 0), dimension(at - 1, 4), dimension(at - 1, 8));
    }
    setDimension(at, size, src, dst);
  }
  return count;
}

/** Joins neighbours among `count` records; returns how many are left. */
function joinDimensions(count: i32): i32 {
  let joined = 0;
  for (let i = 0; i < count; i++) {
    const size = dimension(i, 0);
    const src = dimension(i, 4);
    const dst = dimension(i, 8);
    if (joined > 0 && dimension(joined - 1, 4) == src * size && dimension(joined - 1, 8) == dst * size) {
      setDimension(joined - 1, dimension(joined - 1, 0) * size, src, dst);
    } else {
      setDimension(joined++, size, src, dst);
    }
  }
  return joined;
}

/** Makes the records a plane: dimensions of size 1 in front of a single one, or of none. */
function ensurePlane(count: i32): void {
  if (count == 1) setDimension(1, dimension(0, 0), dimension(0, 4), dimension(0, 8));
  else setDimension(1, 1, 0, 0);
  setDimension(0, 1, 0, 0);
}

/** Moves the dimension along which the source is adjacent, if it is not the last of `rank`, to the last but one. */
function moveAdjacentDimension(rank: i32, bytes: i32): bool {
  for (let i = rank - 2; i >= 0; i--) {
    if (dimension(i, 4) != bytes || dimension(i, 0) == 1) continue;
    const size = dimension(i, 0);
    const dst = dimension(i, 8);
    for (let k = i; k < rank - 2; k++) setDimension(k, dimension(k + 1, 0), dimension(k + 1, 4), dimension(k + 1, 8));
    setDimension(rank - 2, size, bytes, dst);
    return true;
  }
  return false;
}

/** `rows` runs of `bytes` adjacent bytes. A run of a few bytes is one element: a loop in each would cost several times as much. */
function copyRuns(src: usize, srcStep: i32, dst: usize, dstStep: i32, rows: i32, bytes: i32): void {
  switch (bytes) {
    case 1: copyElements<u8>(src, 0, srcStep, dst, 0, dstStep, 1, rows); return;
    case 2: copyElements<u16>(src, 0, srcStep, dst, 0, dstStep, 1, rows); return;
    case 4: copyElements<u32>(src, 0, srcStep, dst, 0, dstStep, 1, rows); return;
    case 8: copyElements<u64>(src, 0, srcStep, dst, 0, dstStep, 1, rows); return;
    case 16: copyVectors(src, srcStep, dst, dstStep, rows); return;
    default:
  }
  for (; rows > 0; rows--) {
    copyRun(dst, src, bytes);
    src += srcStep;
    dst += dstStep;
  }
}

function copyVectors(src: usize, srcStep: i32, dst: usize, dstStep: i32, rows: i32): void {
  for (; rows > 0; rows--) {
    v128.store(dst, v128.load(src));
    src += srcStep;
    dst += dstStep;
  }
}

/** Copies adjacent bytes; a loop where a call of memory.copy would not pay. */
export function copyRun(dst: usize, src: usize, bytes: i32): void {
  if (bytes >= 256) {
    memory.copy(dst, src, bytes);
    return;
  }
  for (; bytes >= 16; bytes -= 16) {
    v128.store(dst, v128.load(src));
    src += 16;
    dst += 16;
  }
  if (bytes & 8) {
    store<u64>(dst, load<u64>(src));
    src += 8;
    dst += 8;
  }
  if (bytes & 4) {
    store<u32>(dst, load<u32>(src));
    src += 4;
    dst += 4;
  }
  if (bytes & 2) {
    store<u16>(dst, load<u16>(src));
    src += 2;
    dst += 2;
  }
  if (bytes & 1) store<u8>(dst, load<u8>(src));
}

function copyElements<T>(
  src: usize,
  outerSrc: i32,
  innerSrc: i32,
  dst: usize,
  outerDst: i32,
  innerDst: i32,
  outer: i32,
  inner: i32,
): void {
  for (; outer > 0; outer--) {
    let p = src;
    let q = dst;
    for (let i = inner; i > 0; i--) {
      store<T>(q, load<T>(p));
      p += innerSrc;
      q += innerDst;
    }
    src += outerSrc;
    dst += outerDst;
  }
}
