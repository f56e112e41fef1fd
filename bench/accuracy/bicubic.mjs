/** Bicubic resizing of one 8-bit channel as Pillow does it (a = −0.5, widened when shrinking, 8 bits between the passes). */

/**
 * @param {Uint8Array} source [height, width]
 * @returns {Uint8Array} [toHeight, toWidth]
 */
export function resizeBicubic(source, width, height, toWidth, toHeight) {
  const narrow = pass(source, height, width, toWidth, 1);
  return pass(narrow, 1, height, toHeight, toWidth);
}

// One axis of [outer][from][inner] → [outer][to][inner].
function pass(source, outer, from, to, inner) {
  const target = new Uint8Array(outer * to * inner);
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = 2 * widening;
  for (let t = 0; t < to; t++) {
    const centre = (t + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), from);
    const weights = Array.from({ length: end - start }, (_, k) => kernel((k + start - centre + 0.5) / widening));
    const sum = weights.reduce((a, b) => a + b);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let value = 0;
        for (let k = 0; k < weights.length; k++) value += source[(o * from + start + k) * inner + i] * weights[k];
        target[(o * to + t) * inner + i] = Math.max(0, Math.min(255, Math.round(value / sum)));
      }
    }
  }
  return target;
}

// Keys' cubic convolution kernel with a = −0.5.
function kernel(x) {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  if (d < 2) return ((-0.5 * d + 2.5) * d - 4) * d + 2;
  return 0;
}
