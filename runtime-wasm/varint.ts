/**
 * Zigzag LEB128 varints (host/varint.ts), on the page that files are hashed on: an engine's first code for WebAssembly is many times as fast as
 * its first code for JavaScript, and files are read once.
 */

/**
 * Decodes the `bytes` bytes at `src` to int32 words at `dst`, room for one each, apart. Returns how many there are; −1 − i where the number that begins
 * at byte i is not in its shortest form, longer than 32 bits or cut off.
 */
export function decodeVarints(src: usize, bytes: i32, dst: usize): i32 {
  const end = src + <usize>bytes;
  let p = src;
  let out = dst;
  while (p < end) {
    const start = p;
    let value = <u32>load<u8>(p++);
    if (value > 127) {
      let shift = 7;
      let byte: u32;
      value &= 127;
      do {
        if (p == end) return -1 - <i32>(start - src);
        byte = <u32>load<u8>(p++);
        if (shift == 28 && byte > 15) return -1 - <i32>(start - src);
        value |= (byte & 127) << shift;
        shift += 7;
      } while (byte > 127);
      if (byte == 0) return -1 - <i32>(start - src);
    }
    store<i32>(out, <i32>(value >> 1) ^ -(<i32>(value & 1)));
    out += 4;
  }
  return <i32>((out - dst) >> 2);
}
