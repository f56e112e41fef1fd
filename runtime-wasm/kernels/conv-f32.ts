/**
 * CONV_F32 as products of packed panels: ROW_BLOCK output pixels at a time become panels in SCRATCH, six pixels each, and meet every
 * stripe of weights. SCRATCH: the panels, a row of zeros that stands for the padding, one gathered row.
 */
import * as Conv from "../../format/steps/conv-f32.ts";
import { scratch } from "../constants.ts";
import { multiplyPanels, multiplyRow } from "../simd/gemm-f32.ts";
import { setLimits } from "../simd/limits.ts";
import { packRows } from "../simd/panel-f32.ts";
import { address, floatWord, word } from "../words.ts";

/** In scratch(), six records of 16 bytes: the address of the window's corner (perhaps outside the image), its y and its x. */
const PIXELS: usize = 224;

export function convF32(step: usize, data: usize): void {
  const outputs = word(step, Conv.OUT_C) / word(step, Conv.GROUPS);
  const inputs = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const depth = word(step, Conv.KERNEL_H) * word(step, Conv.KERNEL_W) * inputs;
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const pitch = <usize>word(step, Conv.DST_PITCH) << 2;
  const weightBytes = <usize>((outputs + 7) & ~7) * (<usize>depth << 2);
  const panels = address(step, Conv.SCRATCH, data);
  const zeros = panels + <usize>rowBlock * (<usize>depth << 2);
  const gathered = zeros + (<usize>depth << 2);
  memory.fill(zeros, 0, <usize>depth << 2);
  setLimits(floatWord(step, Conv.MIN), floatWord(step, Conv.MAX));
  for (let first = 0; first < pixels; first += rowBlock) {
    const rows = min(rowBlock, pixels - first);
    // A single pixel left over is a product of its own, since a panel costs as much as six.
    const packed = rows % 6 == 1 ? rows - 1 : rows;
    let src = address(step, Conv.SRC, data);
    let dst = address(step, Conv.DST, data) + <usize>first * pitch;
    let weights = address(step, Conv.WEIGHTS, data);
    let bias = address(step, Conv.BIAS, data);
    for (let group = word(step, Conv.GROUPS); group > 0; group--) {
      if (packed > 0) {
        packPixels(step, src, first, packed, panels, zeros);
        multiplyPanels(panels, packed, depth, weights, outputs, bias, dst, pitch);
      }
      if (packed < rows) {
        const row = gatherPixel(step, src, first + packed, zeros, gathered);
        multiplyRow(row, depth, weights, <usize>depth << 5, 32, outputs, bias, dst + <usize>packed * pitch);
      }
      src += <usize>inputs << 2;
      dst += <usize>outputs << 2;
      weights += weightBytes;
      bias += <usize>outputs << 2;
    }
  }
}

/** Whether output pixel i is input pixel i, whole. */
function isPointwise(step: usize): bool {
  return (
    word(step, Conv.KERNEL_H) == 1 &&
    word(step, Conv.KERNEL_W) == 1 &&
    word(step, Conv.STRIDE_H) == 1 &&
    word(step, Conv.STRIDE_W) == 1 &&
    (word(step, Conv.PAD_TOP) | word(step, Conv.PAD_LEFT)) == 0 &&
    word(step, Conv.OUT_H) == word(step, Conv.IN_H) &&
    word(step, Conv.OUT_W) == word(step, Conv.IN_W)
  );
}

/** Whether the columns of a kernel row are adjacent in memory. */
function isContiguous(step: usize): bool {
  return word(step, Conv.GROUPS) == 1 && word(step, Conv.DILATION_W) == 1 && word(step, Conv.SRC_PITCH) == word(step, Conv.IN_C);
}

/** Packs `count` output pixels from `first` into panels; the last panel repeats its last pixel. */
function packPixels(step: usize, src: usize, first: i32, count: i32, panels: usize, zeros: usize): void {
  const inputs = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  if (isPointwise(step)) {
    const pitch = <usize>word(step, Conv.SRC_PITCH) << 2;
    let p = src + <usize>first * pitch;
    for (let rest = count; rest > 0; rest -= 6) {
      const last = p + <usize>(min(rest, 6) - 1) * pitch;
      const p1 = min(p + pitch, last);
      const p2 = min(p1 + pitch, last);
      const p3 = min(p2 + pitch, last);
      const p4 = min(p3 + pitch, last);
      const p5 = min(p4 + pitch, last);
      panels = packRows(panels, p, p1, p2, p3, p4, p5, inputs);
      p = p5 + pitch;
    }
    return;
  }
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  let x = first % outW;
  let y = (first / outW) % outH;
  let image = first / outW / outH;
  for (let row = 0; row < count; ) {
    for (let i = 0; i < 6; i++) {
      locate(step, src, image, y, x, scratch() + PIXELS + (<usize>i << 4));
      row++;
      if (row < count && ++x == outW) {
        x = 0;
        if (++y == outH) {
          y = 0;
          image++;
        }
      }
    }
    panels = packWindows(step, panels, zeros);
  }
}

/** Writes the record of one output pixel. */
function locate(step: usize, src: usize, image: i32, outY: i32, outX: i32, record: usize): void {
  const y = outY * word(step, Conv.STRIDE_H) - word(step, Conv.PAD_TOP);
  const x = outX * word(step, Conv.STRIDE_W) - word(step, Conv.PAD_LEFT);
  const pixel = (image * word(step, Conv.IN_H) + y) * word(step, Conv.IN_W) + x;
  store<usize>(record, src + ((<usize>pixel * <usize>word(step, Conv.SRC_PITCH)) << 2));
  store<i32>(record, y, 8);
  store<i32>(record, x, 12);
}

/** Packs the windows of the six pixels in PIXELS. */
function packWindows(step: usize, panel: usize, zeros: usize): usize {
  const inputs = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const kernelH = word(step, Conv.KERNEL_H);
  const kernelW = word(step, Conv.KERNEL_W);
  const inH = word(step, Conv.IN_H);
  const inW = word(step, Conv.IN_W);
  const dilationW = word(step, Conv.DILATION_W);
  const dilationH = word(step, Conv.DILATION_H);
  const column = (<usize>dilationW * <usize>word(step, Conv.SRC_PITCH)) << 2;
  const line = (<usize>dilationH * <usize>inW * <usize>word(step, Conv.SRC_PITCH)) << 2;
  const whole = isContiguous(step) && isInside(kernelW, inW);
  for (let y = 0; y < kernelH; y++) {
    const dy = y * dilationH;
    const offset = <usize>y * line;
    if (whole) {
      panel = packRows(
        panel,
        source(0, dy, 0, inH, inW, offset, zeros),
        source(1, dy, 0, inH, inW, offset, zeros),
        source(2, dy, 0, inH, inW, offset, zeros),
        source(3, dy, 0, inH, inW, offset, zeros),
        source(4, dy, 0, inH, inW, offset, zeros),
        source(5, dy, 0, inH, inW, offset, zeros),
        kernelW * inputs,
      );
      continue;
    }
    for (let x = 0; x < kernelW; x++) {
      const dx = x * dilationW;
      const at = offset + <usize>x * column;
      panel = packRows(
        panel,
        source(0, dy, dx, inH, inW, at, zeros),
        source(1, dy, dx, inH, inW, at, zeros),
        source(2, dy, dx, inH, inW, at, zeros),
        source(3, dy, dx, inH, inW, at, zeros),
        source(4, dy, dx, inH, inW, at, zeros),
        source(5, dy, dx, inH, inW, at, zeros),
        inputs,
      );
    }
  }
  return panel;
}

/** Whether all kernel columns of the six pixels lie inside the image. */
function isInside(kernelW: i32, inW: i32): bool {
  for (let i: usize = 0; i < 6; i++) {
    const x = load<i32>(scratch() + PIXELS + (i << 4), 12);
    if (x < 0 || x + kernelW > inW) return false;
  }
  return true;
}

/** Where the values of pixel `i` at (dy, dx) of its window stand: in the image, `offset` bytes from the corner, or among the zeros. */
@inline
function source(i: usize, dy: i32, dx: i32, inH: i32, inW: i32, offset: usize, zeros: usize): usize {
  const record = scratch() + PIXELS + (i << 4);
  const inside = <u32>(load<i32>(record, 8) + dy) < <u32>inH && <u32>(load<i32>(record, 12) + dx) < <u32>inW;
  return inside ? load<usize>(record) + offset : zeros;
}

/** The window of one output pixel as adjacent values: in place where it is one, else copied to `gathered`. */
function gatherPixel(step: usize, src: usize, pixel: i32, zeros: usize, gathered: usize): usize {
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  locate(step, src, pixel / outW / outH, (pixel / outW) % outH, pixel % outW, scratch() + PIXELS);
  if (isPointwise(step)) return load<usize>(scratch() + PIXELS);
  const bytes = <usize>(word(step, Conv.IN_C) / word(step, Conv.GROUPS)) << 2;
  const column = <usize>word(step, Conv.SRC_PITCH) << 2;
  const inH = word(step, Conv.IN_H);
  const inW = word(step, Conv.IN_W);
  let out = gathered;
  for (let y = 0; y < word(step, Conv.KERNEL_H); y++) {
    const dy = y * word(step, Conv.DILATION_H);
    for (let x = 0; x < word(step, Conv.KERNEL_W); x++) {
      const dx = x * word(step, Conv.DILATION_W);
      memory.copy(out, source(0, dy, dx, inH, inW, <usize>(dy * inW + dx) * column, zeros), bytes);
      out += bytes;
    }
  }
  return gathered;
}
