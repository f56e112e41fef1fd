/**
 * The inverse DCT of libjpeg's "slow integer" method, bit for bit: Loeffler, Ligtenberg, Moschytz, "Practical fast 1-D DCT algorithms with
 * 11 multiplications" (ICASSP 1989), constants of 13 bits, two more bits kept between the passes.
 */
import type { Component } from "./jpeg-scan.ts";

const F_0_298 = 2446;
const F_0_390 = 3196;
const F_0_541 = 4433;
const F_0_765 = 6270;
const F_0_899 = 7373;
const F_1_175 = 9633;
const F_1_501 = 12299;
const F_1_847 = 15137;
const F_1_961 = 16069;
const F_2_053 = 16819;
const F_2_562 = 20995;
const F_3_072 = 25172;

/** A component's samples, [blocks down · 8, blocks across · 8], 0..255. */
export function inverseTransform({ coefficients, blocksAcross, quantization }: Component): Uint8ClampedArray {
  const samples = new Uint8ClampedArray(coefficients.length);
  const table = quantization as Int32Array;
  const work = new Int32Array(64);
  const stride = blocksAcross * 8;
  for (let block = 0, offset = 0; offset < coefficients.length; block++, offset += 64) {
    for (let i = 0; i < 64; i++) work[i] = (coefficients[offset + i] as number) * (table[i] as number);
    for (let column = 0; column < 8; column++) transformLine(work, column, 8, 11);
    for (let row = 0; row < 64; row += 8) transformLine(work, row, 1, 18);
    let to = Math.floor(block / blocksAcross) * 8 * stride + (block % blocksAcross) * 8;
    for (let i = 0; i < 64; i += 8, to += stride) {
      for (let x = 0; x < 8; x++) samples[to + x] = (work[i + x] as number) + 128;
    }
  }
  return samples;
}

/** Eight values at `at`, `step` apart, in place; the results are rounded down by `shift` bits. */
function transformLine(work: Int32Array, at: number, step: number, shift: number): void {
  const i0 = work[at] as number;
  const i1 = work[at + step] as number;
  const i2 = work[at + 2 * step] as number;
  const i3 = work[at + 3 * step] as number;
  const i4 = work[at + 4 * step] as number;
  const i5 = work[at + 5 * step] as number;
  const i6 = work[at + 6 * step] as number;
  const i7 = work[at + 7 * step] as number;
  const round = 1 << (shift - 1);

  const e1 = Math.imul(i2 + i6, F_0_541);
  const e2 = e1 - Math.imul(i6, F_1_847);
  const e3 = e1 + Math.imul(i2, F_0_765);
  const sum = ((i0 + i4) << 13) + round;
  const difference = ((i0 - i4) << 13) + round;
  const even0 = sum + e3;
  const even1 = difference + e2;
  const even2 = difference - e2;
  const even3 = sum - e3;

  const z5 = Math.imul(i7 + i3 + i5 + i1, F_1_175);
  const z1 = -Math.imul(i7 + i1, F_0_899);
  const z2 = -Math.imul(i5 + i3, F_2_562);
  const z3 = z5 - Math.imul(i7 + i3, F_1_961);
  const z4 = z5 - Math.imul(i5 + i1, F_0_390);
  const odd0 = Math.imul(i7, F_0_298) + z1 + z3;
  const odd1 = Math.imul(i5, F_2_053) + z2 + z4;
  const odd2 = Math.imul(i3, F_3_072) + z2 + z3;
  const odd3 = Math.imul(i1, F_1_501) + z1 + z4;

  work[at] = (even0 + odd3) >> shift;
  work[at + 7 * step] = (even0 - odd3) >> shift;
  work[at + step] = (even1 + odd2) >> shift;
  work[at + 6 * step] = (even1 - odd2) >> shift;
  work[at + 2 * step] = (even2 + odd1) >> shift;
  work[at + 5 * step] = (even2 - odd1) >> shift;
  work[at + 3 * step] = (even3 + odd0) >> shift;
  work[at + 4 * step] = (even3 - odd0) >> shift;
}
