/** The arithmetic of the int8 steps in plain TypeScript: what the kernels are compared with, byte for byte. */

/** The integer nearest to x, half to even. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest > 0.5) return floor + 1;
  if (rest < 0.5) return floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** x within [low, high]. */
export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}

/** clamp(roundHalfEven(f32(accumulator)·scale) + zero, min, max), `scale` being a float32. */
export function requantize(accumulator: number, scale: number, zero: number, min: number, max: number): number {
  return clamp(roundHalfEven(Math.fround(Math.fround(accumulator) * scale)) + zero, min, max);
}

/** `count` int8 from `next`, one in eight of them an extreme. */
export function randomInt8(next: () => number, count: number): Int8Array {
  return Int8Array.from({ length: count }, () => {
    const r = next();
    return r % 8 === 0 ? (r & 8 ? 127 : -128) : (r >>> 8) & 255;
  });
}

/** An integer in [low, high]. */
export function between(next: () => number, low: number, high: number): number {
  return low + (next() % (high - low + 1));
}

/** `count` float32 in [low, high). */
export function randomFloats(next: () => number, count: number, low: number, high: number): Float32Array {
  return Float32Array.from({ length: count }, () => low + (next() / 2 ** 32) * (high - low));
}
