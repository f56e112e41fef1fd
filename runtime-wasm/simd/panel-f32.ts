/** Packing six rows of float32 into a panel [depth][6], the left operand of gemm-f32.ts. */

/** Appends `length` adjacent values of each of six rows at `dst`; returns the address behind them. Reads nothing past the rows. */
export function packRows(dst: usize, p0: usize, p1: usize, p2: usize, p3: usize, p4: usize, p5: usize, length: i32): usize {
  let k = length;
  for (; k >= 4; k -= 4) {
    const r0 = v128.load(p0);
    const r1 = v128.load(p1);
    const r2 = v128.load(p2);
    const r3 = v128.load(p3);
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    const r4 = v128.load(p4);
    const r5 = v128.load(p5);
    const low45 = v128.shuffle<i32>(r4, r5, 0, 4, 1, 5);
    const high45 = v128.shuffle<i32>(r4, r5, 2, 6, 3, 7);
    v128.store(dst, v128.shuffle<i64>(low01, low23, 0, 2));
    v128.store64_lane(dst, low45, 0, 16);
    v128.store(dst, v128.shuffle<i64>(low01, low23, 1, 3), 24);
    v128.store64_lane(dst, low45, 1, 40);
    v128.store(dst, v128.shuffle<i64>(high01, high23, 0, 2), 48);
    v128.store64_lane(dst, high45, 0, 64);
    v128.store(dst, v128.shuffle<i64>(high01, high23, 1, 3), 72);
    v128.store64_lane(dst, high45, 1, 88);
    p0 += 16;
    p1 += 16;
    p2 += 16;
    p3 += 16;
    p4 += 16;
    p5 += 16;
    dst += 96;
  }
  for (; k > 0; k--) {
    store<f32>(dst, load<f32>(p0));
    store<f32>(dst, load<f32>(p1), 4);
    store<f32>(dst, load<f32>(p2), 8);
    store<f32>(dst, load<f32>(p3), 12);
    store<f32>(dst, load<f32>(p4), 16);
    store<f32>(dst, load<f32>(p5), 20);
    p0 += 4;
    p1 += 4;
    p2 += 4;
    p3 += 4;
    p4 += 4;
    p5 += 4;
    dst += 24;
  }
  return dst;
}
