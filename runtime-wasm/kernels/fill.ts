/** FILL: whole vectors, then single elements. */
import * as Fill from "../../format/steps/fill.ts";
import { address, word } from "../words.ts";

export function fill(step: usize, data: usize): void {
  let dst = address(step, Fill.DST, data);
  const bytes = word(step, Fill.ELEMENT_BYTES);
  const low = word(step, Fill.VALUE_LOW);
  let count = word(step, Fill.COUNT);
  if (bytes == 1) {
    memory.fill(dst, <u8>low, count);
    return;
  }
  const pair = <u64>(<u32>low) | ((<u64>(<u32>(bytes == 8 ? word(step, Fill.VALUE_HIGH) : low))) << 32);
  const vector = i64x2.splat(pair);
  const step16 = 16 / bytes;
  for (; count >= step16; count -= step16) {
    v128.store(dst, vector);
    dst += 16;
  }
  for (; count > 0; count--) {
    if (bytes == 8) store<u64>(dst, pair);
    else store<u32>(dst, low);
    dst += bytes;
  }
}
