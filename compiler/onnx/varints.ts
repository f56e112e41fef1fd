/** Runs of protobuf varints, decoded into arrays whose length is known. */
import { badTensor } from "./errors.ts";

/** Decodes `count` int32, by their lower 32 bits. Errors: `bad-tensor` where there are more or fewer. */
export function varints(runs: readonly Uint8Array[], count: number, tensor: string): Int32Array {
  checkCount(runs, count, tensor);
  const values = new Int32Array(count);
  let at = 0;
  for (const run of runs) {
    for (let i = 0; i < run.length; ) {
      let value = 0;
      let byte = 0x80;
      for (let shift = 0; byte & 0x80; shift += 7) {
        byte = run[i++]!;
        if (shift < 32) value |= (byte & 127) << shift;
      }
      values[at++] = value;
    }
  }
  return values;
}

/** Decodes `count` int64 or uint64, by their 64 bits. Errors: `bad-tensor` where there are more or fewer. */
export function varints64(runs: readonly Uint8Array[], count: number, tensor: string): BigInt64Array {
  checkCount(runs, count, tensor);
  const values = new BigInt64Array(count);
  const halves = new Uint32Array(values.buffer);
  let at = 0;
  for (const run of runs) {
    for (let i = 0; i < run.length; at += 2) {
      let low = 0;
      let high = 0;
      let byte = 0x80;
      for (let shift = 0; byte & 0x80; shift += 7) {
        byte = run[i++]!;
        if (shift < 32) low |= (byte & 127) << shift;
        if (shift === 28) high = (byte & 127) >>> 4;
        else if (shift > 28) high |= (byte & 127) << (shift - 32);
      }
      halves[at] = low;
      halves[at + 1] = high;
    }
  }
  return values;
}

/** Counts the last bytes of varints; no varint may run over its run's end or ten bytes. */
function checkCount(runs: readonly Uint8Array[], count: number, tensor: string): void {
  let found = 0;
  for (const run of runs) {
    let length = 0;
    for (const byte of run) {
      if (++length > 10) throw badTensor(tensor, "has an element of more than ten bytes");
      if (byte < 128) {
        found++;
        length = 0;
      }
    }
    if (length > 0) throw badTensor(tensor, "ends in the middle of an element");
  }
  if (found !== count) throw badTensor(tensor, `has ${found} elements where its shape takes ${count}`);
}
