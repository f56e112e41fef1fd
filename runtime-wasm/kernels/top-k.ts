/** TOP_K: a heap of the K best places, the worst on top; then it is taken apart from the back. The order is total, so the result is one. */
import { FLOAT32, INT32, INT64, INT8, UINT8 } from "../../format/dtypes.ts";
import * as TopK from "../../format/steps/top-k.ts";
import { address, word } from "../words.ts";

export function topK(step: usize, data: usize): void {
  switch (word(step, TopK.DTYPE)) {
    case FLOAT32: selectRows<f32>(step, data); break;
    case INT32: selectRows<i32>(step, data); break;
    case INT64: selectRows<i64>(step, data); break;
    case INT8: selectRows<i8>(step, data); break;
    case UINT8: selectRows<u8>(step, data); break;
    default: unreachable();
  }
}

function selectRows<T>(step: usize, data: usize): void {
  const heap = address(step, TopK.SCRATCH, data);
  const count = word(step, TopK.COUNT);
  const inner = word(step, TopK.INNER);
  const k = word(step, TopK.K);
  const flags = word(step, TopK.LARGEST) | (word(step, TopK.LAST) << 1);
  const values = word(step, TopK.VALUES);
  const places = word(step, TopK.PLACES);
  const stride = <usize>inner * sizeof<T>();
  let src = address(step, TopK.SRC, data);
  let at: usize = 0;
  for (let outer = word(step, TopK.OUTER); outer > 0; outer--) {
    for (let i = 0; i < inner; i++) {
      const row = src + <usize>i * sizeof<T>();
      selectRow<T>(row, stride, count, heap, k, flags);
      for (let j = 0; j < k; j++) {
        const place = load<i32>(heap + (<usize>j << 2));
        const to = at + <usize>(j * inner + i);
        if (values >= 0) store<T>(data + <usize>values + to * sizeof<T>(), load<T>(row + <usize>place * stride));
        if (places >= 0) store<i64>(data + <usize>places + (to << 3), <i64>place);
      }
    }
    src += <usize>count * stride;
    at += <usize>(k * inner);
  }
}

/** Leaves the first `k` places in order in `heap`. */
export function selectRow<T>(row: usize, stride: usize, count: i32, heap: usize, k: i32, flags: i32): void {
  for (let i = 0; i < k; i++) store<i32>(heap + (<usize>i << 2), i);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink<T>(row, stride, heap, i, k, flags);
  for (let i = k; i < count; i++) {
    if (!isBefore<T>(row, stride, i, load<i32>(heap), flags)) continue;
    store<i32>(heap, i);
    sink<T>(row, stride, heap, 0, k, flags);
  }
  for (let last = k - 1; last > 0; last--) {
    const end = heap + (<usize>last << 2);
    const worst = load<i32>(heap);
    store<i32>(heap, load<i32>(end));
    store<i32>(end, worst);
    sink<T>(row, stride, heap, 0, last, flags);
  }
}

/** Lets the place at `i` sink below those that come after it. */
function sink<T>(row: usize, stride: usize, heap: usize, i: i32, size: i32, flags: i32): void {
  const place = load<i32>(heap + (<usize>i << 2));
  for (;;) {
    let child = 2 * i + 1;
    if (child >= size) break;
    let lower = load<i32>(heap + (<usize>child << 2));
    if (child + 1 < size) {
      const other = load<i32>(heap + (<usize>(child + 1) << 2));
      if (isBefore<T>(row, stride, lower, other, flags)) {
        lower = other;
        child++;
      }
    }
    if (!isBefore<T>(row, stride, place, lower, flags)) break;
    store<i32>(heap + (<usize>i << 2), lower);
    i = child;
  }
  store<i32>(heap + (<usize>i << 2), place);
}

/** Whether place `p` comes before place `q`. */
function isBefore<T>(row: usize, stride: usize, p: i32, q: i32, flags: i32): bool {
  const a = load<T>(row + <usize>p * stride);
  const b = load<T>(row + <usize>q * stride);
  const isLargest = (flags & 1) != 0;
  if (isFloat<T>()) {
    const isNaNA = a != a;
    const isNaNB = b != b;
    if (isNaNA != isNaNB) return isNaNA == isLargest;
    if (isNaNA) return (flags & 2) != 0 ? p > q : p < q;
  }
  if (a != b) return isLargest ? a > b : a < b;
  return (flags & 2) != 0 ? p > q : p < q;
}
