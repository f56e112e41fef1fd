/**
 * Brings together the columns of A that eight outputs of sparse weights need, of many rows at a time, so that a dense GEMM of the pair dot can take them
 * (gemm-runs-i8.ts). Values are int8, masked; a unit is one column or two.
 *
 *   from   wide panels (wide-panels-i8.ts), or planes (planes-i8.ts)      to   [rows/4][quads][4 rows][4 columns]
 */
import { bytesHigh, bytesLow, interleaveHigh, interleaveLow } from "../simd/dot.ts";

/** The columns of `quads` quads, of 16 rows of the wide panel at `a`; `places` are those of a panel of four rows. */
export function collectWide(unit: i32, quads: i32, a: usize, places: usize, panel: usize): void {
  if (unit == 1) collectSingles(2, quads, a, places, panel);
  else collectPairs(2, quads, a, places, panel);
}

/** collectWide of 16 adjacent outputs of the planes at `a`. */
export function collectPlanes(unit: i32, quads: i32, a: usize, places: usize, panel: usize): void {
  if (unit == 1) collectSingles(0, quads, a, places, panel);
  else collectPairs(0, quads, a, places, panel);
}

/** collectPlanes of 8 adjacent outputs. */
export function collectHalfPlanes(unit: i32, quads: i32, a: usize, places: usize, panel: usize): void {
  if (unit == 1) collectHalfSingles(quads, a, places, panel);
  else collectHalfPairs(quads, a, places, panel);
}

// @ts-ignore: decorator
@inline
function collectSingles(shift: i32, quads: i32, a: usize, places: usize, panel: usize): void {
  let panel1 = panel + (<usize>quads << 4);
  let panel2 = panel1 + (<usize>quads << 4);
  let panel3 = panel2 + (<usize>quads << 4);
  const end = panel1;
  while (panel < end) {
    const k0 = v128.load(a + (load<u32>(places) << shift));
    const k1 = v128.load(a + (load<u32>(places, 4) << shift));
    const k2 = v128.load(a + (load<u32>(places, 8) << shift));
    const k3 = v128.load(a + (load<u32>(places, 12) << shift));
    const low01 = bytesLow(k0, k1);
    const low23 = bytesLow(k2, k3);
    const high01 = bytesHigh(k0, k1);
    const high23 = bytesHigh(k2, k3);
    v128.store(panel, interleaveLow(low01, low23));
    v128.store(panel1, interleaveHigh(low01, low23));
    v128.store(panel2, interleaveLow(high01, high23));
    v128.store(panel3, interleaveHigh(high01, high23));
    places += 16;
    panel += 16;
    panel1 += 16;
    panel2 += 16;
    panel3 += 16;
  }
}

// @ts-ignore: decorator
@inline
function collectPairs(shift: i32, quads: i32, a: usize, places: usize, panel: usize): void {
  let panel1 = panel + (<usize>quads << 4);
  let panel2 = panel1 + (<usize>quads << 4);
  let panel3 = panel2 + (<usize>quads << 4);
  const end = panel1;
  while (panel < end) {
    const first = a + (load<u32>(places) << shift);
    const second = a + (load<u32>(places, 4) << shift);
    const low01 = v128.load(first);
    const low23 = v128.load(second);
    const high01 = v128.load(first, 16);
    const high23 = v128.load(second, 16);
    v128.store(panel, interleaveLow(low01, low23));
    v128.store(panel1, interleaveHigh(low01, low23));
    v128.store(panel2, interleaveLow(high01, high23));
    v128.store(panel3, interleaveHigh(high01, high23));
    places += 8;
    panel += 16;
    panel1 += 16;
    panel2 += 16;
    panel3 += 16;
  }
}

function collectHalfSingles(quads: i32, a: usize, places: usize, panel: usize): void {
  let panel1 = panel + (<usize>quads << 4);
  const end = panel1;
  while (panel < end) {
    const k01 = bytesLow(v128.load64_zero(a + load<u32>(places)), v128.load64_zero(a + load<u32>(places, 4)));
    const k23 = bytesLow(v128.load64_zero(a + load<u32>(places, 8)), v128.load64_zero(a + load<u32>(places, 12)));
    v128.store(panel, interleaveLow(k01, k23));
    v128.store(panel1, interleaveHigh(k01, k23));
    places += 16;
    panel += 16;
    panel1 += 16;
  }
}

function collectHalfPairs(quads: i32, a: usize, places: usize, panel: usize): void {
  let panel1 = panel + (<usize>quads << 4);
  const end = panel1;
  while (panel < end) {
    const k01 = v128.load(a + load<u32>(places));
    const k23 = v128.load(a + load<u32>(places, 4));
    v128.store(panel, interleaveLow(k01, k23));
    v128.store(panel1, interleaveHigh(k01, k23));
    places += 8;
    panel += 16;
    panel1 += 16;
  }
}
