/**
 * The float32 kernels of the trainer, forward and backward, compiled by train.mjs with AssemblyScript to SIMD WebAssembly.
 *
 * Axes: N batch, H W image, C channels, K output channels; activations are [N, H, W, C], weights [KH, KW, C, K], depthwise weights
 * [KH, KW, C]. Windows are 3×3 with padding 1. Pointers are byte offsets; C is a multiple of 4 except in gemm and the
 * unfolding, which take any. Backward kernels add to their gradients, so the caller clears those once per step.
 */

const ROWS: i32 = 4;
const COLUMNS: i32 = 8;
const DEPTH: i32 = 256;
const WINDOW: i32 = 3;

const tile: usize = memory.data(ROWS * COLUMNS * 4, 16);
const rowPanel: usize = memory.data(ROWS * DEPTH * 4, 16);
const columnPanels: usize = memory.data(DEPTH * 512 * 4, 16);

/** The first byte that no kernel uses. */
export function heapBase(): usize {
  return __heap_base;
}

/**
 * Packs `lines` (≤ width) lines of a matrix for `depth` steps: out[k · width + i] = source[i · lineStep + k · depthStep], 0 beyond `lines`.
 * Steps are in elements.
 */
function pack(source: usize, lineStep: i32, depthStep: i32, lines: i32, width: i32, depth: i32, out: usize): void {
  for (let k = 0; k < depth; k++) {
    const from = source + ((<usize>k * depthStep) << 2);
    if (lineStep == 1 && lines == width) {
      for (let i = 0; i < width; i += 4) v128.store(out + ((<usize>i) << 2), v128.load(from + ((<usize>i) << 2)));
    } else {
      for (let i = 0; i < width; i++) {
        store<f32>(out + ((<usize>i) << 2), i < lines ? load<f32>(from + ((<usize>i * lineStep) << 2)) : 0);
      }
    }
    out += (<usize>width) << 2;
  }
}

/** y[4, 8] += a[depth, 4]ᵀ · b[depth, 8] on packed panels; `step` is the distance of two rows of y in bytes. */
function multiplyTile(a: usize, b: usize, depth: i32, y: usize, step: usize): void {
  let y00 = v128.load(y);
  let y01 = v128.load(y, 16);
  let y10 = v128.load(y + step);
  let y11 = v128.load(y + step, 16);
  let y20 = v128.load(y + 2 * step);
  let y21 = v128.load(y + 2 * step, 16);
  let y30 = v128.load(y + 3 * step);
  let y31 = v128.load(y + 3 * step, 16);
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let value = v128.load32_splat(a);
    y00 = f32x4.add(y00, f32x4.mul(value, b0));
    y01 = f32x4.add(y01, f32x4.mul(value, b1));
    value = v128.load32_splat(a, 4);
    y10 = f32x4.add(y10, f32x4.mul(value, b0));
    y11 = f32x4.add(y11, f32x4.mul(value, b1));
    value = v128.load32_splat(a, 8);
    y20 = f32x4.add(y20, f32x4.mul(value, b0));
    y21 = f32x4.add(y21, f32x4.mul(value, b1));
    value = v128.load32_splat(a, 12);
    y30 = f32x4.add(y30, f32x4.mul(value, b0));
    y31 = f32x4.add(y31, f32x4.mul(value, b1));
    a += ROWS << 2;
    b += COLUMNS << 2;
  }
  v128.store(y, y00);
  v128.store(y, y01, 16);
  v128.store(y + step, y10);
  v128.store(y + step, y11, 16);
  v128.store(y + 2 * step, y20);
  v128.store(y + 2 * step, y21, 16);
  v128.store(y + 3 * step, y30);
  v128.store(y + 3 * step, y31, 16);
}

/**
 * y[m, n] += A[m, k] · B[k, n], row-major. With `transposeA` the memory of A is [k, m]; with `transposeB` that of B is [n, k].
 * n ≤ 512.
 */
export function gemm(transposeA: bool, transposeB: bool, m: i32, n: i32, k: i32, a: usize, b: usize, y: usize): void {
  const aLine = transposeA ? 1 : k;
  const aDepth = transposeA ? m : 1;
  const bLine = transposeB ? k : 1;
  const bDepth = transposeB ? 1 : n;
  for (let start = 0; start < k; start += DEPTH) {
    const depth = min(DEPTH, k - start);
    for (let column = 0; column < n; column += COLUMNS) {
      const from = b + ((<usize>column * bLine + <usize>start * bDepth) << 2);
      pack(from, bLine, bDepth, min(COLUMNS, n - column), COLUMNS, depth, columnPanels + ((<usize>column * depth) << 2));
    }
    for (let row = 0; row < m; row += ROWS) {
      const rows = min(ROWS, m - row);
      pack(a + ((<usize>row * aLine + <usize>start * aDepth) << 2), aLine, aDepth, rows, ROWS, depth, rowPanel);
      for (let column = 0; column < n; column += COLUMNS) {
        const panel = columnPanels + ((<usize>column * depth) << 2);
        const out = y + ((<usize>row * n + column) << 2);
        const columns = min(COLUMNS, n - column);
        if (rows == ROWS && columns == COLUMNS) {
          multiplyTile(rowPanel, panel, depth, out, (<usize>n) << 2);
        } else {
          memory.fill(tile, 0, ROWS * COLUMNS * 4);
          multiplyTile(rowPanel, panel, depth, tile, COLUMNS << 2);
          for (let i = 0; i < rows; i++) {
            for (let j = 0; j < columns; j++) {
              const at = out + ((<usize>i * n + j) << 2);
              store<f32>(at, load<f32>(at) + load<f32>(tile + ((i * COLUMNS + j) << 2)));
            }
          }
        }
      }
    }
  }
}

/** Lays out the 3×3 windows of one image x[h, w, c] as rows: out[oh · ow, 9 · c], zeros where a window leaves the image. */
export function unfold(x: usize, h: i32, w: i32, c: i32, stride: i32, out: usize): void {
  const bytes = (<usize>c) << 2;
  for (let top = -1; top < h - 1; top += stride) {
    for (let left = -1; left < w - 1; left += stride) {
      for (let row = top; row < top + WINDOW; row++) {
        for (let column = left; column < left + WINDOW; column++) {
          if (<u32>row < <u32>h && <u32>column < <u32>w) memory.copy(out, x + <usize>(row * w + column) * bytes, bytes);
          else memory.fill(out, 0, bytes);
          out += bytes;
        }
      }
    }
  }
}

/** The transpose of `unfold`: adds every window's gradient to the pixels it was read from. */
export function fold(rows: usize, h: i32, w: i32, c: i32, stride: i32, dx: usize): void {
  for (let top = -1; top < h - 1; top += stride) {
    for (let left = -1; left < w - 1; left += stride) {
      for (let row = top; row < top + WINDOW; row++) {
        for (let column = left; column < left + WINDOW; column++) {
          if (<u32>row < <u32>h && <u32>column < <u32>w) add(rows, dx + ((<usize>(row * w + column) * c) << 2), c);
          rows += (<usize>c) << 2;
        }
      }
    }
  }
}

/** y[n, oh, ow, c] = the depthwise 3×3 convolution of x[n, h, w, c] with weights[9, c]. */
export function depthwise(x: usize, weights: usize, y: usize, n: i32, h: i32, w: i32, c: i32, stride: i32): void {
  const bytes = (<usize>c) << 2;
  for (let image = 0; image < n; image++) {
    for (let top = -1; top < h - 1; top += stride) {
      for (let left = -1; left < w - 1; left += stride) {
        for (let channel: usize = 0; channel < bytes; channel += 16) {
          let sum = f32x4.splat(0);
          for (let i = max(0, -top); i < min(WINDOW, h - top); i++) {
            for (let j = max(0, -left); j < min(WINDOW, w - left); j++) {
              const value = v128.load(x + <usize>((top + i) * w + left + j) * bytes + channel);
              sum = f32x4.add(sum, f32x4.mul(value, v128.load(weights + <usize>(i * WINDOW + j) * bytes + channel)));
            }
          }
          v128.store(y + channel, sum);
        }
        y += bytes;
      }
    }
    x += <usize>(h * w) * bytes;
  }
}

/** Adds the gradients of `depthwise` to dx and dWeights. */
export function depthwiseGradient(
  x: usize,
  weights: usize,
  dy: usize,
  dx: usize,
  dWeights: usize,
  n: i32,
  h: i32,
  w: i32,
  c: i32,
  stride: i32,
): void {
  const bytes = (<usize>c) << 2;
  for (let image = 0; image < n; image++) {
    for (let top = -1; top < h - 1; top += stride) {
      for (let left = -1; left < w - 1; left += stride) {
        for (let channel: usize = 0; channel < bytes; channel += 16) {
          const gradient = v128.load(dy + channel);
          for (let i = max(0, -top); i < min(WINDOW, h - top); i++) {
            for (let j = max(0, -left); j < min(WINDOW, w - left); j++) {
              const pixel = <usize>((top + i) * w + left + j) * bytes + channel;
              const weight = <usize>(i * WINDOW + j) * bytes + channel;
              v128.store(dx + pixel, f32x4.add(v128.load(dx + pixel), f32x4.mul(gradient, v128.load(weights + weight))));
              v128.store(dWeights + weight, f32x4.add(v128.load(dWeights + weight), f32x4.mul(gradient, v128.load(x + pixel))));
            }
          }
        }
        dy += bytes;
      }
    }
    x += <usize>(h * w) * bytes;
    dx += <usize>(h * w) * bytes;
  }
}

/** mean[c] and the biased variance[c] of x[rows, c]. */
export function statistics(x: usize, rows: i32, c: i32, mean: usize, variance: usize): void {
  const share = f32x4.splat(1 / <f32>rows);
  const bytes = (<usize>c) << 2;
  const end = x + <usize>rows * bytes;
  memory.fill(mean, 0, bytes);
  memory.fill(variance, 0, bytes);
  for (let row = x; row < end; row += bytes) add(row, mean, c);
  for (let channel: usize = 0; channel < bytes; channel += 16) {
    v128.store(mean + channel, f32x4.mul(v128.load(mean + channel), share));
  }
  for (let row = x; row < end; row += bytes) {
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      const offset = f32x4.sub(v128.load(row + channel), v128.load(mean + channel));
      v128.store(variance + channel, f32x4.add(v128.load(variance + channel), f32x4.mul(offset, offset)));
    }
  }
  for (let channel: usize = 0; channel < bytes; channel += 16) {
    v128.store(variance + channel, f32x4.mul(v128.load(variance + channel), share));
  }
}

/** y = (x − mean) · inverse · gamma + beta, x and y [rows, c], the rest [c]. */
export function normalise(x: usize, rows: i32, c: i32, mean: usize, inverse: usize, gamma: usize, beta: usize, y: usize): void {
  const bytes = (<usize>c) << 2;
  for (let row = 0; row < rows; row++) {
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      const centred = f32x4.sub(v128.load(x + channel), v128.load(mean + channel));
      const scaled = f32x4.mul(f32x4.mul(centred, v128.load(inverse + channel)), v128.load(gamma + channel));
      v128.store(y + channel, f32x4.add(scaled, v128.load(beta + channel)));
    }
    x += bytes;
    y += bytes;
  }
}

/**
 * Adds the gradients of `normalise` with the statistics of x itself. With x̂ = (x − mean) · inverse:
 *
 *   dBeta = Σ dy      dGamma = Σ dy · x̂      dx = gamma · inverse · (dy − dBeta / rows − x̂ · dGamma / rows)
 *
 * dGamma and dBeta must come in as zero.
 */
export function normaliseGradient(
  x: usize,
  dy: usize,
  rows: i32,
  c: i32,
  mean: usize,
  inverse: usize,
  gamma: usize,
  dGamma: usize,
  dBeta: usize,
  dx: usize,
): void {
  const bytes = (<usize>c) << 2;
  const end = <usize>rows * bytes;
  const share = f32x4.splat(1 / <f32>rows);
  for (let row: usize = 0; row < end; row += bytes) {
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      const gradient = v128.load(dy + row + channel);
      const unit = f32x4.mul(f32x4.sub(v128.load(x + row + channel), v128.load(mean + channel)), v128.load(inverse + channel));
      v128.store(dBeta + channel, f32x4.add(v128.load(dBeta + channel), gradient));
      v128.store(dGamma + channel, f32x4.add(v128.load(dGamma + channel), f32x4.mul(gradient, unit)));
    }
  }
  for (let row: usize = 0; row < end; row += bytes) {
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      const scale = v128.load(inverse + channel);
      const unit = f32x4.mul(f32x4.sub(v128.load(x + row + channel), v128.load(mean + channel)), scale);
      const common = f32x4.mul(share, f32x4.add(v128.load(dBeta + channel), f32x4.mul(unit, v128.load(dGamma + channel))));
      const own = f32x4.mul(f32x4.mul(v128.load(gamma + channel), scale), f32x4.sub(v128.load(dy + row + channel), common));
      v128.store(dx + row + channel, f32x4.add(v128.load(dx + row + channel), own));
    }
  }
}

/** y = min(max(y, 0), ceiling) in place; `count` is a multiple of 4. */
export function clamp(y: usize, count: i32, ceiling: f32): void {
  const end = y + ((<usize>count) << 2);
  for (; y < end; y += 16) v128.store(y, f32x4.pmin(f32x4.splat(ceiling), f32x4.pmax(f32x4.splat(0), v128.load(y))));
}

/** dy = 0 where the output y of `clamp` lies on one of its bounds, in place. */
export function clampGradient(y: usize, dy: usize, count: i32, ceiling: f32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 16) {
    const value = v128.load(y + i);
    const inside = v128.and(f32x4.gt(value, f32x4.splat(0)), f32x4.lt(value, f32x4.splat(ceiling)));
    v128.store(dy + i, v128.and(v128.load(dy + i), inside));
  }
}

/** y += x, any count. */
export function add(x: usize, y: usize, count: i32): void {
  let i = 0;
  for (; i <= count - 4; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)));
  }
  for (; i < count; i++) {
    const at = (<usize>i) << 2;
    store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at));
  }
}

/** y[n, c] = the mean of x[n, pixels, c] over its pixels. */
export function average(x: usize, n: i32, pixels: i32, c: i32, y: usize): void {
  const bytes = (<usize>c) << 2;
  for (let image = 0; image < n; image++) {
    for (let channel: usize = 0; channel < bytes; channel += 16) {
      let sum = f32x4.splat(0);
      for (let pixel = 0; pixel < pixels; pixel++) sum = f32x4.add(sum, v128.load(x + <usize>pixel * bytes + channel));
      v128.store(y + channel, f32x4.mul(sum, f32x4.splat(1 / <f32>pixels)));
    }
    x += <usize>pixels * bytes;
    y += bytes;
  }
}

/** Adds the gradient of `average` to dx. */
export function averageGradient(dy: usize, n: i32, pixels: i32, c: i32, dx: usize): void {
  const bytes = (<usize>c) << 2;
  for (let image = 0; image < n; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let channel: usize = 0; channel < bytes; channel += 16) {
        const own = f32x4.mul(v128.load(dy + channel), f32x4.splat(1 / <f32>pixels));
        v128.store(dx + channel, f32x4.add(v128.load(dx + channel), own));
      }
      dx += bytes;
    }
    dy += bytes;
  }
}

/**
 * One step of AdamW (Loshchilov & Hutter, 2019) with β = 0.9, 0.999 on `count` parameters. `first` and `second` are the corrections
 * 1 / (1 − βᵗ) of the two moments.
 */
export function adam(
  weights: usize,
  gradients: usize,
  moments: usize,
  squares: usize,
  count: i32,
  rate: f32,
  decay: f32,
  first: f32,
  second: f32,
): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    const gradient = load<f32>(gradients + i);
    const moment: f32 = 0.9 * load<f32>(moments + i) + <f32>0.1 * gradient;
    const square: f32 = 0.999 * load<f32>(squares + i) + <f32>0.001 * gradient * gradient;
    store<f32>(moments + i, moment);
    store<f32>(squares + i, square);
    const weight = load<f32>(weights + i);
    store<f32>(weights + i, weight - rate * ((moment * first) / (sqrt(square * second) + <f32>1e-8) + decay * weight));
  }
}
