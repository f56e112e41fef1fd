import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { load } from "../../host/index.ts";
import { float, floatTensor, int, int64Tensor, type ModelSpec, model, node, subgraph, tensor, value } from "../support/onnx-model.ts";

const BOOL = 9;

async function run(spec: ModelSpec, inputs: Readonly<Record<string, Float32Array | Uint8Array>>): Promise<Record<string, number[]>> {
  const { bytes } = await compile(model(spec), { precision: "float32" });
  const loaded = await load(bytes);
  try {
    const shaped = Object.fromEntries(loaded.inputs.map(({ name, dtype, shape }) => [name, { dtype, shape, data: inputs[name]! }]));
    return Object.fromEntries(Object.entries(loaded.run(shaped)).map(([name, data]) => [name, [...data].map(Number)]));
  } finally {
    loaded.dispose();
  }
}

const bool = (name: string, on: boolean) => ({ name, dims: [], dataType: BOOL, int32Data: [on ? 1 : 0] });
const branch = (op: string, output: string) => subgraph({ node: [node(op, ["x"], [output])], output: [{ name: output }] });

describe("If", () => {
  const choice = node("If", ["c"], ["y"], { then_branch: branch("Neg", "a"), else_branch: branch("Exp", "b") });

  it.each([true, false])("is the branch that a constant says (%s)", async (on) => {
    const { graph } = { graph: { nodes: [choice], initializers: [bool("c", on)], inputs: [value("x", [2])] } };
    expect((await run(graph, { x: Float32Array.of(0, 0) }))["y"]).toEqual(on ? [-0, -0] : [1, 1]);
  });

  it("computes both branches where the condition is an input", async () => {
    const spec = { nodes: [choice], inputs: [value("x", [2]), value("c", [], BOOL)] };
    expect((await run(spec, { x: Float32Array.of(0, 3), c: Uint8Array.of(1) }))["y"]).toEqual([-0, -3]);
    expect((await run(spec, { x: Float32Array.of(0, 0), c: Uint8Array.of(0) }))["y"]).toEqual([1, 1]);
  });

  it("refuses branches of different shapes that only running decides", async () => {
    const wide = subgraph({ node: [node("Concat", ["x", "x"], ["b"], { axis: int(0) })], output: [{ name: "b" }] });
    const nodes = [node("If", ["c"], ["y"], { then_branch: branch("Neg", "a"), else_branch: wide }, { name: "pick" })];
    await expect(run({ nodes, inputs: [value("x", [2]), value("c", [], BOOL)] }, {})).rejects.toThrow(
      'If "pick": which branch is taken is known only when running, and "y" is of another type or shape in each',
    );
  });

  it("follows a condition that is computed from shapes, in a branch of a branch", async () => {
    const inner = node("If", ["c"], ["inner_y"], { then_branch: branch("Neg", "a"), else_branch: branch("Exp", "b") });
    const nodes = [
      node("Shape", ["x"], ["s"]),
      node("Size", ["s"], ["rank"]),
      node("Equal", ["rank", "two"], ["c"]),
      node("If", ["c"], ["y"], {
        then_branch: subgraph({ node: [inner], output: [{ name: "inner_y" }] }),
        else_branch: branch("Exp", "d"),
      }),
    ];
    const initializers = [int64Tensor("two", [], [2])];
    expect((await run({ nodes, initializers, inputs: [value("x", [1, 2])] }, { x: Float32Array.of(1, 2) }))["y"]).toEqual([-1, -2]);
    expect((await run({ nodes, initializers, inputs: [value("x", [2])] }, { x: Float32Array.of(0, 0) }))["y"]).toEqual([1, 1]);
  });
});

describe("Loop and Scan", () => {
  const body = subgraph({
    input: [value("i", [], 7), value("go", [], BOOL), value("sum", [2])],
    initializer: [floatTensor("k", [], [10])],
    node: [
      node("Identity", ["go"], ["go_on"]),
      node("Cast", ["i"], ["step"], { to: int(1) }),
      node("Add", ["sum", "x"], ["more"]),
      node("Mul", ["step", "k"], ["scaled"]),
      node("Add", ["more", "scaled"], ["next"]),
      node("Identity", ["next"], ["seen"]),
    ],
    output: ["go_on", "next", "seen"].map((name) => ({ name })),
  });

  it("repeats the body as often as a constant says, and collects what it gives", async () => {
    const nodes = [node("Loop", ["count", "", "x"], ["last", "all"], { body })];
    const spec = { nodes, initializers: [int64Tensor("count", [], [3])], inputs: [value("x", [2])], outputs: ["last", "all"] };
    expect(await run(spec, { x: Float32Array.of(1, 2) })).toEqual({ last: [34, 38], all: [2, 4, 13, 16, 34, 38] });
  });

  it("says so where how often is known only when running", async () => {
    const nodes = [node("Loop", ["count", "", "x"], ["last", "all"], { body })];
    const spec = { nodes, inputs: [value("x", [2]), value("count", [], 7)], outputs: ["last"] };
    await expect(run(spec, {})).rejects.toThrow("how often it runs is known only when running; make its trip count a constant");
  });

  it("scans along an axis, in either direction", async () => {
    const add = subgraph({
      input: [value("sum", [2]), value("row", [2])],
      node: [node("Add", ["sum", "row"], ["next"]), node("Identity", ["next"], ["seen"])],
      output: [{ name: "next" }, { name: "seen" }],
    });
    const nodes = [node("Scan", ["zero", "x"], ["last", "all"], { body: add, num_scan_inputs: int(1) })];
    const spec = { nodes, initializers: [floatTensor("zero", [2], [0, 0])], inputs: [value("x", [3, 2])], outputs: ["last", "all"] };
    expect(await run(spec, { x: Float32Array.of(1, 2, 3, 4, 5, 6) })).toEqual({ last: [9, 12], all: [1, 2, 4, 6, 9, 12] });
  });
});

describe("a model's own functions", () => {
  const leaky = {
    name: "Leaky",
    domain: "mine",
    input: ["t"],
    output: ["u"],
    attribute: ["slope"],
    opsetImport: [{ domain: "", version: 13 }],
    node: [
      { ...node("LeakyRelu", ["t"], ["v"]), attribute: [{ name: "alpha", refAttrName: "slope", type: 1 }] },
      node("Add", ["v", "v"], ["u"]),
    ],
  };

  it("are inlined, with the call's attributes, as often as they are called", async () => {
    const call = (input: string, output: string, slope: number) =>
      node("Leaky", [input], [output], { slope: float(slope) }, { domain: "mine" });
    const spec: ModelSpec = {
      nodes: [call("x", "a", 0.5), call("a", "y", 0.25)],
      inputs: [value("x", [2])],
      more: {
        functions: [leaky],
        opsetImport: [
          { domain: "", version: 13 },
          { domain: "mine", version: 1 },
        ],
      } as ModelSpec["more"] & object,
    };
    expect((await run(spec, { x: Float32Array.of(-4, 3) }))["y"]).toEqual([-2, 12]);
  });

  it("may not call themselves", async () => {
    const endless = { ...leaky, node: [node("Leaky", ["t"], ["u"], {}, { domain: "mine" })] };
    const spec: ModelSpec = {
      nodes: [node("Leaky", ["x"], ["y"], {}, { domain: "mine" })],
      inputs: [value("x", [2])],
      more: { functions: [endless], opsetImport: [{ domain: "", version: 13 }] } as ModelSpec["more"] & object,
    };
    await expect(run(spec, {})).rejects.toThrow("the function mine:Leaky calls itself");
  });
});

describe("a constant in a subgraph", () => {
  it("is not taken for another one of the same name", async () => {
    const make = (k: number, output: string) =>
      subgraph({
        node: [node("Constant", [], ["k"], { value: tensor(floatTensor("k", [2], [k, k])) }), node("Add", ["x", "k"], [output])],
        output: [{ name: output }],
      });
    const nodes = [node("If", ["c"], ["y"], { then_branch: make(1, "a"), else_branch: make(2, "b") })];
    const spec = { nodes, inputs: [value("x", [2]), value("c", [], BOOL)] };
    expect((await run(spec, { x: Float32Array.of(0, 5), c: Uint8Array.of(1) }))["y"]).toEqual([1, 6]);
    expect((await run(spec, { x: Float32Array.of(0, 5), c: Uint8Array.of(0) }))["y"]).toEqual([2, 7]);
  });
});
