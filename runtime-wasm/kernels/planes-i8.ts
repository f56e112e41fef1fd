/**
 * Rows of an image laid out so that the A vectors of CONV_I8 stand in them: each input pixel is packed once, not once for every position of
 * the kernel. A unit are adjacent channels of a pixel: PAIRS of int16 or QUADS of int8, masked, for the dense GEMMs; 1 or 2 for those of blocks
 * (panel-i8.ts).
 *
 *   planes [rows][planes][channels/unit][pitch] units      a plane holds every STRIDE_W-th pixel, IN_ZERO in the padding
 *
 * Four outputs beside each other read four adjacent units. Where unit k of the depth stands, relative to the first output of a row, is the
 * k-th of a table of offsets.
 */
import * as Conv from "../../format/steps/conv-i8.ts";
import { ACTIVATION_MASK } from "../constants.ts";
import { bytesLow, interleaveHigh, interleaveLow } from "../simd/dot.ts";
import { word } from "../words.ts";
import { fillBytes } from "./gather-i8.ts";

/** Bytes of one row of planes; T is the type of their values. */
export function planeRowBytes<T>(step: usize): i32 {
  const inC = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  return Conv.planeRowSize(inC, word(step, Conv.OUT_W), word(step, Conv.KERNEL_W), word(step, Conv.STRIDE_W), word(step, Conv.DILATION_W)) * <i32>sizeof<T>();
}

/** Writes the offsets, uint32 each: by kernel row, kernel column and unit. */
export function writeOffsets<T>(unit: i32, step: usize, table: usize): void {
  const unitBytes = unit * <i32>sizeof<T>();
  const pitchBytes = pitchOf(step) * unitBytes;
  const planeBytes = word(step, Conv.IN_C) / word(step, Conv.GROUPS) / unit * pitchBytes;
  const rowBytes = word(step, Conv.DILATION_H) * planeRowBytes<T>(step);
  const stride = word(step, Conv.STRIDE_W);
  const dilation = word(step, Conv.DILATION_W);
  const reach = word(step, Conv.KERNEL_W) * dilation;
  let row = 0;
  for (let y = word(step, Conv.KERNEL_H); y > 0; y--) {
    for (let x = 0; x < reach; x += dilation) {
      const plane = row + (x % stride) * planeBytes;
      const shift = (x / stride) * unitBytes;
      for (let unit = 0; unit < planeBytes; unit += pitchBytes) {
        store<u32>(table, plane + unit + shift);
        table += 4;
      }
    }
    row += rowBytes;
  }
}

/** Lays out `rows` rows from row `y` of the image on, which may lie outside. `image` is its first channel of the group. */
export function packPlanes<T>(unit: i32, step: usize, image: usize, y: i32, rows: i32, planes: usize): void {
  const rowBytes = planeRowBytes<T>(step);
  const outside = word(step, Conv.IN_ZERO);
  const zero = sizeof<T>() == 1 ? v128.xor(i8x16.splat(<i8>outside), v128.load(ACTIVATION_MASK)) : i16x8.splat(<i16>outside);
  while (rows-- > 0) {
    if (y >= 0 && y < word(step, Conv.IN_H)) packRow<T>(unit, step, image + <usize>(y * word(step, Conv.IN_W) * word(step, Conv.SRC_PITCH)), zero, planes);
    else fillBytes(planes, zero, rowBytes);
    planes += rowBytes;
    y++;
  }
}

function packRow<T>(unit: i32, step: usize, row: usize, zero: v128, planes: usize): void {
  const channels = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const stride = word(step, Conv.STRIDE_W);
  const left = word(step, Conv.PAD_LEFT);
  const end = left + word(step, Conv.IN_W);
  const count = Conv.planes(word(step, Conv.KERNEL_W), stride, word(step, Conv.DILATION_W));
  const unitBytes = unit * <i32>sizeof<T>();
  const pitchBytes = pitchOf(step) * unitBytes;
  const planeBytes = channels / unit * pitchBytes;
  const moveBytes = stride * word(step, Conv.SRC_PITCH);
  // Three pixels behind the last are room for the stores.
  const length = pitchOf(step) - 3;
  // Units of four bytes are filled where they are not pixels; of smaller ones all, before the pixels.
  if (unitBytes < 4) fillBytes(planes, zero, count * planeBytes);
  for (let plane = 0; plane < count; plane++) {
    const first = min(length, max(0, (left - plane + stride - 1) / stride));
    const last = min(length, max(first, (end - plane + stride - 1) / stride));
    let pixel = row + <usize>((first * stride + plane - left) * word(step, Conv.SRC_PITCH));
    for (let i = first; i < last; i += 4) {
      const pixel1 = i + 1 < last ? pixel + moveBytes : pixel;
      const pixel2 = i + 2 < last ? pixel1 + moveBytes : pixel1;
      const pixel3 = i + 3 < last ? pixel2 + moveBytes : pixel2;
      packUnits<T>(unit, pixel, pixel1, pixel2, pixel3, channels, planes + <usize>(i * unitBytes), pitchBytes);
      pixel = pixel3 + moveBytes;
    }
    const behind = planes + planeBytes;
    // What four pixels at a time have written too far.
    const surplus = (first - last & 3) * unitBytes;
    for (let units = planes; units < behind && (unitBytes == 4 || surplus > 0); units += pitchBytes) {
      if (unitBytes == 4) {
        for (let i = 0; i < first; i++) v128.store_lane<i32>(units + <usize>(i << 2), zero, 0);
        fillBytes(units + <usize>(last << 2), zero, (length - last) << 2);
      } else {
        fillUnits(units + <usize>(last * unitBytes), zero, surplus, unitBytes);
      }
    }
    planes = behind;
  }
}

function pitchOf(step: usize): i32 {
  return Conv.planePitch(word(step, Conv.OUT_W), word(step, Conv.KERNEL_W), word(step, Conv.STRIDE_W), word(step, Conv.DILATION_W));
}

/** Sets `bytes` bytes, in units of one or two. */
function fillUnits(dst: usize, value: v128, bytes: i32, unitBytes: i32): void {
  const end = dst + <usize>bytes;
  for (; dst < end; dst += unitBytes) {
    if (unitBytes == 1) v128.store_lane<i8>(dst, value, 0);
    else v128.store_lane<i16>(dst, value, 0);
  }
}

/** `channels` (a multiple of 8) of four pixels, unit by unit, `pitchBytes` apart. */
// @ts-ignore: decorator
@inline
function packUnits<T>(unit: i32, pixel0: usize, pixel1: usize, pixel2: usize, pixel3: usize, channels: i32, units: usize, pitchBytes: i32): void {
  if (unit * <i32>sizeof<T>() == 4) packLargeUnits<T>(pixel0, pixel1, pixel2, pixel3, channels, units, pitchBytes);
  else if (sizeof<T>() == 2) packSingles(pixel0, pixel1, pixel2, pixel3, channels, units, pitchBytes);
  else packBytes(unit == 1, pixel0, pixel1, pixel2, pixel3, channels, units, pitchBytes);
}

/** int8 in units of one channel, or of two. */
function packBytes(single: bool, pixel0: usize, pixel1: usize, pixel2: usize, pixel3: usize, channels: i32, units: usize, pitchBytes: i32): void {
  const mask = v128.load(ACTIVATION_MASK);
  do {
    const r0 = v128.xor(v128.load64_zero(pixel0), mask);
    const r1 = v128.xor(v128.load64_zero(pixel1), mask);
    const r2 = v128.xor(v128.load64_zero(pixel2), mask);
    const r3 = v128.xor(v128.load64_zero(pixel3), mask);
    if (single) {
      const r01 = bytesLow(r0, r1);
      const r23 = bytesLow(r2, r3);
      const low = interleaveLow(r01, r23);
      const high = interleaveHigh(r01, r23);
      v128.store_lane<i32>(units, low, 0);
      v128.store_lane<i32>(units + pitchBytes, low, 1);
      units += pitchBytes << 1;
      v128.store_lane<i32>(units, low, 2);
      v128.store_lane<i32>(units + pitchBytes, low, 3);
      units += pitchBytes << 1;
      v128.store_lane<i32>(units, high, 0);
      v128.store_lane<i32>(units + pitchBytes, high, 1);
      units += pitchBytes << 1;
      v128.store_lane<i32>(units, high, 2);
      v128.store_lane<i32>(units + pitchBytes, high, 3);
      units += pitchBytes << 1;
    } else {
      units = storeTwice(interleaveLow(r0, r1), interleaveLow(r2, r3), units, pitchBytes);
    }
    pixel0 += 8;
    pixel1 += 8;
    pixel2 += 8;
    pixel3 += 8;
    channels -= 8;
  } while (channels > 0);
}

/** int16 in units of one channel. */
function packSingles(pixel0: usize, pixel1: usize, pixel2: usize, pixel3: usize, channels: i32, units: usize, pitchBytes: i32): void {
  do {
    const r0 = v128.load_ext<i8>(pixel0);
    const r1 = v128.load_ext<i8>(pixel1);
    const r2 = v128.load_ext<i8>(pixel2);
    const r3 = v128.load_ext<i8>(pixel3);
    units = storeTwice(interleaveLow(r0, r1), interleaveLow(r2, r3), units, pitchBytes);
    units = storeTwice(interleaveHigh(r0, r1), interleaveHigh(r2, r3), units, pitchBytes);
    pixel0 += 8;
    pixel1 += 8;
    pixel2 += 8;
    pixel3 += 8;
    channels -= 8;
  } while (channels > 0);
}

/** Units of eight bytes of pixels 0 to 3, interleaved of pixels 0 and 1 and of pixels 2 and 3. Returns where the next channel belongs. */
// @ts-ignore: decorator
@inline
function storeTwice(r01: v128, r23: v128, units: usize, pitchBytes: i32): usize {
  const low = v128.shuffle<i32>(r01, r23, 0, 4, 1, 5);
  const high = v128.shuffle<i32>(r01, r23, 2, 6, 3, 7);
  v128.store_lane<i64>(units, low, 0);
  v128.store_lane<i64>(units + pitchBytes, low, 1);
  units += pitchBytes << 1;
  v128.store_lane<i64>(units, high, 0);
  v128.store_lane<i64>(units + pitchBytes, high, 1);
  return units + (pitchBytes << 1);
}

/** Units of four bytes. */
// @ts-ignore: decorator
@inline
function packLargeUnits<T>(pixel0: usize, pixel1: usize, pixel2: usize, pixel3: usize, channels: i32, units: usize, pitchBytes: i32): void {
  const mask = v128.load(ACTIVATION_MASK);
  do {
    let r0: v128;
    let r1: v128;
    let r2: v128;
    let r3: v128;
    if (sizeof<T>() == 1) {
      r0 = v128.xor(v128.load64_zero(pixel0), mask);
      r1 = v128.xor(v128.load64_zero(pixel1), mask);
      r2 = v128.xor(v128.load64_zero(pixel2), mask);
      r3 = v128.xor(v128.load64_zero(pixel3), mask);
    } else {
      r0 = v128.load_ext<i8>(pixel0);
      r1 = v128.load_ext<i8>(pixel1);
      r2 = v128.load_ext<i8>(pixel2);
      r3 = v128.load_ext<i8>(pixel3);
    }
    const r01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const r23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    v128.store(units, v128.shuffle<i64>(r01, r23, 0, 2));
    v128.store(units + pitchBytes, v128.shuffle<i64>(r01, r23, 1, 3));
    units += pitchBytes << 1;
    if (sizeof<T>() == 2) {
      const q01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
      const q23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
      v128.store(units, v128.shuffle<i64>(q01, q23, 0, 2));
      v128.store(units + pitchBytes, v128.shuffle<i64>(q01, q23, 1, 3));
      units += pitchBytes << 1;
    }
    pixel0 += 8;
    pixel1 += 8;
    pixel2 += 8;
    pixel3 += 8;
    channels -= 8;
  } while (channels > 0);
}
