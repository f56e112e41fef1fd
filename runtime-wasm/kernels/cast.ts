/** CAST: one loop for each pair of types. */
import { BOOL, elementBytes, FLOAT32, INT32, INT64, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Cast from "../../format/steps/cast.ts";
import { address, word } from "../words.ts";

export function cast(step: usize, data: usize): void {
  const src = address(step, Cast.SRC, data);
  const dst = address(step, Cast.DST, data);
  const count = word(step, Cast.COUNT);
  const from = word(step, Cast.SRC_DTYPE);
  const to = word(step, Cast.DST_DTYPE);
  if (from == to) {
    memory.copy(dst, src, count * elementBytes(to));
    return;
  }
  switch (from) {
    case FLOAT32: castFrom<f32>(src, dst, count, to); break;
    case INT8: castFrom<i8>(src, dst, count, to); break;
    case UINT8:
    case BOOL: castFrom<u8>(src, dst, count, to); break;
    case INT32: castFrom<i32>(src, dst, count, to); break;
    case INT64: castFrom<i64>(src, dst, count, to); break;
    default: unreachable();
  }
}

function castFrom<S>(src: usize, dst: usize, count: i32, to: i32): void {
  switch (to) {
    case FLOAT32: castTo<S, f32>(src, dst, count); break;
    case INT8: castTo<S, i8>(src, dst, count); break;
    case UINT8: castTo<S, u8>(src, dst, count); break;
    case INT32: castTo<S, i32>(src, dst, count); break;
    case INT64: castTo<S, i64>(src, dst, count); break;
    case BOOL: castToBool<S>(src, dst, count); break;
    default: unreachable();
  }
}

function castTo<S, D>(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count--) {
    const x = load<S>(src);
    if (isFloat<S>()) store<D>(dst, truncate<D>(<f32>x));
    else store<D>(dst, <D>x);
    src += sizeof<S>();
    dst += sizeof<D>();
  }
}

/** Toward zero, saturating; NaN gives 0: what the conversion does by itself to 32 and 64 bits, with non-trapping conversions enabled. */
@inline
function truncate<D>(x: f32): D {
  if (isFloat<D>()) return <D>x;
  if (sizeof<D>() == 8) return <D>(<i64>x);
  const y = <i32>x;
  if (sizeof<D>() == 4) return <D>y;
  return <D>min(max(y, <i32>(isSigned<D>() ? -128 : 0)), <i32>(isSigned<D>() ? 127 : 255));
}

function castToBool<S>(src: usize, dst: usize, count: i32): void {
  for (; count > 0; count--) {
    store<u8>(dst, load<S>(src) != <S>0 ? 1 : 0);
    src += sizeof<S>();
    dst++;
  }
}
