/** What becomes of the operators of earlier opsets: goldens in test/golden/onnx/normalise.txt, refreshed by UPDATE=1. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CompileError } from "../../compiler/errors.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import {
  float,
  floats,
  floatTensor,
  int,
  int64Tensor,
  ints,
  long,
  type ModelSpec,
  model,
  node,
  text,
  value,
} from "../support/onnx-model.ts";

const golden = join(import.meta.dirname, "../golden/onnx/normalise.txt");
const expected = new Map(
  (existsSync(golden) ? readFileSync(golden, "utf8") : "")
    .split(/^# /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section.slice(section.indexOf("\n") + 1)] as const),
);
const got = new Map<string, string>();

/** The graph, or the reasons for refusing it. */
function outcome(spec: ModelSpec): string {
  try {
    return graphText(importModel(model(spec), { supports: () => true }).graph);
  } catch (error) {
    if (error instanceof CompileError && error.code === "unsupported")
      return `refused: ${(error.details["unsupported"] as { reason: string }[]).map(({ reason }) => reason).join("; ")}\n`;
    throw error;
  }
}

type Case = readonly [opset: number, title: string, spec: ModelSpec];

const image = value("x", [1, 3, 8, 8]);
const unknown = value("s", [4], 7);
/** A value of unknown rank: the shape is an input. */
const unranked = node("Reshape", ["x", "s"], ["r"]);
const channels = floatTensor("w", [3], [1, 2, 3]);
const one = (opset: number, op: string, attributes: Parameters<typeof node>[3] = {}, more: ModelSpec = {}, extra: string[] = []): Case => [
  opset,
  op,
  { opset, nodes: [node(op, ["x", ...extra], ["y"], attributes)], inputs: [image], ...more },
];

const CASES: readonly Case[] = [
  one(6, "Add", { broadcast: int(1), axis: int(1) }, { initializers: [channels] }, ["w"]),
  one(6, "Mul", { broadcast: int(1), axis: int(-3) }, { initializers: [channels] }, ["w"]),
  one(6, "Sub", { broadcast: int(1) }, { initializers: [floatTensor("w", [8], [1, 2, 3, 4, 5, 6, 7, 8])] }, ["w"]),
  [
    6,
    "Add of an operand of unknown rank",
    {
      opset: 6,
      nodes: [unranked, node("Add", ["r", "w"], ["y"], { broadcast: int(1), axis: int(1) })],
      inputs: [image, unknown],
      initializers: [channels],
    },
  ],
  one(5, "Relu", { consumed_inputs: ints(0) }),
  one(6, "PRelu", {}, { initializers: [channels] }, ["w"]),
  one(7, "PRelu", {}, { initializers: [floatTensor("w", [3, 1, 1], [1, 2, 3])] }, ["w"]),
  [
    6,
    "Gemm",
    {
      opset: 6,
      nodes: [node("Gemm", ["x", "w", "w"], ["y"], { broadcast: int(1), transB: int(1) })],
      inputs: [value("x", [1, 3])],
      initializers: [floatTensor("w", [1, 3], [1, 2, 3])],
    },
  ],
  one(6, "Dropout", { is_test: int(1), ratio: float(0.25) }),
  one(6, "Dropout", { is_test: int(0) }),
  one(7, "Dropout", { ratio: float(0.25) }),
  [7, "Dropout with its mask", { opset: 7, nodes: [node("Dropout", ["x"], ["y", "m"])], inputs: [image], outputs: ["y", "m"] }],
  one(12, "Dropout"),
  one(6, "BatchNormalization", { is_test: int(1), spatial: int(1), epsilon: float(0.5) }, { initializers: [channels] }, [
    "w",
    "w",
    "w",
    "w",
  ]),
  one(6, "BatchNormalization", { is_test: int(0) }, { initializers: [channels] }, ["w", "w", "w", "w"]),
  one(7, "BatchNormalization", { spatial: int(0) }, { initializers: [channels] }, ["w", "w", "w", "w"]),
  [
    9,
    "BatchNormalization with statistics",
    {
      opset: 9,
      nodes: [node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "m", "v", "sm", "sv"])],
      inputs: [image],
      initializers: [channels],
    },
  ],
  [
    9,
    "BatchNormalization in training",
    {
      opset: 9,
      nodes: [node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "m"])],
      inputs: [image],
      initializers: [channels],
      outputs: ["y", "m"],
    },
  ],
  one(5, "Cast", { to: text("INT64") }),
  one(6, "Cast", { to: int(7) }),
  one(6, "Clip"),
  one(6, "Clip", { min: float(0), max: float(6) }),
  one(10, "Clip", { max: float(6) }),
  one(11, "Clip", {}, { initializers: [floatTensor("six", [], [6])] }, ["", "six"]),
  one(1, "Concat"),
  one(4, "Reshape", { shape: ints(1, -1) }),
  one(1, "Pad", { paddings: ints(0, 0, 1, 1, 0, 0, 1, 1), mode: text("reflect") }),
  one(10, "Pad", { pads: ints(0, 0, 1, 1, 0, 0, 1, 1), value: float(2) }),
  one(9, "Slice", { starts: ints(0, 1), ends: { type: 7, ints: [4, long(2n ** 63n - 1n)] }, axes: ints(2, 3) }),
  one(1, "Slice", { starts: ints(-3), ends: ints(-1) }),
  one(12, "Squeeze", { axes: ints(0) }),
  one(12, "Squeeze"),
  one(11, "Unsqueeze", { axes: ints(0, -1) }),
  one(13, "Unsqueeze", {}, { initializers: [int64Tensor("a", [1], [0])] }, ["a"]),
  one(12, "ReduceSum", { axes: ints(2), keepdims: int(0) }),
  one(17, "ReduceMean", { axes: ints(2, 3) }),
  one(13, "ReduceMean"),
  one(17, "ReduceMax", { axes: { type: 7, ints: [] } }),
  one(18, "ReduceMean", {}, { initializers: [int64Tensor("a", [1], [2])] }, ["a"]),
  [
    1,
    "Split",
    { opset: 1, nodes: [node("Split", ["x"], ["y", "z"], { axis: int(1), split: ints(1, 2) })], inputs: [image], outputs: ["y", "z"] },
  ],
  [
    12,
    "Split into equal parts, of which one is read",
    { opset: 12, nodes: [node("Split", ["x"], ["y", "z"], { axis: int(3) })], inputs: [image] },
  ],
  [
    13,
    "Split without sizes",
    { opset: 13, nodes: [node("Split", ["x"], ["y", "z"], { axis: int(3) })], inputs: [image], outputs: ["y", "z"] },
  ],
  [
    18,
    "Split",
    { opset: 18, nodes: [node("Split", ["x"], ["y", "z"], { axis: int(3), num_outputs: int(2) })], inputs: [image], outputs: ["y", "z"] },
  ],
  [9, "TopK", { opset: 9, nodes: [node("TopK", ["x"], ["y", "i"], { k: int(3) })], inputs: [image], outputs: ["y", "i"] }],
  one(7, "Upsample", { scales: floats(1, 1, 2, 2) }),
  one(9, "Upsample", { mode: text("linear") }, { initializers: [floatTensor("f", [4], [1, 1, 2, 2])] }, ["f"]),
  one(10, "Resize", { mode: text("linear") }, { initializers: [floatTensor("f", [4], [1, 1, 0.5, 2])] }, ["f"]),
  one(10, "Resize", {}, { initializers: [floatTensor("f", [4], [1, 1, 2, 2])] }, ["f"]),
  one(10, "Resize", {}, { initializers: [floatTensor("f", [4], [1, 1, 0.5, 0.5])] }, ["f"]),
  one(10, "Resize", {}, { initializers: [floatTensor("f", [4], [1, 1, 0.5, 2])] }, ["f"]),
  one(10, "Resize", {}, { inputs: [image, value("f", [4])] }, ["f"]),
  one(
    11,
    "Resize",
    { coordinate_transformation_mode: text("tf_half_pixel_for_nn") },
    { initializers: [floatTensor("e", [0], []), floatTensor("f", [4], [1, 1, 2, 2])] },
    ["e", "f"],
  ),
  one(
    11,
    "Resize",
    { coordinate_transformation_mode: text("tf_half_pixel_for_nn"), mode: text("linear") },
    { initializers: [floatTensor("e", [0], []), floatTensor("f", [4], [1, 1, 2, 2])] },
    ["e", "f"],
  ),
  one(11, "Resize", {}, { initializers: [floatTensor("e", [0], []), int64Tensor("n", [4], [1, 3, 4, 4])] }, ["e", "e", "n"]),
  one(19, "Resize", { axes: ints(2, 3) }, { initializers: [floatTensor("f", [2], [2, 2])] }, ["", "f"]),
  one(12, "Softmax"),
  one(12, "Softmax", { axis: int(-1) }),
  one(12, "Softmax", {}, { inputs: [value("x", [1, 10, 1, 1])] }),
  one(12, "LogSoftmax", { axis: int(3) }),
  one(13, "Softmax"),
  [
    12,
    "Softmax of an operand whose rank follows",
    { opset: 12, nodes: [node("Flatten", ["x"], ["r"]), node("Softmax", ["r"], ["y"])], inputs: [image] },
  ],
  [
    12,
    "Hardmax of an operand of unknown rank",
    { opset: 12, nodes: [unranked, node("Hardmax", ["r"], ["y"], { axis: int(2) })], inputs: [image, unknown] },
  ],
  one(10, "Scatter", { axis: int(1) }, { inputs: [image, value("i", [1, 1, 1, 1], 7)] }, ["i", "x"]),
  one(16, "GridSample", { mode: text("bilinear") }, { inputs: [image, value("g", [1, 4, 4, 2])] }, ["g"]),
  one(10, "RoiAlign", {}, { inputs: [image, value("b", [1, 4]), value("i", [1], 7)] }, ["b", "i"]),
  one(18, "GroupNormalization", { num_groups: int(1) }, { initializers: [floatTensor("w", [1], [2])] }, ["w", "w"]),
  one(19, "DFT", { axis: int(2) }),
  one(5, "Selu"),
  one(5, "Tile", {}, { inputs: [image, value("n", [1], 7), value("a", [1], 7)] }, ["n", "a"]),
  one(6, "LSTM", { output_sequence: int(1), hidden_size: int(1) }, { inputs: [value("x", [1, 1, 1]), value("w", [1, 4, 1])] }, ["w", "w"]),
];

/** Cases of the same operator and opset are numbered. */
const titled = CASES.map(([opset, title, spec], i) => {
  const before = CASES.slice(0, i).filter((other) => other[0] === opset && other[1] === title).length;
  return [`${title}, opset ${opset}${before > 0 ? ` (${before + 1})` : ""}`, spec] as const;
});

describe("operators of earlier opsets", () => {
  it.each(titled)("%s", (title, spec) => {
    got.set(title, outcome(spec));
    if (process.env["UPDATE"] !== "1") expect(got.get(title)).toBe(expected.get(title)?.replace(/\n\n$/, "\n"));
  });

  it("has no golden without a case", () => {
    if (process.env["UPDATE"] !== "1") expect([...expected.keys()]).toEqual([...got.keys()]);
  });
});

afterAll(() => {
  if (process.env["UPDATE"] !== "1") return;
  mkdirSync(dirname(golden), { recursive: true });
  writeFileSync(golden, [...got].map(([title, graph]) => `# ${title}\n${graph}`).join("\n"));
});
