/**
 * XXH64 (Yann Collet, xxHash specification 0.1.1), seed 0, over a stream of chunks: integrity of files and golden vectors.
 *
 *   state at STATE: v1 v2 v3 v4 (u64), total length (u64), buffered bytes (u32), buffer of 32 bytes
 */
const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;
const STATE: usize = 768;
const BUFFERED: usize = STATE + 40;
const BUFFER: usize = STATE + 48;

function round(accumulator: u64, input: u64): u64 {
  return rotl<u64>(accumulator + input * PRIME_2, 31) * PRIME_1;
}

function merge(hash: u64, accumulator: u64): u64 {
  return (hash ^ round(0, accumulator)) * PRIME_1 + PRIME_4;
}

/** Starts a hash. */
export function hashBegin(): void {
  store<u64>(STATE, PRIME_1 + PRIME_2);
  store<u64>(STATE, PRIME_2, 8);
  store<u64>(STATE, 0, 16);
  store<u64>(STATE, 0 - PRIME_1, 24);
  store<u64>(STATE, 0, 32);
  store<u32>(BUFFERED, 0);
}

/** Adds `length` bytes at `p`. */
export function hashUpdate(p: usize, length: i32): void {
  store<u64>(STATE, load<u64>(STATE, 32) + <u64>length, 32);
  const end = p + <usize>length;
  let buffered = load<u32>(BUFFERED);
  if (buffered > 0) {
    while (buffered < 32 && p < end) {
      store<u8>(BUFFER + buffered, load<u8>(p));
      buffered++;
      p++;
    }
    if (buffered < 32) {
      store<u32>(BUFFERED, buffered);
      return;
    }
    stripes(BUFFER, BUFFER + 32);
  }
  const whole = p + ((end - p) & ~31);
  stripes(p, whole);
  memory.copy(BUFFER, whole, end - whole);
  store<u32>(BUFFERED, <u32>(end - whole));
}

function stripes(p: usize, end: usize): void {
  let v1 = load<u64>(STATE);
  let v2 = load<u64>(STATE, 8);
  let v3 = load<u64>(STATE, 16);
  let v4 = load<u64>(STATE, 24);
  while (p < end) {
    v1 = round(v1, load<u64>(p));
    v2 = round(v2, load<u64>(p, 8));
    v3 = round(v3, load<u64>(p, 16));
    v4 = round(v4, load<u64>(p, 24));
    p += 32;
  }
  store<u64>(STATE, v1);
  store<u64>(STATE, v2, 8);
  store<u64>(STATE, v3, 16);
  store<u64>(STATE, v4, 24);
}

/** Finishes the hash and stores its 8 bytes (little endian) at `out`. */
export function hashEnd(out: usize): void {
  const total = load<u64>(STATE, 32);
  let hash: u64;
  if (total >= 32) {
    const v1 = load<u64>(STATE);
    const v2 = load<u64>(STATE, 8);
    const v3 = load<u64>(STATE, 16);
    const v4 = load<u64>(STATE, 24);
    hash = rotl<u64>(v1, 1) + rotl<u64>(v2, 7) + rotl<u64>(v3, 12) + rotl<u64>(v4, 18);
    hash = merge(merge(merge(merge(hash, v1), v2), v3), v4);
  } else {
    hash = PRIME_5;
  }
  hash += total;
  let p = BUFFER;
  const end = BUFFER + <usize>load<u32>(BUFFERED);
  while (p + 8 <= end) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(p)), 27) * PRIME_1 + PRIME_4;
    p += 8;
  }
  if (p + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(p) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    p += 4;
  }
  while (p < end) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(p) * PRIME_5), 11) * PRIME_1;
    p++;
  }
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  store<u64>(out, hash ^ (hash >> 32));
}
