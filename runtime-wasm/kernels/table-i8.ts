/** TABLE_I8 (format/steps/table-i8.ts). */
import * as Table from "../../format/steps/table-i8.ts";
import { address, word } from "../words.ts";
import { RUN } from "./run-length.ts";

/** Runs one TABLE_I8 step. */
export function tableI8(step: usize, data: usize): void {
  const table = address(step, Table.TABLE, data) + 128;
  let src = address(step, Table.SRC, data);
  let dst = address(step, Table.DST, data);
  const columns = word(step, Table.COLUMNS);
  const srcPitch = word(step, Table.SRC_PITCH);
  const dstPitch = word(step, Table.DST_PITCH);
  for (let row = word(step, Table.ROWS); row > 0; row--) {
    for (let i = 0; i < columns; i += RUN) look(src + <usize>i, dst + <usize>i, min(RUN, columns - i), table);
    src += srcPitch;
    dst += dstPitch;
  }
}

/** `table` is the address of the entry for 0. Eight at a time: a loop around each would cost more than the look-up. */
function look(src: usize, dst: usize, count: i32, table: usize): void {
  for (; count >= 8; count -= 8) {
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src))));
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 1))), 1);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 2))), 2);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 3))), 3);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 4))), 4);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 5))), 5);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 6))), 6);
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src, 7))), 7);
    src += 8;
    dst += 8;
  }
  for (; count > 0; count--) {
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src))));
    src++;
    dst++;
  }
}
