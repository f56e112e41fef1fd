/** TABLE_I8 (format/steps/table-i8.ts). */
import * as Table from "../../format/steps/table-i8.ts";
import { address, word } from "../words.ts";
import { RUN } from "./run-length.ts";

/** Runs one TABLE_I8 step. */
export function tableI8(step: usize, data: usize): void {
  const table = address(step, Table.TABLE, data) + 128;
  const src = address(step, Table.SRC, data);
  const dst = address(step, Table.DST, data);
  const count = word(step, Table.COUNT);
  for (let i = 0; i < count; i += RUN) look(src + <usize>i, dst + <usize>i, min(RUN, count - i), table);
}

/** `table` is the address of the entry for 0. */
function look(src: usize, dst: usize, count: i32, table: usize): void {
  const end = src + <usize>count;
  while (src < end) {
    store<u8>(dst, load<u8>(table + <usize>(<i32>load<i8>(src))));
    src++;
    dst++;
  }
}
