/** Mixed precision: which values are found to hurt the outputs, what moves to float32 for it, and what is sooner done there anyway. */
import { expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, typeOf } from "../../compiler/ir/graph.ts";
import { calibrate, rangesOf, type Sample } from "../../compiler/quantize/calibrate.ts";
import { chooseMoves } from "../../compiler/quantize/candidates.ts";
import { insertQuantization } from "../../compiler/quantize/insert.ts";
import { mixPrecisions } from "../../compiler/quantize/mix-precisions.ts";
import { neededMoves, orderMoves, wholeNoise } from "../../compiler/quantize/moves.ts";
import { parametersOf } from "../../compiler/quantize/ranges.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { sensitivities } from "../../compiler/quantize/sensitivity.ts";
import { withoutSlower } from "../../compiler/quantize/slower.ts";
import { workingNodes } from "../../compiler/quantize/working-nodes.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };
const NONE: ReadonlySet<string> = new Set();

function samplesOf(graph: Graph, count: number): readonly Sample[] {
  const random = randomNumbers(5);
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      graph.inputs.map((value) => {
        const { shape } = typeOf(value);
        const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1);
        return [value.name, { dtype: "float32", shape, data } as const];
      }),
    ),
  );
}

const NETWORK = `input x float32[1,4,6,6]
%a ? = Conv(%x, <w1 float32[8,4,3,3]>, <b1 float32[8]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%m ? = MaxPool(%r) kernel_shape=[2,2] strides=[2,2]
%c ? = Conv(%m, <w2 float32[6,8,1,1]>, <b2 float32[6]>)
%s ? = Sigmoid(%c)
%f ? = Flatten(%s)
%y ? = MatMul(%f, <w3 float32[54,5]>)
output %y, %c
`;

test("a value's noise is that of a model in which it alone is quantized and dequantized", async () => {
  const graph = graphOf(NETWORK);
  const samples = samplesOf(graph, 3);
  const float = compileGraph(graph, DESCRIPTION);
  const ranges = rangesOf(await calibrate(float, plainModule, samples, graph, WATCH), "minmax");
  const names = ["x", "m", "c", "s", "f"];
  const parameters = new Map(
    names.map((name) => {
      const value = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)].find((v) => v.name === name)!;
      return [name, parametersOf(ranges(value))] as const;
    }),
  );
  const noise = await sensitivities(float, plainModule, samples, parameters, WATCH);
  expect([...noise.keys()].sort()).toEqual([...names].sort());
  const outputsOf = (of: Graph): readonly Float32Array[][] => {
    const runner = new GraphRunner(compileGraph(of, DESCRIPTION), plainModule);
    const found = samples.map((sample) => {
      runner.run(sample);
      return runner.outputNames.map((name) => runner.output(name) as Float32Array);
    });
    runner.dispose();
    return found;
  };
  const expected = outputsOf(graph);
  for (const name of names) {
    const one = cloneGraph(graph);
    const value = [...one.inputs, ...one.nodes.flatMap(({ outputs }) => outputs)].find((v) => v.name === name)!;
    const { scale, zeroPoint } = parameters.get(name)!;
    const constants = [
      one.addConstant("scale", { dtype: "float32", shape: [], data: Float32Array.of(scale) }),
      one.addConstant("zero", { dtype: "int8", shape: [], data: Int8Array.of(zeroPoint) }),
    ];
    const first = one.nodes.find((node) => node.inputs.includes(value))!;
    const { shape } = typeOf(value);
    const q = one.add(
      { op: "QuantizeLinear", name: "q", inputs: [value, ...constants], outputs: [{ name: "q", type: { dtype: "int8", shape } }] },
      first,
    );
    const dq = one.add(
      {
        op: "DequantizeLinear",
        name: "dq",
        inputs: [q.outputs[0]!, ...constants],
        outputs: [{ name: "dq", type: { dtype: "float32", shape } }],
      },
      first,
    );
    one.replaceUses(value, dq.outputs[0]!, q);
    const measured = outputsOf(one);
    const ratios = expected[0]!.map((_, o) => {
      let [signal, difference] = [0, 0];
      expected.forEach((outputs, i) => {
        outputs[o]!.forEach((v, k) => {
          signal += v * v;
          difference += (measured[i]![o]![k]! - v) ** 2;
        });
      });
      return difference / signal;
    });
    noise.get(name)!.forEach((x, o) => {
      expect(x, `${name} at output ${o}`).toBeCloseTo(ratios[o]!, 9);
    });
    expect(Math.max(...noise.get(name)!), name).toBeGreaterThan(0);
  }
});

/** Three layers of equal work behind each other, the first two read by nobody else. */
const CHAIN = `input x float32[1,8,8,8]
%a ? = Conv(%x, <w1 float32[8,8,1,1]>)
%b ? = Conv(%a, <w2 float32[8,8,1,1]>)
%c ? = Conv(%b, <w3 float32[8,8,3,3]>) pads=[1,1,1,1]
output %c
`;

test("what takes away most noise for least time moves first, and four fifths of the work stay", () => {
  const graph = graphOf(CHAIN);
  const int8 = int8Nodes(graph, NONE);
  const noise = new Map([
    ["x", [0.001]],
    ["a", [0.1]],
    ["b", [0.2]],
  ]);
  // %c is nine elevenths of all multiply-accumulates: what it reads stays, however noisy.
  const moves = orderMoves(graph, int8, noise, 20);
  expect(moves.map(({ nodes }) => nodes)).toEqual([["b"], ["a"]]);
  expect(moves[0]!.aloneDb).toBeCloseTo(10);
  expect(wholeNoise(int8, noise)[0]).toBeCloseTo(0.301);
});

test("moves that turn out not to matter are taken back, those that cost most first", () => {
  const move = (name: string, x: number, costNs: number) => ({ nodes: [name], noise: [x], aloneDb: 0, costNs });
  const moves = [move("a", 0.5, 10), move("b", 0.001, 5), move("c", 0.002, 8), move("d", 0.2, 20), move("free", 0.001, -1)];
  expect(neededMoves(moves, 3, [0.75]).map(({ nodes }) => nodes[0])).toEqual(["a"]);
  expect(neededMoves(moves, 5, [0.717]).map(({ nodes }) => nodes[0])).toEqual(["a", "c", "d", "free"]);
});

test("the fewest moves that reach the goal are found, although some more do not reach it", async () => {
  const moves = Array.from({ length: 23 }, (_, i) => ({ nodes: [`n${i}`], noise: [0.01], aloneDb: 20, costNs: 0 }));
  const candidates = { moves, noise: [0.23] };
  const found = (count: number): number => (count >= 20 ? 26 : count >= 3 && count <= 6 ? 22 : 19);
  const chosen = await chooseMoves(candidates, 19, 21, async ({ length }) => found(length));
  expect(chosen).toEqual(moves.slice(0, 3));
  expect(await chooseMoves(candidates, 26, 21, async ({ length }) => found(length))).toEqual([]);
});

test("a goal that is hardly missed is reached by moving something, with compact weights where there is agreement to spare", async () => {
  const float = graphOf(NETWORK);
  const samples = samplesOf(float, 4);
  const floatCompiled = compileGraph(float, DESCRIPTION);
  const ranges = rangesOf(await calibrate(floatCompiled, plainModule, samples, float, WATCH), "minmax");
  const working = workingNodes(float, NONE, NONE, ranges);
  const insert = (moved: ReadonlySet<string>) => {
    const graph = cloneGraph(float);
    const { nodes } = workingNodes(graph, NONE, moved, ranges);
    return { graph, parameters: insertQuantization(graph, nodes, ranges) };
  };
  const { graph, parameters } = insert(NONE);
  const tried: { readonly moved: number; readonly compact: boolean }[] = [];
  const mixTo = (goalDb: number) =>
    mixPrecisions(
      { float, floatCompiled, module: plainModule, working, parameters, goalDb, compared: samples, fitted: samples },
      { graph },
      (moved) => insert(moved).graph,
      async (moved, compact) => {
        tried.push({ moved: moved.size, compact });
        return { graph: insert(moved).graph };
      },
      WATCH,
    );
  const { beforeDb } = (await mixTo(0)).mixed;
  expect(tried).toEqual([]);
  const { taken, mixed } = await mixTo(beforeDb + 0.2);
  expect(mixed.moves.length).toBeGreaterThan(0);
  expect(mixed.afterDb).toBeGreaterThanOrEqual(beforeDb + 0.2);
  expect(taken.graph).not.toBe(graph);
  expect(tried[0]).toEqual({ moved: tried[0]!.moved, compact: false });
  expect(tried.slice(1)).toEqual(mixed.afterDb >= beforeDb + 1.2 ? [{ moved: tried[0]!.moved, compact: true }] : []);
});

test("values that share a scale are one unit, whose noise counts where it comes in", () => {
  const graph = graphOf(`input x float32[1,4,4,4]
%a ? = Conv(%x, <w1 float32[4,4,1,1]>)
%b ? = Conv(%x, <w2 float32[4,4,1,1]>)
%k ? = Concat(%a, %b) axis=1
%c ? = Conv(%k, <w3 float32[4,8,1,1]>)
output %c
`);
  const noise = new Map([
    ["x", [0]],
    ["a", [0.1]],
    ["b", [0.2]],
    ["k", [0.3]],
  ]);
  expect(wholeNoise(int8Nodes(graph, NONE), noise)[0]).toBeCloseTo(0.3);
});

test("a little work between float32 nodes stays in float32, much does not, and layers with weights are left alone", () => {
  const names = (text: string): readonly string[] => {
    const graph = graphOf(text);
    return [...withoutSlower(int8Nodes(graph, NONE), (value) => graph.outputs.includes(value))].map(({ name }) => name).sort();
  };
  // A sum of two values in float32 would be quantized for nothing but the layer that reads the sum.
  const sum = (between: string) => `input x float32[1,64]
input z float32[1,64]
%e ? = Exp(%x)
%g ? = Exp(%z)
${between}
%y ? = MatMul(%t, <w float32[64,64]>)
output %y
`;
  expect(names(sum("%t ? = Add(%e, %g)"))).toEqual(["y"]);
  // Between two layers nothing is converted, and a table is far quicker than the function.
  expect(
    names(
      "input x float32[8,64]\n%a ? = MatMul(%x, <w float32[64,64]>)\n%t ? = Sigmoid(%a)\n%y ? = MatMul(%t, <v float32[64,64]>)\noutput %y\n",
    ),
  ).toEqual(["a", "t", "y"]);
});

test("nothing works in int8 that nobody reads in int8", () => {
  const graph = graphOf(`input x float32[1,8]
%a ? = MatMul(%x, <w float32[8,8]>)
%s ? = Sigmoid(%a)
%e ? = Exp(%s)
%y ? = MatMul(%e, <v float32[8,8]>)
output %y
`);
  expect([...int8Nodes(graph, NONE)].map(({ name }) => name).sort()).toEqual(["a", "y"]);
});

test("a depthwise layer gives int8 only: where that is not read in int8 it works in float32, and goes with what it feeds", () => {
  const graph = graphOf(`input x float32[1,16,10,10]
%a ? = Conv(%x, <w1 float32[16,16,3,3]>)
%d ? = Conv(%a, <w2 float32[16,1,3,3]>) group=16
%b ? = Conv(%d, <w3 float32[2,16,1,1]>)
%e ? = Conv(%a, <w4 float32[16,1,3,3]>) group=16
output %b, %e
`);
  const int8 = int8Nodes(graph, NONE);
  expect([...int8].map(({ name }) => name).sort()).toEqual(["a", "b", "d"]);
  const moves = orderMoves(graph, int8, new Map([["d", [0.1, 0]]]), 20);
  expect(moves.map(({ nodes }) => nodes)).toEqual([["b", "d"]]);
});

test("a piece of far smaller range than what it is cut from has a scale of its own", () => {
  const graph = graphOf(`input x float32[1,2,64]
%p float32[1,1,64], %q float32[1,1,64] = Split(%x) axis=1
%a ? = MatMul(%p, <w float32[64,64]>)
%b ? = MatMul(%q, <v float32[64,64]>)
%y ? = Add(%a, %b)
output %y
`);
  const split = (factor: number): string | undefined => {
    const reach = (name: string): number => (name === "q" ? 1 / factor : 1);
    const { unsuited } = workingNodes(graph, NONE, NONE, ({ name }) => ({ low: -reach(name), high: reach(name) }));
    return unsuited.get(graph.nodes.find(({ op }) => op === "Split")!);
  };
  expect(split(20)).toBe("range");
  expect(split(4)).not.toBe("range");
});
