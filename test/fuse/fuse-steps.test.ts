/** Fused programs give the bytes of the programs that they come from, with fewer steps and no more memory; both are proved before they run. */
import { describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { compileFused, compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as LayerNormI8 from "../../format/steps/layer-norm-i8.ts";
import type { Tensor } from "../../host/tensor.ts";
import { FAMILY_NAMES, randomInt8Graph } from "../lower/random-int8.ts";
import { graphOf, randomInputs } from "../passes/evaluation.ts";
import { randomNetwork } from "../passes/random-graphs.ts";
import { plainModule } from "../support/small-model.ts";
import { sweep } from "../support/sweep.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const NAMES = new Map(Object.entries(Opcode).map(([name, code]) => [code as number, name]));

interface Fused {
  /** Kernels of the fused program. */
  readonly kernels: readonly string[];
  readonly ops: readonly string[];
  readonly stepsBefore: number;
}

/** Runs both programs twice over, for the second run finds what the first has left behind, and compares the bytes of all outputs. */
function fuse(graph: Graph, inputs: ReadonlyMap<string, Tensor>, where = ""): Fused {
  const [plain, fused] = [compileGraph(graph, DESCRIPTION), compileFused(graph, DESCRIPTION)];
  const [expected, got] = [plain, fused].map((compiled) => {
    const runner = new GraphRunner(compiled, plainModule);
    const runs = [0, 1].map(() => {
      runner.run(Object.fromEntries(inputs));
      return runner.outputNames.map((name) => {
        const { buffer, byteOffset, byteLength } = runner.output(name);
        return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString("hex");
      });
    });
    runner.dispose();
    return runs;
  });
  expect(got, where).toEqual(expected);
  expect(fused.program.plan.steps.length, where).toBeLessThanOrEqual(plain.program.plan.steps.length);
  return {
    kernels: fused.program.plan.steps.map((words) => NAMES.get(words[0]!)!),
    ops: fused.program.metadata.steps.map(({ op }) => op),
    stepsBefore: plain.program.plan.steps.length,
  };
}

function fuseText(text: string, seed = 1): Fused {
  const graph = graphOf(text);
  return fuse(graph, randomInputs(graph, seed), text);
}

const quantized = (name: string, from: string): string => `%${name}.q ? = QuantizeLinear(%${from}, {0.02}float32[], {3}int8[])
%${name} ? = DequantizeLinear(%${name}.q, {0.02}float32[], {3}int8[])
`;
/** A convolution of `from` with int8 weights [outputs, inputs, kernel, kernel]. */
const conv = (name: string, from: string, outputs: number, inputs: number, kernel = 1): string =>
  `%${name}.w ? = DequantizeLinear(<${name}.k int8[${outputs},${inputs},${kernel},${kernel}]>, {0.05}float32[])
%${name}.y ? = Conv(%${from}, %${name}.w) pads=[${Math.floor(kernel / 2)},${Math.floor(kernel / 2)},${Math.floor(kernel / 2)},${Math.floor(kernel / 2)}]
${quantized(name, `${name}.y`)}`;
const table = (name: string, from: string): string => `%${name}.y ? = HardSwish(%${from})\n${quantized(name, `${name}.y`)}`;
const HEAD = (shape: string): string => `input x float32[${shape}]\n${quantized("a", "x")}`;

describe("random programs", () => {
  test.each(FAMILY_NAMES)("chains that begin with int8 %s are the same fused", (family) => {
    let count = 0;
    for (let seed = 1; seed <= sweep(12, 60); seed++) {
      const made = randomInt8Graph(seed, family, { isDyadic: false, layers: 5 });
      if (!made) continue;
      count++;
      fuse(made.graph, made.inputs, `seed ${seed}`);
    }
    expect(count).toBeGreaterThan(3);
  });

  test("float32 networks are the same fused", () => {
    for (let seed = 1; seed <= sweep(30, 300); seed++) {
      const graph = graphOf(randomNetwork(seed));
      fuse(graph, randomInputs(graph, seed), `seed ${seed}`);
    }
  });
});

describe("quantize-transposed", () => {
  test.each(["1,3,5,7", "2,3,16,3", "1,8,4,4", "3,17,2,5"])("an image of [%s] is quantized and transposed in one step", (shape) => {
    const channels = Number(shape.split(",")[1]);
    const { kernels, ops } = fuseText(`${HEAD(shape)}${conv("b", "a", 4, channels, 3)}output %b\n`);
    expect(kernels.slice(0, 2)).toEqual(["QUANTIZE", "CONV_I8"]);
    expect(ops[0]).toBe("QuantizeLinear+Transpose");
  });

  test("declines where something else reads the planes", () => {
    const { kernels } = fuseText(`${HEAD("1,3,5,7")}${conv("b", "a", 4, 3, 3)}output %b, %a\n`);
    expect(kernels).toContain("COPY");
  });
});

test("a fused step names the ONNX nodes of all that it does", () => {
  const graph = graphOf(
    `${HEAD("1,3,5,7")}${conv("l", "a", 8, 3)}${conv("r", "a", 4, 3)}%c.y ? = Concat(%l, %r) axis=1\n${quantized("c", "c.y")}output %c\n`,
  );
  const { steps } = compileFused(graph, DESCRIPTION).program.metadata;
  expect(steps.filter(({ op }) => op === "Conv+Concat").map(({ nodes }) => nodes)).toEqual([
    ["l.y", "c.y"],
    ["r.y", "c.y"],
  ]);
});

describe("layer-norm-i8", () => {
  const FLOATS = "input x float32[2,5,24]\ninput r float32[2,5,24]\n";
  const norm = (name: string, from: string): string =>
    `%${name} ? = LayerNormalization(%${from}, <g float32[24]>, <h float32[24]>) axis=-1\n`;
  const layer = (name: string, from: string): string =>
    `%${name}.w ? = DequantizeLinear(<${name}.k int8[24,7]>, {0.05}float32[])\n%${name}.y ? = MatMul(%${from}, %${name}.w)\n${quantized(name, `${name}.y`)}`;
  const normSteps = (kernels: readonly string[]): readonly string[] =>
    kernels.filter((name) => ["BINARY", "LAYER_NORM", "LAYER_NORM_I8", "QUANTIZE"].includes(name));

  test("takes over the sum before it and the quantization behind it", () => {
    const { kernels, ops } = fuseText(`${FLOATS}%s ? = Add(%x, %r)\n${norm("n", "s")}${quantized("q", "n")}${layer("l", "q")}output %l\n`);
    expect(normSteps(kernels)).toEqual(["LAYER_NORM_I8"]);
    expect(ops[0]).toBe("LayerNormalization+Add+QuantizeLinear");
  });

  test("leaves the sum and its own result to those who read them, and one quantization of another scale", () => {
    const { kernels } = fuseText(
      `${FLOATS}%s ? = Add(%x, %r)\n${norm("n", "s")}${quantized("q", "n")}%p.q ? = QuantizeLinear(%n, {0.3}float32[], {0}int8[])\n%p ? = DequantizeLinear(%p.q, {0.3}float32[], {0}int8[])\n${layer("l", "q")}${layer("k", "p")}%t ? = Add(%s, %n)\n${norm("m", "t")}output %l, %k, %m\n`,
    );
    expect(normSteps(kernels)).toEqual(["LAYER_NORM_I8", "QUANTIZE", "BINARY", "LAYER_NORM"]);
  });

  test("reads int8, of either operand of a sum too", () => {
    const { kernels } = fuseText(`${FLOATS}${quantized("a", "x")}${norm("n", "a")}${quantized("q", "n")}${layer("l", "q")}output %l\n`);
    expect(normSteps(kernels)).toEqual(["QUANTIZE", "LAYER_NORM_I8"]);
    for (const operands of ["%a, %r", "%r, %a"]) {
      const sum = `${FLOATS}${quantized("a", "x")}%s ? = Add(${operands})\n${norm("n", "s")}${quantized("q", "n")}`;
      const { kernels } = fuseText(`${sum}${layer("l", "q")}output %l, %s\n`);
      expect(kernels.filter((name) => name !== "CONV_I8" && name !== "COPY").slice(0, 2)).toEqual(["QUANTIZE", "LAYER_NORM_I8"]);
    }
  });

  test("what is added to itself, or scales itself, is dequantized for both", () => {
    for (const sum of ["%s ? = Add(%a, %a)\n", "%s ? = Identity(%a)\n"]) {
      const { kernels } = fuseText(
        `${FLOATS}${quantized("a", "x")}${sum}${norm("n", "s")}${quantized("q", "n")}${layer("l", "q")}output %l, %a\n`,
      );
      expect(kernels).toContain("LAYER_NORM_I8");
      expect(kernels).toContain("DEQUANTIZE");
    }
    const own = `input x float32[1,24]\n${quantized("a", "x")}%n ? = LayerNormalization(%a, %a) axis=-1\n${quantized("q", "n")}${layer("l", "q")}output %l\n`;
    expect(fuseText(own).kernels).toContain("LAYER_NORM");
  });

  test("a sum with limits or of a repeated operand stays a step, as does a norm that nobody quantizes or that gives its mean", () => {
    const rows = fuseText(
      `input x float32[2,5,24]\ninput r float32[5,24]\n%s ? = Add(%x, %r)\n${norm("n", "s")}${quantized("q", "n")}${layer("l", "q")}output %l\n`,
    );
    expect(normSteps(rows.kernels)).toEqual(["BINARY", "LAYER_NORM_I8"]);
    expect(normSteps(fuseText(`${FLOATS}%s ? = Add(%x, %r)\n${norm("n", "s")}output %n\n`).kernels)).toEqual(["BINARY", "LAYER_NORM"]);
    const mean = `${FLOATS}%n ?, %m ? = LayerNormalization(%x, <g float32[24]>) axis=-1\n${quantized("q", "n")}${layer("l", "q")}output %l, %m\n`;
    expect(normSteps(fuseText(mean).kernels)).toEqual(["LAYER_NORM", "QUANTIZE"]);
  });

  test("the sum of a residual stream lies over what is added to it", () => {
    const text = `${FLOATS}%f ? = Relu(%x)\n%s ? = Add(%f, %r)\n${norm("n", "s")}${quantized("q", "n")}${layer("l", "q")}%o ? = Neg(%s)\noutput %l, %o\n`;
    fuseText(text);
    const { plan } = compileFused(graphOf(text), DESCRIPTION).program;
    const words = plan.steps.find(([opcode]) => opcode === Opcode.LAYER_NORM_I8)!;
    expect(words[LayerNormI8.SUM]).toBe(words[LayerNormI8.SRC]);
    expect(words[LayerNormI8.DST]).toBe(-1);
  });
});

describe("join-placed-copies", () => {
  const fire = `${HEAD("2,6,5,4")}${conv("s", "a", 5, 6)}${conv("l", "s", 7, 5)}${conv("r", "s", 4, 5, 3)}`;
  const concat = (operands: string, axis: number): string => `%c.y ? = Concat(${operands}) axis=${axis}\n${quantized("c", "c.y")}`;

  test("the layers of a fire module write into the concatenation", () => {
    const { kernels, ops } = fuseText(`${fire}${concat("%l, %r", 1)}${conv("z", "c", 3, 11)}output %z\n`);
    expect(kernels.filter((name) => name !== "DEQUANTIZE" && name !== "COPY")).toEqual(["QUANTIZE", ...Array(4).fill("CONV_I8")]);
    expect(ops.filter((op) => op === "Conv+Concat").length).toBe(2);
    expect(ops).not.toContain("Concat");
  });

  test("an operand that a 1×1 layer reads, too, is read where it lies", () => {
    const { ops } = fuseText(
      `${HEAD("1,8,5,4")}${conv("l", "a", 8, 8)}${conv("r", "a", 4, 8)}${conv("z", "l", 4, 8)}${concat("%l, %r", 1)}output %c, %z\n`,
    );
    expect(ops).not.toContain("Concat");
  });

  test("a layer that reads one part and computes another is no part of both", () => {
    const { ops } = fuseText(`${HEAD("1,8,5,4")}${conv("l", "a", 8, 8)}${conv("r", "l", 4, 8)}${concat("%l, %r", 1)}output %c\n`);
    expect(ops.filter((op) => op === "Concat").length).toBe(1);
  });

  test("an operand that a 3×3 layer reads, too, is copied", () => {
    const { ops } = fuseText(`${HEAD("1,6,5,4")}${conv("l", "a", 7, 6)}${conv("r", "l", 4, 7, 3)}${concat("%l, %r", 1)}output %c\n`);
    expect(ops.filter((op) => op === "Concat").length).toBe(1);
    expect(ops.filter((op) => op === "Conv+Concat").length).toBe(1);
  });

  test("tables write into the concatenation, rows apart", () => {
    const { ops } = fuseText(
      `${HEAD("2,6,5,4")}${conv("l", "a", 7, 6)}${conv("r", "a", 5, 6)}${table("lt", "l")}${table("rt", "r")}${concat("%lt, %rt", 1)}output %c\n`,
    );
    expect(ops.filter((op) => op.endsWith("HardSwish+Concat")).length).toBe(2);
  });

  test("what is concatenated with itself is copied once at least", () => {
    const { ops } = fuseText(`${HEAD("1,6,5,4")}${conv("l", "a", 7, 6)}${concat("%l, %l", 1)}output %c\n`);
    expect(ops.filter((op) => op === "Concat").length).toBeGreaterThan(0);
  });

  test("parts that lie one behind the other need no pitch", () => {
    const { ops } = fuseText(`${HEAD("1,6,5,4")}${conv("l", "a", 7, 6)}${conv("r", "a", 7, 6, 3)}${concat("%l, %r", 2)}output %c\n`);
    expect(ops).not.toContain("Concat");
  });

  test("concatenations of concatenations are written in place where the pitches allow it", () => {
    fuseText(
      `${fire}${concat("%l, %r", 1)}${conv("u", "s", 3, 5)}%d.y ? = Concat(%c, %u, %c) axis=1\n${quantized("d", "d.y")}${conv("z", "d", 3, 25)}output %z\n`,
    );
  });

  test("layers read the parts of a Split where they lie", () => {
    const { ops } = fuseText(
      `${HEAD("2,6,5,4")}${conv("l", "a", 16, 6)}%p.y ?, %q.y ? = Split(%l) axis=1 num_outputs=2\n${quantized("p", "p.y")}${quantized("q", "q.y")}${conv("u", "p", 3, 8)}${table("v", "q")}output %u, %v\n`,
    );
    expect(ops).not.toContain("Split");
  });

  test("a Pad fills first and copies then", () => {
    const { ops } = fuseText(
      `${HEAD("1,6,5,4")}${conv("l", "a", 7, 6)}%p.y ? = Pad(%l, {0,0,1,1,0,0,1,1}int64[8])\n${quantized("p", "p.y")}output %p\n`,
    );
    expect(ops).toContain("Pad");
  });
});

describe("compute-in-place", () => {
  test("tables and sums take the place of an operand that nobody reads afterwards", () => {
    const text = `${HEAD("1,16,9,9")}${conv("l", "a", 16, 16)}${table("t", "l")}${conv("m", "t", 16, 16)}%s.y ? = Add(%t, %m)\n${quantized("s", "s.y")}${conv("z", "s", 1, 16)}output %z\n`;
    fuseText(text);
    const graph = graphOf(text);
    const [plain, fused] = [compileGraph(graph, DESCRIPTION), compileFused(graph, DESCRIPTION)].map(({ program }) => program.plan);
    expect(fused!.arenaBytes).toBeLessThan(plain!.arenaBytes);
  });

  test.each(["%a", "%b"])("a sum of %s with a broadcast of itself is not computed in place", (first) => {
    const { kernels } = fuseText(
      `${HEAD("4,4")}${table("b", "a")}%r ? = Slice(%b, {0}int64[1], {1}int64[1], {0}int64[1])\n${quantized("rq", "r")}%s.y ? = Add(${first}, %rq)\n${quantized("s", "s.y")}output %s\n`,
    );
    expect(kernels).toContain("BINARY_I8");
  });
});
