/** What the test cases of convolutions have in common: an image, a kernel that slides over it, and what comes of their sizes. */

/** One image and no gaps unless said; sizes of kernels and pads as a test has them unless said. */
export interface WindowCase {
  readonly batch?: number;
  readonly inH: number;
  readonly inW: number;
  readonly kernel?: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads?: readonly [number, number, number, number];
}

/** All of a case, and the size of its results; `size` and `pad` are a kernel's and a pad's unless said. */
export function windowOf({ batch = 1, inH, inW, kernel, stride = [1, 1], dilation = [1, 1], pads }: WindowCase, size: number, pad: number) {
  const [kernelH, kernelW] = kernel ?? [size, size];
  const [top, left, bottom, right] = pads ?? [pad, pad, pad, pad];
  const [strideH, strideW] = stride;
  const [dilationH, dilationW] = dilation;
  const outH = Math.floor((inH + top + bottom - (kernelH - 1) * dilationH - 1) / strideH) + 1;
  const outW = Math.floor((inW + left + right - (kernelW - 1) * dilationW - 1) / strideW) + 1;
  return { batch, kernelH, kernelW, strideH, strideW, dilationH, dilationW, top, left, outH, outW };
}
