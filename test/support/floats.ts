/** float32 values for tests of float kernels, and their bits. */

/** `count` values in [−2, 2) from a generator of uint32; every sixteenth or so is 0, or far smaller than the rest. */
export function randomFloats(random: () => number, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => {
    const r = random();
    if (r % 16 === 3) return (r & 256) === 0 ? 0 : ((r >>> 9) / 2 ** 23 - 0.5) * 1e-4;
    return (r >>> 8) / 2 ** 22 - 2;
  });
}

/** The bits of float32 values, every NaN as one: the promise of equal bits leaves those out. */
export function bitsOf(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
  values.forEach((x, i) => {
    if (Number.isNaN(x)) bits[i] = 0x7fc00000;
  });
  return bits;
}

/** The build under test: build/<name>.wasm. */
export const build = process.env.EQM_BUILD ?? "plain";

/** FNV-1a over arrays of uint32, as eight hexadecimal digits. */
export function checksum(arrays: readonly Uint32Array[]): string {
  let hash = 0x811c9dc5;
  for (const array of arrays) for (const v of array) hash = Math.imul(hash ^ v, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
