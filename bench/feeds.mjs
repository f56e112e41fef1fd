/** The inputs that every contestant gets: pseudo-random, the same in every process. */

/**
 * One set of inputs by name: typed arrays that carry their `shape` as a property.
 *
 * @param {readonly { name: string, dtype: string, shape: readonly (number | string)[] }[]} inputs
 * @param {readonly [number, number]} range of float inputs; integer inputs draw from 0 … 7
 * @param {Readonly<Record<string, number>>} shapes sizes of symbolic dimensions; any other is 1
 */
export function makeFeeds(inputs, [low, high], shapes) {
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const makers = {
    float32: (length) => Float32Array.from({ length }, () => low + draw() * (high - low)),
    int8: (length) => Int8Array.from({ length }, () => draw() * 8),
    uint8: (length) => Uint8Array.from({ length }, () => draw() * 8),
    int32: (length) => Int32Array.from({ length }, () => draw() * 8),
    int64: (length) => BigInt64Array.from({ length }, () => BigInt(Math.floor(draw() * 8))),
  };
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const make = makers[dtype];
      if (make === undefined) throw new Error(`input ${name}: no inputs of type ${dtype} are made here`);
      const sizes = shape.map((size) => (typeof size === "number" && size > 0 ? size : (shapes[size] ?? 1)));
      const data = make(sizes.reduce((product, size) => product * size, 1));
      return [name, Object.assign(data, { shape: sizes })];
    }),
  );
}
