/** What export writes, read back by import and by an independent decoder. */
import { describe, expect, it } from "vitest";
import { Graph, onlyOutput, type Value } from "../../compiler/ir/graph.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { type ExportMetadata, exportModel } from "../../compiler/onnx/export.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import type { Tensor } from "../../host/tensor.ts";
import { decode, float, floatTensor, int, int64Tensor, ints, model, node, tensor, text, texts, value } from "../support/onnx-model.ts";

const METADATA: ExportMetadata = {
  producer: { name: "eqm", version: "1" },
  opsets: {},
  domain: "",
  modelVersion: 0,
  doc: "",
  properties: {},
};
const floats = (shape: readonly number[], values: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});
const image = { dtype: "float32", shape: [1, 2, 4, 4] } as const;

/** One line a node: `output = Op(inputs) attribute=value`. */
function written(bytes: Uint8Array): string[] {
  return decode(bytes).graph!.node!.map(({ opType, input, output, attribute }) => {
    const attributes = (attribute ?? []).map(
      ({ name, type, i, f, ints: list }) => ` ${name}:${type}=${type === 1 ? f : type === 2 ? Number(i) : list!.map(Number).join(",")}`,
    );
    return `${output!.join(", ")} = ${opType}(${input!.join(", ")})${attributes.join("")}`;
  });
}

function single(build: (graph: Graph, x: Value) => Value): Graph {
  const graph = new Graph("g");
  const x = graph.addInput("x", image);
  graph.setOutputs([build(graph, x)]);
  return graph;
}

function relu(graph: Graph, x: Value, name = "y", clamps: Readonly<Record<string, number>> = {}): Value {
  return onlyOutput(graph.add({ op: "Abs", name: `n_${name}`, inputs: [x], attributes: clamps, outputs: [{ name, type: image }] }));
}

describe("a round trip", () => {
  const bytes = model({
    opset: 13,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"], { kernel_shape: ints(1, 1), auto_pad: text("SAME_UPPER") }, { name: "conv" }),
      node("LeakyRelu", ["a"], ["c"], { alpha: float(1) }),
      node("Cast", ["c"], ["i"], { to: int(7) }),
      node("Add", ["i", "k"], ["j"]),
      node("ConstantOfShape", ["s"], ["z"], { value: tensor({ dims: [1], dataType: 3, int32Data: [-4] }) }),
      node("LSTM", ["q", "w3", "r3", "", "", "h"], ["", "yh"], { activations: texts("Tanh", "Tanh", "Tanh"), hidden_size: int(1) }),
    ],
    inputs: [value("x", ["N", 3, 2, 2]), value("q", [1, 1, 1]), value("h", [1, 1, 1])],
    outputs: ["j", "z", "yh", "x", "b"],
    initializers: [
      floatTensor("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]),
      floatTensor("b", [2], [-0, 2]),
      floatTensor("w3", [1, 4, 1], [1, 2, 3, 4]),
      floatTensor("r3", [1, 4, 1], [1, 2, 3, 4]),
      int64Tensor("s", [1], [2]),
      int64Tensor("k", [], [-1]),
    ],
    more: { docString: "d", metadataProps: [{ key: "k", value: "v" }] },
  });

  it("keeps the graph, and the second time every byte", () => {
    const first = importModel(bytes, { supports: () => true });
    const out = exportModel(first.graph, first.metadata);
    const second = importModel(out, { supports: () => true });
    expect(graphText(second.graph)).toBe(graphText(first.graph));
    expect(second.graph.nodes.map(({ name }) => name)).toEqual(first.graph.nodes.map(({ name }) => name));
    expect(exportModel(second.graph, second.metadata)).toEqual(out);
    expect([second.metadata.doc, second.metadata.properties["k"]]).toEqual(["d", "v"]);
  });

  it("tells FLOAT from INT where the value is whole", () => {
    const { graph, metadata } = importModel(bytes, { supports: () => true });
    expect(written(exportModel(graph, metadata)).slice(1, 3)).toEqual(["c = LeakyRelu(a) alpha:1=1", "i = Cast(c) to:2=7"]);
  });
});

describe("a clamp", () => {
  it.each<[Readonly<Record<string, number>>, readonly string[]]>([
    [{ clampMin: 0 }, ["y/unclamped = Abs(x)", "y = Relu(y/unclamped)"]],
    [{ clampMin: 0, clampMax: Number.POSITIVE_INFINITY }, ["y/unclamped = Abs(x)", "y = Relu(y/unclamped)"]],
    [{ clampMin: 0, clampMax: 6 }, ["y/unclamped = Abs(x)", "y = Clip(y/unclamped, n_y/min, n_y/max)"]],
    [{ clampMin: -1 }, ["y/unclamped = Abs(x)", "y = Clip(y/unclamped, n_y/min)"]],
    [{ clampMax: 3 }, ["y/unclamped = Abs(x)", "y = Clip(y/unclamped, , n_y/max)"]],
    [{ clampMin: Number.NEGATIVE_INFINITY }, ["y = Abs(x)"]],
  ])("%j becomes a node", (clamps, lines) => {
    const graph = single((g, x) => relu(g, x, "y", clamps));
    expect(written(exportModel(graph, METADATA))).toEqual(lines);
  });

  it("writes its bounds as scalars of the node's type", () => {
    const initializers = decode(
      exportModel(
        single((g, x) => relu(g, x, "y", { clampMin: 0, clampMax: 6 })),
        METADATA,
      ),
    ).graph!.initializer!;
    expect(
      initializers.map(({ name, dims, dataType, rawData }) => [
        name,
        dims!.length,
        dataType,
        new Float32Array(new Uint8Array(rawData!).buffer)[0],
      ]),
    ).toEqual([
      ["n_y/min", 0, 1, 0],
      ["n_y/max", 0, 1, 6],
    ]);
  });
});

describe("outputs", () => {
  it("keep the names that the model's users know", () => {
    const graph = new Graph("g");
    const x = graph.addInput("x", image);
    const a = relu(graph, x, "a");
    const b = relu(graph, a, "b");
    const c = graph.addConstant("c", floats([1], [3]));
    graph.setOutputs([a, b, b, c, x], ["first", "a", "again", "three", "same"]);
    const bytes = exportModel(graph, METADATA);
    expect(written(bytes)).toEqual([
      "first = Abs(x)",
      "a = Abs(first)",
      "again = Identity(a)",
      "three = Identity(c)",
      "same = Identity(x)",
    ]);
    expect(decode(bytes).graph!.output!.map(({ name }) => name)).toEqual(["first", "a", "again", "three", "same"]);
  });

  it("leave no name of theirs to another value", () => {
    const graph = new Graph("g");
    const x = graph.addInput("x", image);
    const y = relu(graph, x, "y");
    graph.setOutputs([relu(graph, y, "y2")], ["y"]);
    expect(written(exportModel(graph, METADATA))).toEqual(["y.1 = Abs(x)", "y = Abs(y.1)"]);
  });
});

describe("quantized layers", () => {
  const graph = single((g, x) => {
    const scale = g.addConstant("s", floats([], [0.5]));
    const zero = g.addConstant("z", { dtype: "int8", shape: [], data: Int8Array.of(3) });
    const type = { dtype: "int8", shape: image.shape } as const;
    const q = onlyOutput(g.add({ op: "QuantizeLinear", name: "q", inputs: [x, scale, zero], outputs: [{ name: "xq", type }] }));
    const dq = onlyOutput(g.add({ op: "DequantizeLinear", name: "dq", inputs: [q, scale, zero], outputs: [{ name: "xd", type: image }] }));
    const weights = g.addConstant("w", { dtype: "int8", shape: [2, 2, 1, 1], data: Int8Array.of(1, -2, 127, -127) });
    const scales = g.addConstant("ws", floats([2], [0.25, 0.125]));
    const zeros = g.addConstant("wz", { dtype: "int8", shape: [2], data: new Int8Array(2) });
    const wd = onlyOutput(
      g.add({ op: "DequantizeLinear", name: "wdq", inputs: [weights, scales, zeros], attributes: { axis: 0 }, outputs: [{ name: "wd" }] }),
    );
    return onlyOutput(
      g.add({ op: "Conv", name: "conv", inputs: [dq, wd], attributes: { clampMin: 0 }, outputs: [{ name: "y", type: image }] }),
    );
  });
  const bytes = exportModel(graph, METADATA);

  it("are Q and DQ around float operators", () => {
    expect(written(bytes)).toEqual([
      "xq = QuantizeLinear(x, s, z)",
      "xd = DequantizeLinear(xq, s, z)",
      "wd = DequantizeLinear(w, ws, wz) axis:2=0",
      "y/unclamped = Conv(xd, wd)",
      "y = Relu(y/unclamped)",
    ]);
  });

  it("have their weights as INT8 raw data, each constant once", () => {
    const initializers = decode(bytes).graph!.initializer!;
    expect(initializers.map(({ name, dataType }) => [name, dataType])).toEqual([
      ["s", 1],
      ["z", 3],
      ["w", 3],
      ["ws", 1],
      ["wz", 3],
    ]);
    expect([...initializers[2]!.rawData!]).toEqual([1, 254, 127, 129]);
  });

  it("are of opset 21 and IR version 10", () => {
    const { opsetImport, irVersion, producerName } = decode(bytes);
    expect([opsetImport.map(({ version }) => Number(version)), Number(irVersion), producerName]).toEqual([[21], 10, "eqm"]);
  });
});

it("takes a later opset where an operator needs it", () => {
  const graph = single((g, x) => onlyOutput(g.add({ op: "Swish", name: "s", inputs: [x], outputs: [{ name: "y", type: image }] })));
  const { opsetImport, irVersion } = decode(exportModel(graph, METADATA));
  expect([Number(opsetImport[0]!.version), Number(irVersion)]).toEqual([24, 12]);
});

it("refuses a graph in the runtime's layout", () => {
  const graph = single((g, x) =>
    onlyOutput(g.add({ op: "MaxPool", name: "p", inputs: [x], channelsLast: true, outputs: [{ name: "y", type: image }] })),
  );
  expect(() => exportModel(graph, METADATA)).toThrow("unreachable: p is exported in another layout than ONNX's");
});
