/** TABLE_I8 (format/steps/table-i8.ts). */
import * as Table from "../../format/steps/table-i8.ts";
import { address, word } from "../words.ts";

export function tableI8(step: usize, data: usize): void {
  const table = address(step, Table.TABLE, data) + 128;
  let src = address(step, Table.SRC, data);
  let dst = address(step, Table.DST, data);
  let count = word(step, Table.COUNT);
  while (count > 0) {
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src))));
    src++;
    dst++;
    count--;
  }
}
