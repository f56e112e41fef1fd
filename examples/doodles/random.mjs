/**
 * Random streams and circular functions that give the same bits on every JavaScript engine.
 *
 * A stream is fixed by the words it is seeded with, so drawing number 7 of a set is the same whether or not drawings 0 to 6
 * were made before it. Math.sin, Math.exp and their like differ between engines in the last bit and are therefore not used.
 */

/**
 * @typedef {object} RandomStream
 * @property {() => number} uniform in [0, 1)
 * @property {(low: number, high: number) => number} between uniform in [low, high)
 * @property {(low: number, high: number) => number} integer uniform in low..high, both included
 * @property {(probability: number) => boolean} chance
 * @property {() => number} normal mean 0, variance 1, within ±3.5
 */

/**
 * A stream of the sfc32 generator (Chris Doty-Humphrey, PractRand), seeded with two 32-bit words.
 *
 * @param {number} family which set of streams
 * @param {number} index which stream of the set
 * @returns {RandomStream}
 */
export function randomStream(family, index) {
  let a = family | 0;
  let b = index | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const uniform = () => {
    const word = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + word;
    return (word >>> 0) / 4294967296;
  };
  for (let round = 0; round < 16; round++) uniform();
  return {
    uniform,
    between: (low, high) => low + (high - low) * uniform(),
    integer: (low, high) => low + Math.floor((high - low + 1) * uniform()),
    chance: (probability) => uniform() < probability,
    // The sum of four uniforms has variance 4/12.
    normal: () => (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508075688772,
  };
}

/**
 * sin(2π · turns), by its Taylor series on a quarter turn; the error is below 1e-7.
 *
 * @param {number} turns
 * @returns {number}
 */
export function sinTurns(turns) {
  let t = turns - Math.round(turns);
  if (t > 0.25) t = 0.5 - t;
  else if (t < -0.25) t = -0.5 - t;
  const x = t * 6.283185307179586;
  const s = x * x;
  return x * (1 - (s / 6) * (1 - (s / 20) * (1 - (s / 42) * (1 - (s / 72) * (1 - s / 110)))));
}

/**
 * cos(2π · turns).
 *
 * @param {number} turns
 * @returns {number}
 */
export function cosTurns(turns) {
  return sinTurns(turns + 0.25);
}
