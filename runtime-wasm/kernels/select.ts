/** SELECT: element by element; an odometer over the outer five dimensions, a plain loop over the innermost. */
import * as Select from "../../format/steps/select.ts";
import { clearOdometer, odometerOffset, turnOdometer } from "../odometer.ts";
import { address, word } from "../words.ts";

export function select(step: usize, data: usize): void {
  const bytes = word(step, Select.ELEMENT_BYTES);
  if (bytes == 1) selectRows<u8>(step, data);
  else if (bytes == 4) selectRows<u32>(step, data);
  else selectRows<u64>(step, data);
}

function selectRows<T>(step: usize, data: usize): void {
  const c = address(step, Select.C, data);
  const a = address(step, Select.A, data);
  const b = address(step, Select.B, data);
  let dst = address(step, Select.DST, data);
  const count = word(step, Select.DIM5);
  const strideC = <usize>word(step, Select.C_STRIDE5);
  const strideA = <usize>(word(step, Select.A_STRIDE5) * <i32>sizeof<T>());
  const strideB = <usize>(word(step, Select.B_STRIDE5) * <i32>sizeof<T>());
  clearOdometer();
  do {
    let condition = c + <usize>odometerOffset(step, Select.C_STRIDE0);
    let p = a + <usize>(odometerOffset(step, Select.A_STRIDE0) * <i32>sizeof<T>());
    let q = b + <usize>(odometerOffset(step, Select.B_STRIDE0) * <i32>sizeof<T>());
    for (let i = 0; i < count; i++) {
      store<T>(dst, load<T>(load<u8>(condition) != 0 ? p : q));
      condition += strideC;
      p += strideA;
      q += strideB;
      dst += sizeof<T>();
    }
  } while (turnOdometer(step, Select.DIM0));
}
