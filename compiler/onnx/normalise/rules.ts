/**
 * What changed in ONNX's operators between opset 1 and 28, as rules: a rule takes a node of an opset below `below` to the form from there on.
 * A node goes through all rules of its operator that its opset is below, in order; what an operator does not list here has not changed
 * its meaning, or its attributes' defaults mean what the earlier form did.
 */

import { attributesToInputs, padAmounts, reduceAxes, splitCount, topKCount, transformAxis } from "./attributes-to-inputs.ts";
import { alignSecondOperand, alignSlope } from "./broadcast.ts";
import { castByName } from "./casts.ts";
import type { Rewrite } from "./draft.ts";
import { groupScales, renamedAttribute, renamedModes, scatterToElements, withAttributes, withoutAttributes } from "./renames.ts";
import { dropEmptyOperands, resizeByScales, upsampleScales, upsampleToResize, withdrawnCoordinates } from "./resize.ts";
import { softmaxOfMatrix } from "./softmax.ts";
import { dropoutRatio, inferenceOnly, oneOutput, spatialOnly } from "./training.ts";

/** One change of an operator. */
export interface Rule {
  readonly below: number;
  readonly rewrite: Rewrite;
}

const binary: readonly Rule[] = [{ below: 7, rewrite: alignSecondOperand }];
const reduce: readonly Rule[] = [{ below: 18, rewrite: reduceAxes }];
const softmax: readonly Rule[] = [{ below: 13, rewrite: softmaxOfMatrix }];
const axes: readonly Rule[] = [{ below: 13, rewrite: attributesToInputs({ attribute: "axes", input: 1, kind: "int64s" }) }];
const recurrent: readonly Rule[] = [{ below: 7, rewrite: withoutAttributes("output_sequence") }];
const ALWAYS = Number.POSITIVE_INFINITY;

/** Rules by operator, in the order of `below`. */
export const RULES: Readonly<Record<string, readonly Rule[]>> = {
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Pow: binary,
  And: binary,
  Or: binary,
  Xor: binary,
  Equal: binary,
  Greater: binary,
  Less: binary,
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSumSquare: reduce,
  ReduceSum: [{ below: 13, rewrite: reduceAxes }],
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
  Squeeze: axes,
  Unsqueeze: axes,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  BatchNormalization: [
    { below: 7, rewrite: inferenceOnly },
    { below: 9, rewrite: spatialOnly },
    { below: 14, rewrite: oneOutput },
  ],
  Cast: [{ below: 6, rewrite: castByName }],
  Clip: [
    {
      below: 11,
      rewrite: attributesToInputs({ attribute: "min", input: 1, kind: "float" }, { attribute: "max", input: 2, kind: "float" }),
    },
  ],
  Concat: [{ below: 4, rewrite: withAttributes({ axis: 1 }) }],
  DFT: [{ below: 20, rewrite: transformAxis }],
  Dropout: [
    { below: 7, rewrite: inferenceOnly },
    { below: 12, rewrite: dropoutRatio },
  ],
  Gemm: [{ below: 7, rewrite: withoutAttributes("broadcast") }],
  GridSample: [{ below: 20, rewrite: renamedModes({ bilinear: "linear", bicubic: "cubic" }) }],
  GroupNormalization: [{ below: 21, rewrite: groupScales }],
  Pad: [
    { below: 2, rewrite: renamedAttribute("paddings", "pads") },
    { below: 11, rewrite: padAmounts },
  ],
  PRelu: [{ below: 7, rewrite: alignSlope }],
  Reshape: [{ below: 5, rewrite: attributesToInputs({ attribute: "shape", input: 1, kind: "int64s" }) }],
  Resize: [
    { below: 11, rewrite: resizeByScales },
    { below: 13, rewrite: withdrawnCoordinates },
    { below: ALWAYS, rewrite: dropEmptyOperands },
  ],
  RoiAlign: [{ below: 16, rewrite: withAttributes({ coordinate_transformation_mode: "output_half_pixel" }) }],
  Scatter: [{ below: ALWAYS, rewrite: scatterToElements }],
  Selu: [{ below: 6, rewrite: withAttributes({ alpha: 1.6732, gamma: 1.0507 }) }],
  Slice: [
    {
      below: 10,
      rewrite: attributesToInputs(
        { attribute: "starts", input: 1, kind: "int64s" },
        { attribute: "ends", input: 2, kind: "int64s" },
        { attribute: "axes", input: 3, kind: "int64s" },
      ),
    },
  ],
  Split: [
    { below: 13, rewrite: attributesToInputs({ attribute: "split", input: 1, kind: "int64s" }) },
    { below: 18, rewrite: splitCount },
  ],
  TopK: [{ below: 10, rewrite: topKCount }],
  Upsample: [
    { below: 9, rewrite: upsampleScales },
    { below: ALWAYS, rewrite: upsampleToResize },
  ],
};

/**
 * Operators whose form of the opsets 1 to 6 is covered, with the earliest opset. All others begin with 7.
 * (In the opsets 1 to 5, the attribute consumed_inputs of many of them means nothing to a compiler.)
 */
export const BEFORE_OPSET_7: Readonly<Record<string, number>> = {
  Abs: 1,
  Add: 1,
  And: 1,
  ArgMax: 1,
  ArgMin: 1,
  AveragePool: 1,
  BatchNormalization: 1,
  Cast: 1,
  Ceil: 1,
  Clip: 1,
  Concat: 1,
  Constant: 1,
  Conv: 1,
  ConvTranspose: 1,
  DepthToSpace: 1,
  Div: 1,
  Dropout: 1,
  Elu: 1,
  Equal: 1,
  Exp: 1,
  Flatten: 1,
  Floor: 1,
  Gather: 1,
  Gemm: 1,
  GlobalAveragePool: 1,
  GlobalMaxPool: 1,
  Greater: 1,
  GRU: 3,
  HardSigmoid: 1,
  Hardmax: 1,
  Identity: 1,
  InstanceNormalization: 1,
  LRN: 1,
  LSTM: 1,
  LeakyRelu: 1,
  Less: 1,
  Log: 1,
  LogSoftmax: 1,
  MatMul: 1,
  Max: 1,
  MaxPool: 1,
  Mean: 1,
  Min: 1,
  Mul: 1,
  Neg: 1,
  Not: 1,
  Or: 1,
  PRelu: 1,
  Pad: 1,
  Pow: 1,
  RNN: 1,
  Reciprocal: 1,
  ReduceL1: 1,
  ReduceL2: 1,
  ReduceLogSum: 1,
  ReduceLogSumExp: 1,
  ReduceMax: 1,
  ReduceMean: 1,
  ReduceMin: 1,
  ReduceProd: 1,
  ReduceSum: 1,
  ReduceSumSquare: 1,
  Relu: 1,
  Reshape: 1,
  Selu: 1,
  Shape: 1,
  Sigmoid: 1,
  Size: 1,
  Slice: 1,
  Softmax: 1,
  Softplus: 1,
  Softsign: 1,
  SpaceToDepth: 1,
  Split: 1,
  Sqrt: 1,
  Squeeze: 1,
  Sub: 1,
  Sum: 1,
  Tanh: 1,
  Tile: 6,
  TopK: 1,
  Transpose: 1,
  Unsqueeze: 1,
  Xor: 1,
};
