/**
 * Conv over 1 to 3 spatial axes.
 *
 *   x [N, C, spatial…], w [K, C/group, kernel…], b [K] → y [N, K, spatial…]
 *
 * Direct loops; sums in float64, rounded to float32 once.
 */
import { elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import type { OpDefinition } from "./definition.ts";
import { checkRank, floats, floatTensor, operandType } from "./operands.ts";
import { insideRange, inThreeAxes, slidingWindow, type Volume, type Window } from "./window.ts";

/** Conv. */
export const conv: OpDefinition = {
  name: "Conv",
  infer: (node) => {
    const { x, w, window } = convolutionOf(node);
    return [{ dtype: "float32", shape: [x[0]!, w[0]!, ...window.output] }];
  },
  evaluate: (node, inputs) => {
    const { x, w, window, group } = convolutionOf(node);
    const volume = inThreeAxes(window, x.slice(2));
    const shape = [x[0]!, w[0]!, ...window.output];
    const bias = inputs[2] ? (inputs[2].data as Float32Array) : null;
    return [floatTensor(shape, convolve(floats(inputs, 0), floats(inputs, 1), bias, x, w, group, volume))];
  },
};

interface Convolution {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly group: number;
  readonly window: Window;
}

function convolutionOf(node: Node): Convolution {
  const { shape: x } = operandType(node, 0, ["float32"]);
  const { shape: w } = operandType(node, 1, ["float32"]);
  checkRank(node, "the image", x, 3, 5);
  if (w.length !== x.length) throw badOperands(node, `weights of rank ${w.length} do not fit an image of rank ${x.length}.`);
  const group = numberAttribute(node, "group", 1);
  const [channels, results] = [x[1]!, w[0]!];
  if (!Number.isInteger(group) || group < 1 || channels !== w[1]! * group || results % group !== 0) {
    throw badOperands(node, `weights [${w.join(", ")}] in ${group} groups do not fit an image [${x.join(", ")}].`);
  }
  const kernel = w.slice(2);
  const declared = numbersAttribute(node, "kernel_shape", kernel);
  if (declared.length !== kernel.length || declared.some((k, i) => k !== kernel[i]))
    throw badOperands(node, `kernel_shape [${declared.join(", ")}] is not that of the weights [${w.join(", ")}].`);
  if (node.inputs[2]) {
    const { shape: b } = operandType(node, 2, ["float32"]);
    if (b.length !== 1 || b[0] !== results) throw badOperands(node, `a bias of [${b.join(", ")}] does not fit ${results} channels.`);
  }
  return { x, w, group, window: slidingWindow(node, x.slice(2), kernel) };
}

function convolve(
  x: Float32Array,
  w: Float32Array,
  bias: Float32Array | null,
  xShape: readonly number[],
  wShape: readonly number[],
  group: number,
  volume: Volume,
): Float32Array {
  const [batch, channels] = [xShape[0]!, xShape[1]!];
  const [results, perGroup] = [wShape[0]!, wShape[1]!];
  const inSize = elementCount(volume.input);
  const outSize = elementCount(volume.output);
  const kernelSize = elementCount(volume.kernel);
  const y = new Float32Array(batch * results * outSize);
  const sums = new Float64Array(outSize);
  for (let n = 0; n < batch; n++) {
    for (let k = 0; k < results; k++) {
      sums.fill(bias ? bias[k]! : 0);
      const first = Math.floor(k / (results / group)) * perGroup;
      for (let c = 0; c < perGroup; c++) {
        const plane = (n * channels + first + c) * inSize;
        addChannel(sums, x, plane, w, (k * perGroup + c) * kernelSize, volume);
      }
      y.set(sums, (n * results + k) * outSize);
    }
  }
  return y;
}

/** Adds one channel's share to the sums of one result plane. */
function addChannel(sums: Float64Array, x: Float32Array, plane: number, w: Float32Array, weights: number, volume: Volume): void {
  const [kd, kh, kw] = volume.kernel as [number, number, number];
  const [sd, sh, sw] = volume.strides as [number, number, number];
  const [, inH, inW] = volume.input as [number, number, number];
  const [, outH, outW] = volume.output as [number, number, number];
  const offset = (axis: number, k: number): number => k * volume.dilations[axis]! - volume.padsBegin[axis]!;
  let tap = weights;
  for (let d = 0; d < kd; d++) {
    const [d0, d1] = insideRange(volume, 0, d);
    for (let h = 0; h < kh; h++) {
      const [h0, h1] = insideRange(volume, 1, h);
      for (let v = 0; v < kw; v++) {
        const weight = w[tap++]!;
        const [w0, w1] = insideRange(volume, 2, v);
        for (let od = d0; od < d1; od++) {
          for (let oh = h0; oh < h1; oh++) {
            const row = plane + ((od * sd + offset(0, d)) * inH + oh * sh + offset(1, h)) * inW + offset(2, v);
            const to = (od * outH + oh) * outW;
            for (let ow = w0; ow < w1; ow++) sums[to + ow] = sums[to + ow]! + weight * x[row + ow * sw]!;
          }
        }
      }
    }
  }
}
