/** A small network of many operators that have int8 forms. */
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, int, ints, model, node, type TensorSpec, text, value } from "./onnx-model.ts";

function weights(name: string, dims: number[], seed: number, spread = 1): TensorSpec {
  const random = randomNumbers(seed);
  return floatTensor(
    name,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.fround((random() * 2 - 1) * spread)),
  );
}

/** A network with convolutions of every kind, a residual, a concatenation, SiLU, HardSwish, pooling, resizing, a product of activations. */
export const VARIED: Uint8Array = model({
  opset: 17,
  nodes: [
    node("Conv", ["x", "w1", "b1"], ["c1"], { pads: ints(1, 1, 1, 1) }, { name: "conv1" }),
    node("Relu", ["c1"], ["r1"], {}, { name: "relu1" }),
    node("Conv", ["r1", "wd", "bd"], ["d1"], { pads: ints(1, 1, 1, 1), group: int(8) }, { name: "depthwise" }),
    node("Sigmoid", ["d1"], ["s1"], {}, { name: "sigmoid" }),
    node("Mul", ["d1", "s1"], ["silu"], {}, { name: "silu" }),
    node("Conv", ["silu", "w2"], ["c2"], {}, { name: "pointwise" }),
    node("Add", ["c2", "r1"], ["a1"], {}, { name: "residual" }),
    node("HardSwish", ["a1"], ["h1"], {}, { name: "hardswish" }),
    node("MaxPool", ["h1"], ["m1"], { kernel_shape: ints(2, 2), strides: ints(2, 2) }, { name: "maxpool" }),
    node("Resize", ["m1", "", "scales"], ["u1"], { mode: text("nearest") }, { name: "up" }),
    node("Concat", ["u1", "h1"], ["k1"], { axis: int(1) }, { name: "concat" }),
    node("Conv", ["k1", "w3", "b3"], ["c3"], { strides: ints(2, 2), group: int(2) }, { name: "grouped" }),
    node("LeakyRelu", ["c3"], ["l1"], {}, { name: "leaky" }),
    node("GlobalAveragePool", ["l1"], ["g1"], {}, { name: "pool" }),
    node("Flatten", ["g1"], ["f1"], {}, { name: "flatten" }),
    node("Gemm", ["f1", "w4", "b4"], ["y"], { transB: int(1) }, { name: "fc" }),
  ],
  inputs: [value("x", [1, 3, 8, 8])],
  initializers: [
    ...[weights("w1", [8, 3, 3, 3], 1, 0.5), weights("b1", [8], 2), weights("wd", [8, 1, 3, 3], 3), weights("bd", [8], 4)],
    ...[weights("w2", [8, 8, 1, 1], 5), weights("w3", [6, 8, 2, 2], 6, 0.4), weights("b3", [6], 7), weights("w4", [10, 6], 8)],
    ...[weights("b4", [10], 9), floatTensor("scales", [4], [1, 1, 2, 2])],
  ],
});
