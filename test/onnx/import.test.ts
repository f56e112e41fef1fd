/** What import makes of a model's names, dimensions and constants. */
import { describe, expect, it } from "vitest";
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
  subgraph,
  tensor,
  text,
  value,
} from "../support/onnx-model.ts";
import { fault, read, relu } from "./reading.ts";

describe("nodes and values", () => {
  it("get stable names where they have none, never a name of the model", () => {
    const nodes = [
      relu("x", "a"),
      node("Relu", ["a"], ["b"], {}, { name: "Relu_0" }),
      node("Relu", ["b"], ["c"], {}, { name: "twice" }),
      node("Relu", ["c"], ["y"], {}, { name: "twice" }),
    ];
    expect(read({ nodes }).graph.nodes.map(({ name, sources }) => [name, sources])).toEqual([
      ["Relu_0.1", ["Relu_0.1"]],
      ["Relu_0", ["Relu_0"]],
      ["twice", ["twice"]],
      ["twice.1", ["twice.1"]],
    ]);
  });

  it("are sorted where the file has them in another order, and otherwise kept", () => {
    expect(read({ nodes: [relu("b", "y"), relu("a", "b"), relu("x", "a")] }).graph.nodes.map(({ name }) => name)).toEqual([
      "Relu_2",
      "Relu_1",
      "Relu_0",
    ]);
    const nodes = [relu("x", "a"), relu("x", "b"), node("Add", ["b", "a"], ["y"])];
    expect(read({ nodes }).graph.nodes.map(({ name }) => name)).toEqual(["Relu_0", "Relu_1", "Add_2"]);
  });

  it("that no output depends on are left out, whatever they are", () => {
    expect(read({ nodes: [relu("x", "y"), node("Unheard", ["x"], ["z"])] }, { supports: (op) => op === "Relu" }).graph.nodes).toHaveLength(
      1,
    );
  });

  it("may leave inputs and outputs out", () => {
    const nodes = [node("LSTM", ["x", "w", "r", "", "", "h", "", ""], ["", "y"], { hidden_size: int(1) })];
    const inputs = [value("x", [1, 1, 1]), value("w", [1, 4, 1]), value("r", [1, 4, 1]), value("h", [1, 1, 1])];
    const [lstm] = read({ opset: 14, nodes, inputs }).graph.nodes;
    expect(lstm!.inputs.map((input) => input?.name ?? null)).toEqual(["x", "w", "r", null, null, "h"]);
    expect(lstm!.outputs.map(({ name }) => name)).toEqual(["LSTM_0/output.0", "y"]);
  });

  it("drops optional outputs that nobody reads", () => {
    const nodes = [node("Dropout", ["x"], ["y", "mask"])];
    expect(read({ opset: 22, nodes }).graph.nodes[0]!.outputs).toHaveLength(1);
    expect(read({ opset: 22, nodes, outputs: ["y", "mask"] }).graph.nodes[0]!.outputs).toHaveLength(2);
  });

  it("may be outputs straight from inputs and initializers", () => {
    const { graph } = read({ nodes: [], outputs: ["x", "w"], initializers: [floatTensor("w", [1], [3])] });
    expect(graph.outputNames).toEqual(["x", "w"]);
    expect(graph.outputs[1]!.constant!.data[0]).toBe(3);
  });
});

describe("constants", () => {
  it("are initializers also where they stand among the inputs", () => {
    const nodes = [node("Add", ["x", "w"], ["y"])];
    const { graph } = read({ nodes, inputs: [value("x", [1, 2]), value("w", [2])], initializers: [floatTensor("w", [2], [1, 2])] });
    expect(graphText(graph)).toBe("input x float32[1,2]\n%y float32[1,2] = Add(%x, {1,2}float32[2])\noutput %y\n");
  });

  it.each<[string, Parameters<typeof node>[3], string]>([
    ["value", { value: tensor(floatTensor("", [2], [1, 2])) }, "{1,2}float32[2]"],
    ["value_float", { value_float: float(1.5) }, "{1.5}float32[]"],
    ["value_floats", { value_floats: floats(1.5, 2) }, "{1.5,2}float32[2]"],
    ["value_int", { value_int: { type: 2, i: long(2n ** 53n + 1n) } }, "{9007199254740993}int64[]"],
    ["value_ints", { value_ints: ints(3, -4) }, "{3,-4}int64[2]"],
  ])("are Constant nodes with %s", (_, attributes, written) => {
    const { graph } = read({ nodes: [node("Constant", [], ["c"], attributes), node("Add", ["x", "c"], ["y"])] });
    expect(graph.nodes).toHaveLength(1);
    expect(graphText(graph)).toContain(`Add(%x, ${written})`);
  });

  it("that are strings or sparse are refused where they are used", () => {
    const nodes = [
      node("Constant", [], ["c"], { value_string: text("a") }, { name: "C" }),
      node("Add", ["x", "c"], ["y"], {}, { name: "A" }),
    ];
    expect(fault({ nodes }).details["unsupported"]).toEqual([
      { node: "A", op: "Add", reason: 'its input "c" is STRING, which eqm does not compute with' },
    ]);
    const sparse = {
      graph: { sparseInitializer: [{ values: floatTensor("s", [1], [1]), indices: int64Tensor("i", [1], [0]), dims: [4] }] },
    };
    expect(fault({ nodes: [node("Add", ["x", "s"], ["y"], {}, { name: "A" })], ...sparse }).details["unsupported"]).toEqual([
      { node: "A", op: "Add", reason: 'its input "s" is a sparse tensor' },
    ]);
  });

  it("can be given for inputs", () => {
    const nodes = [node("Add", ["x", "w"], ["y"])];
    const inputs = [value("x", [1, 2]), value("w", ["K"])];
    const w = { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
    const { graph } = read({ nodes, inputs }, { constants: { w } });
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(graph.nodes[0]!.inputs[1]!.constant).toEqual(w);
    expect(fault({ nodes, inputs }, { constants: { v: w } }).code).toBe("bad-constant-option");
    expect(fault({ nodes, inputs }, { constants: { w: { ...w, dtype: "int32", data: Int32Array.of(1, 2) } } }).message).toBe(
      'The constant for the input "w": it is int32, the input takes float32',
    );
    expect(fault({ nodes, inputs: [inputs[0]!, value("w", [3])] }, { constants: { w } }).message).toBe(
      'The constant for the input "w": it has the shape [2], the input takes [3]',
    );
  });
});

describe("dynamic dimensions", () => {
  const shapeOf = (dims: readonly (number | string)[] | null, shapes: Readonly<Record<string, number>> = {}) =>
    read({ inputs: [value("x", dims)] }, { shapes }).graph.inputs[0]!.type!.shape;

  it.each<[readonly (number | string)[], readonly number[]]>([
    [
      ["N", 3],
      [1, 3],
    ],
    [
      ["batch_size", 3],
      [1, 3],
    ],
    [
      ["", 3],
      [1, 3],
    ],
    [
      ["unk__12", 3],
      [1, 3],
    ],
    [
      ["input_dynamic_axes_1", 3],
      [1, 3],
    ],
    [
      [-1, 3],
      [1, 3],
    ],
    [
      [5, "batch"],
      [5, 1],
    ],
    [
      [0, 2],
      [0, 2],
    ],
  ])("%j is %j without being told", (dims, shape) => {
    expect(shapeOf(dims)).toEqual(shape);
  });

  it("are bound by name everywhere, and by input and axis", () => {
    const inputs = [value("x", ["N", "T"]), value("z:0", ["T", ""])];
    const { graph } = read({ inputs, nodes: [node("MatMul", ["x", "z:0"], ["y"])] }, { shapes: { T: 5, "z:0:1": 7, "x:0": 2 } });
    expect(graph.inputs.map(({ type }) => type!.shape)).toEqual([
      [2, 5],
      [5, 7],
    ]);
  });

  it("give an input without any shape one", () => {
    expect(shapeOf(null, { "x:0": 2, "x:1": 3 })).toEqual([2, 3]);
  });

  it("that have no size are listed, all of them, with the flags to give", () => {
    const inputs = [value("x", ["N", "T", ""]), value("z", ["seq"]), value("v", null)];
    const error = fault({ inputs });
    expect([error.code, error.fault]).toEqual(["unbound-dimensions", "usage"]);
    expect(error.message).toBe(
      `The model has dimensions without a size:
  "x" axis 1 (T)
  "x" axis 2
  "z" axis 0 (seq)
  "v" axis 0 (the input has no shape at all: give all its axes)
Give them one: --shape T=N --shape x:2=N --shape seq=N --shape v:0=N`,
    );
  });

  it.each<[Readonly<Record<string, number>>, string]>([
    [{ Q: 1 }, "--shape Q: the model has no such dimension. It has N, T, x:axis."],
    [{ constructor: 1 }, "--shape constructor: the model has no such dimension. It has N, T, x:axis."],
    [{ "x:9": 1 }, '--shape x:9: "x" has 3 axes, counted from 0'],
    [{ "x:2": 4 }, "--shape x:2: the model fixes this dimension to 3; export it with a dynamic one"],
    [{ T: 0 }, "--shape T: a size is a whole number from 1, not 0"],
    [{ T: 1.5 }, "--shape T: a size is a whole number from 1, not 1.5"],
    [{ T: 2, "x:1": 3 }, "--shape x:1: T would be both 2 and 3"],
  ])("refuse %j", (shapes, message) => {
    const error = fault({ inputs: [value("x", ["N", "T", 3])] }, { shapes });
    expect([error.code, error.fault, error.message]).toEqual(["bad-shape-option", "usage", message]);
  });
});

describe("what is not supported", () => {
  it("is collected into one error, with all nodes", () => {
    const nodes = [
      node("Foo", ["x"], ["a"]),
      node("QLinearAdd", ["a"], ["b"], {}, { domain: "com.microsoft", name: "q" }),
      node("Loop", ["x", ""], ["c"], { body: subgraph({ name: "b" }) }),
      node("Relu", ["b"], ["d"]),
      node("Helper", ["x"], ["e"], {}, { domain: "mine" }),
      node("Erf", ["x"], ["f"]),
      node("Concat", ["d", "c", "e", "f"], ["y"], { axis: int(0) }),
    ];
    const error = fault({ nodes }, { supports: (op) => ["Relu", "Concat"].includes(op) });
    expect([error.code, error.fault]).toEqual(["unsupported", "input"]);
    expect(error.details["unsupported"]).toEqual([
      { node: "Foo_0", op: "Foo", reason: "ONNX has no such operator in opset 13" },
      { node: "q", op: "com.microsoft:QLinearAdd", reason: "operators of this domain are not supported" },
      { node: "Loop_2", op: "Loop", reason: "how often it runs is known only when running; make its trip count a constant" },
      { node: "Helper_4", op: "mine:Helper", reason: "operators of this domain are not supported" },
      { node: "Erf_5", op: "Erf", reason: "the operator is not supported" },
    ]);
  });

  it("is asked of compiler/ops by default", () => {
    const bytes = model({ nodes: [node("Relu", ["x"], ["a"]), node("Unique", ["a"], ["y"])] });
    expect(() => importModel(bytes)).toThrow('Unique "Unique_1": the operator is not supported');
  });

  it("includes inputs of other types", () => {
    const inputs = [
      value("x", [1]),
      value("s", [1], 8),
      { name: "q", type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } },
    ];
    expect(fault({ inputs }).details["unsupported"]).toEqual([
      { node: "s", op: "input", reason: "it is STRING, which eqm does not compute with" },
      { node: "q", op: "input", reason: "it is a sequence" },
    ]);
  });

  it.each([
    [29, "unsupported-opset"],
    [0, "unsupported-opset"],
    [-1, "unsupported-opset"],
  ])("includes opset %i", (opset, code) => {
    expect(fault({ opset }).code).toBe(code);
  });

  it("includes later IR versions", () => {
    expect(fault({ more: { irVersion: 14 } }).code).toBe("unsupported-ir-version");
  });
});

describe("element types", () => {
  it("that stand for others are recorded", () => {
    const nodes = [node("Cast", ["x"], ["a"], { to: int(10) }), node("Add", ["a", "w"], ["y"])];
    const { graph, metadata } = read({
      nodes,
      inputs: [value("x", [1, 2], 11)],
      initializers: [{ name: "w", dims: [2], dataType: 10, int32Data: [0x3c00, 0x4000] }],
    });
    expect(graphText(graph)).toBe(
      "input x float32[1,2]\n%a float32[1,2] = Cast(%x) to=1\n%y float32[1,2] = Add(%a, {1,2}float32[2])\noutput %y\n",
    );
    expect({ ...metadata.convertedTypes }).toEqual({ x: "DOUBLE", w: "FLOAT16" });
    expect(metadata.notes).toEqual([
      "FLOAT16 is computed as float32.",
      "DOUBLE is represented as float32.",
      "FLOAT16 is represented as float32.",
    ]);
  });

  it.each<[string, ModelSpec["nodes"], string]>([
    ["a cast that wraps", [node("Cast", ["x"], ["y"], { to: int(4) })], "its attribute to is UINT16, whose range eqm does not keep to"],
    [
      "a cast to float8",
      [node("Cast", ["x"], ["y"], { to: int(17) })],
      "its attribute to is FLOAT8E4M3FN, which eqm does not compute with",
    ],
    [
      "a zero point of 16 bits",
      [node("QuantizeLinear", ["x", "s", "z"], ["y"])],
      'its input "z" is UINT16, whose range eqm does not keep to',
    ],
  ])("are refused in %s", (_, nodes, reason) => {
    const initializers = [floatTensor("s", [], [1]), { name: "z", dims: [], dataType: 4, int32Data: [3] }];
    expect(fault({ opset: 21, nodes, initializers }).details["unsupported"]).toEqual([
      { node: `${nodes![0]!.opType}_0`, op: nodes![0]!.opType, reason },
    ]);
  });
});

describe("metadata", () => {
  it("keeps what the model says of itself", () => {
    const { metadata } = read({
      more: { producerVersion: "1", domain: "d", modelVersion: 4, docString: "doc", metadataProps: [{ key: "k", value: "v" }] },
    });
    expect({ ...metadata, properties: { ...metadata.properties }, opsets: { ...metadata.opsets }, convertedTypes: {} }).toEqual({
      producer: { name: "test", version: "1" },
      irVersion: 8,
      opsets: { "": 13 },
      domain: "d",
      modelVersion: 4,
      doc: "doc",
      properties: { k: "v" },
      convertedTypes: {},
      notes: [],
    });
  });

  it("is no way into a prototype", () => {
    const { metadata } = read({ more: { metadataProps: [{ key: "__proto__", value: "v" }] } });
    expect(Object.keys(metadata.properties)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["v"]).toBeUndefined();
  });
});

it("reads 20,000 nodes in a chain, backwards in the file", () => {
  const count = 20_000;
  const nodes = Array.from({ length: count }, (_, i) => relu(`v${count - 1 - i}`, `v${count - i}`));
  const { graph } = read({ nodes, inputs: [value("v0", [1])], outputs: [`v${count}`] });
  expect(graph.nodes).toHaveLength(count);
  expect(graph.nodes[0]!.inputs[0]!.name).toBe("v0");
});
