/** Zeroes a part of the blocks of `tall` outputs by `wide` columns, as many of each `tall` outputs: weights are rows of `depth` values. */
export function zeroBlocks(weights, outputs, depth, tall, wide, sparsity) {
  const columns = Math.ceil(depth / wide);
  let s = 12345;
  for (let n = 0; n < outputs; n += tall) {
    const order = Array.from({ length: columns }, (_, i) => i);
    for (let i = columns - 1; i > 0; i--) {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((s / 2 ** 32) * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (const column of order.slice(0, Math.round(columns * sparsity))) {
      for (let o = n; o < Math.min(outputs, n + tall); o++) {
        for (let k = column * wide; k < Math.min(depth, (column + 1) * wide); k++) weights[o * depth + k] = 0;
      }
    }
  }
}
