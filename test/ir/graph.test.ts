import { describe, expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { Graph, GraphCycle, type Node, type Value } from "../../compiler/ir/graph.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { graphText } from "../../compiler/ir/text.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";

const CHAIN = `input x float32[2]
%a float32[2] = F(%x, {1,2}float32[2])
%b float32[2] = G(%a, %a)
output %b, %a
`;

function broken(change: (graph: Graph) => void, typed = true): () => void {
  const graph = parseGraph(CHAIN);
  verifyGraph(graph);
  change(graph);
  return () => verifyGraph(graph, typed);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const value = (v: Value): Mutable<Value> => v as Mutable<Value>;
const node = (n: Node): Mutable<Node> => n as Mutable<Node>;

describe("verifyGraph", () => {
  test("finds nodes out of order", () => {
    expect(broken((graph) => (graph.nodes as Node[]).reverse())).toThrow("b reads a before it is defined");
  });

  test("finds readers that do not read, and readers that are not known", () => {
    expect(broken((graph) => (value(graph.inputs[0]!).readers = new Set(graph.nodes)))).toThrow("x is read by [a] and says [a, b]");
    expect(broken((graph) => (value(graph.nodes[0]!.outputs[0]!).readers = new Set()))).toThrow("a is read by [b] and says []");
  });

  test("finds a value of two origins, and one of none", () => {
    expect(broken((graph) => (value(graph.inputs[0]!).producer = graph.nodes[0]!))).toThrow("x has 2 origins");
    expect(broken((graph) => (value(graph.nodes[1]!.outputs[0]!).producer = null))).toThrow("b does not know its producer b");
  });

  test("finds a value that two nodes define", () => {
    expect(broken((graph) => (node(graph.nodes[1]!).outputs = graph.nodes[0]!.outputs))).toThrow("a is defined twice");
  });

  test("finds missing types where it is asked to", () => {
    const forget = (graph: Graph): void => {
      value(graph.nodes[0]!.outputs[0]!).type = null;
    };
    expect(broken(forget)).toThrow("a has no type");
    expect(broken(forget, false)).not.toThrow();
  });

  test("finds constants that do not fit their types, and odd shapes", () => {
    const constant = (graph: Graph): Mutable<Value> => value(graph.nodes[0]!.inputs[1]!);
    expect(broken((graph) => (constant(graph).type = { dtype: "float32", shape: [3] }))).toThrow(
      "constant has another type than its constant",
    );
    expect(broken((graph) => (constant(graph).constant = { dtype: "float32", shape: [2], data: new Float32Array(3) }))).toThrow(
      "constant has 3 elements for the shape [2]",
    );
    expect(broken((graph) => (constant(graph).constant = { dtype: "float32", shape: [2], data: new Int32Array(2) }))).toThrow(
      "constant holds its float32 elements in another array",
    );
    expect(broken((graph) => (value(graph.inputs[0]!).type = { dtype: "float32", shape: [-1] }))).toThrow("x has the shape [-1]");
  });

  test("finds output names that do not fit", () => {
    expect(broken((graph) => graph.setOutputs(graph.outputs, ["y"]))).toThrow("2 outputs have 1 names");
    expect(broken((graph) => graph.setOutputs(graph.outputs, ["y", "y"]))).toThrow("two outputs are named alike: y, y");
  });
});

describe("a graph", () => {
  test("keeps readers when an input that is read twice is replaced once", () => {
    const graph = parseGraph(CHAIN);
    graph.setInput(graph.nodes[1]!, 0, graph.inputs[0]!);
    verifyGraph(graph);
    graph.setInput(graph.nodes[1]!, 1, graph.inputs[0]!);
    verifyGraph(graph);
    expect(graph.nodes[0]!.outputs[0]!.readers.size).toBe(0);
  });

  test("keeps the position and name of an output that is replaced", () => {
    const graph = parseGraph(CHAIN);
    graph.replaceUses(graph.nodes[1]!.outputs[0]!, graph.inputs[0]!);
    graph.remove(graph.nodes[1]!);
    verifyGraph(graph);
    expect(graphText(graph)).toContain("output %x as b, %a\n");
  });

  test("refuses to remove what is in use", () => {
    const graph = parseGraph(CHAIN);
    expect(() => graph.remove(graph.nodes[0]!)).toThrow("removed a while a is in use");
    expect(() => graph.remove(graph.nodes[1]!)).toThrow("removed b while b is in use");
  });

  test("sorts nodes that were added in any order, and keeps an order that is right", () => {
    const graph = new Graph("g");
    const x = graph.addInput("x", { dtype: "float32", shape: [2] });
    const last = graph.add({ op: "F", name: "last", inputs: [x], outputs: [{ name: "l" }] });
    const first = graph.add({ op: "F", name: "first", inputs: [x], outputs: [{ name: "f" }] });
    const middle = graph.add({ op: "F", name: "middle", inputs: [first.outputs[0]!, first.outputs[0]!], outputs: [{ name: "m" }] });
    graph.setInput(last, 0, middle.outputs[0]!);
    graph.setOutputs(last.outputs);
    graph.sort();
    expect(graph.nodes.map(({ name }) => name)).toEqual(["first", "middle", "last"]);
    verifyGraph(graph, false);
    graph.sort();
    expect(graph.nodes.map(({ name }) => name)).toEqual(["first", "middle", "last"]);
  });

  test("says which node closes a circle", () => {
    const graph = parseGraph(CHAIN);
    graph.setInput(graph.nodes[0]!, 0, graph.nodes[1]!.outputs[0]!);
    expect(() => graph.sort()).toThrow(GraphCycle);
  });

  test("sorts a chain of a hundred thousand nodes", () => {
    const graph = new Graph("g");
    let at = graph.addInput("x", { dtype: "float32", shape: [2] });
    const nodes: Node[] = [];
    for (let i = 0; i < 100_000; i++) {
      const added = graph.add({ op: "F", name: `n${i}`, inputs: [at], outputs: [{ name: `v${i}` }] });
      nodes.push(added);
      at = added.outputs[0]!;
    }
    graph.setOutputs([at]);
    (graph.nodes as Node[]).reverse();
    graph.sort();
    expect(graph.nodes[0]).toBe(nodes[0]);
    expect(graph.nodes[99_999]).toBe(nodes[99_999]);
  });

  test("is cloned with its names, provenance and layout, and shares only data", () => {
    const graph = parseGraph(CHAIN);
    graph.addSources(graph.nodes[1]!, ["other"]);
    graph.setChannelsLast(graph.nodes[1]!, true);
    const copy = cloneGraph(graph);
    verifyGraph(copy);
    expect(graphText(copy)).toBe(graphText(graph));
    expect(copy.nodes[1]!.sources).toEqual(["b", "other"]);
    copy.setAttributes(copy.nodes[0]!, { axis: 1 });
    copy.replaceUses(copy.nodes[0]!.outputs[0]!, copy.inputs[0]!);
    expect(graph.nodes[0]!.attributes).toEqual({});
    verifyGraph(graph);
    verifyGraph(copy);
  });
});
