/** The sum of `count` int8. */
export function sumOf(p: usize, count: i32): i32 {
  let sums = i32x4.splat(0);
  for (; count >= 64; count -= 64) {
    const first = i16x8.add(i16x8.extadd_pairwise_i8x16_s(v128.load(p)), i16x8.extadd_pairwise_i8x16_s(v128.load(p, 16)));
    const second = i16x8.add(i16x8.extadd_pairwise_i8x16_s(v128.load(p, 32)), i16x8.extadd_pairwise_i8x16_s(v128.load(p, 48)));
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.add(first, second)));
    p += 64;
  }
  for (; count >= 16; count -= 16) {
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(p))));
    p += 16;
  }
  let sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  for (; count > 0; count--) sum += <i32>load<i8>(p++);
  return sum;
}
