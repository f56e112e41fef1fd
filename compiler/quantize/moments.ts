/**
 * Second moments of a layer's inputs. Products of wide layers are the runtime's (its plain build gives the same bytes on every engine),
 * those of narrow ones a loop.
 */
import { Graph } from "../ir/graph.ts";
import { inferShapes } from "../passes/infer-shapes.ts";
import { compileGraph, GraphRunner } from "../run/graph-runner.ts";
import type { Moments } from "./gptq.ts";

/** Observations multiplied at a time. */
const CHUNK = 512;
/** Layers of at most this depth are multiplied in a loop. */
const NARROW = 32;

/** Moments with the means that were taken off. */
export interface CenteredMoments extends Moments {
  /** Mean of x and of x̂; zeros where they were not to be taken off. */
  readonly mean: Float64Array;
  readonly quantizedMean: Float64Array;
}

/** The moments of the observations of both, which are about their own means or about none. */
export function joinMoments(a: CenteredMoments, b: CenteredMoments): CenteredMoments {
  const { depth } = a;
  const observations = a.observations + b.observations;
  const [p, q] = [a.observations / observations, b.observations / observations];
  const weighted = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => p * value + q * y[i]!);
  // Means apart by d and e add p·q·d·e to a covariance.
  const [apart, quantizedApart] = [a.mean.map((m, i) => m - b.mean[i]!), a.quantizedMean.map((m, i) => m - b.quantizedMean[i]!)];
  const [covariance, cross] = [weighted(a.covariance, b.covariance), weighted(a.cross, b.cross)];
  for (let i = 0; i < depth; i++) {
    for (let j = 0; j < depth; j++) {
      const at = i * depth + j;
      covariance[at] = covariance[at]! + p * q * quantizedApart[i]! * quantizedApart[j]!;
      cross[at] = cross[at]! + p * q * apart[i]! * quantizedApart[j]!;
    }
  }
  return {
    depth,
    observations,
    covariance,
    cross,
    mean: weighted(a.mean, b.mean),
    quantizedMean: weighted(a.quantizedMean, b.quantizedMean),
  };
}

/** Products Σ aᵀb over observations, by depth; one instance each. */
export class MomentProducts {
  private readonly module: WebAssembly.Module;
  private runner: GraphRunner | null = null;
  private depth = 0;

  constructor(module: WebAssembly.Module) {
    this.module = module;
  }

  /**
   * The moments of `observations` rows: `x` and `quantized` are [observations][depth], a multiple of `depth` long. With `centered` about
   * the means.
   */
  of(x: Float32Array, quantized: Float32Array, depth: number, centered: boolean): CenteredMoments {
    const observations = quantized.length / depth;
    const sums = new Float64Array(2 * depth * depth);
    if (depth <= NARROW) addNarrow(sums, x, quantized, depth);
    else this.addWide(sums, x, quantized, depth);
    const mean = centered ? meanOf(x, depth) : new Float64Array(depth);
    const quantizedMean = centered ? meanOf(quantized, depth) : new Float64Array(depth);
    const covariance = new Float64Array(depth * depth);
    const cross = new Float64Array(depth * depth);
    for (let i = 0; i < depth; i++) {
      for (let j = 0; j < depth; j++) {
        const at = i * depth + j;
        covariance[at] = sums[at]! / observations - quantizedMean[i]! * quantizedMean[j]!;
        cross[at] = sums[depth * depth + at]! / observations - mean[i]! * quantizedMean[j]!;
      }
    }
    return { depth, observations, covariance, cross, mean, quantizedMean };
  }

  dispose(): void {
    this.runner?.dispose();
    this.runner = null;
  }

  private addWide(sums: Float64Array, x: Float32Array, quantized: Float32Array, depth: number): void {
    const runner = this.runnerOf(depth);
    const left = new Float32Array(CHUNK * 2 * depth);
    const right = new Float32Array(CHUNK * depth);
    for (let first = 0; first < quantized.length; first += CHUNK * depth) {
      const [rows, rowsOfX] = [quantized, x].map((data) => data.subarray(first, first + CHUNK * depth)) as [Float32Array, Float32Array];
      left.fill(0);
      right.fill(0);
      right.set(rows);
      for (let r = 0; r < rows.length / depth; r++) {
        left.set(rows.subarray(r * depth, (r + 1) * depth), r * 2 * depth);
        left.set(rowsOfX.subarray(r * depth, (r + 1) * depth), (r * 2 + 1) * depth);
      }
      runner.run({
        left: { dtype: "float32", shape: [CHUNK, 2 * depth], data: left },
        right: { dtype: "float32", shape: [CHUNK, depth], data: right },
      });
      const product = runner.output("product") as Float32Array;
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + product[i]!;
    }
  }

  private runnerOf(depth: number): GraphRunner {
    if (this.runner && this.depth === depth) return this.runner;
    this.dispose();
    const graph = new Graph("moments");
    const left = graph.addInput("left", { dtype: "float32", shape: [CHUNK, 2 * depth] });
    const right = graph.addInput("right", { dtype: "float32", shape: [CHUNK, depth] });
    const product = graph.add({
      op: "Gemm",
      name: "product",
      inputs: [left, right],
      attributes: { transA: 1 },
      sources: [],
      outputs: [{ name: "product", type: null }],
    });
    graph.setOutputs([...product.outputs]);
    inferShapes(graph);
    this.runner = new GraphRunner(compileGraph(graph, { producer: "", name: "moments" }), this.module);
    this.depth = depth;
    return this.runner;
  }
}

function addNarrow(sums: Float64Array, x: Float32Array, quantized: Float32Array, depth: number): void {
  const cross = depth * depth;
  for (let row = 0; row < quantized.length; row += depth) {
    for (let i = 0; i < depth; i++) {
      const a = quantized[row + i]!;
      const b = x[row + i]!;
      const at = i * depth;
      for (let j = 0; j < depth; j++) {
        const c = quantized[row + j]!;
        sums[at + j] = sums[at + j]! + a * c;
        sums[cross + at + j] = sums[cross + at + j]! + b * c;
      }
    }
  }
}

function meanOf(data: Float32Array, depth: number): Float64Array {
  const mean = new Float64Array(depth);
  for (let row = 0; row < data.length; row += depth) for (let i = 0; i < depth; i++) mean[i] = mean[i]! + data[row + i]!;
  return mean.map((sum) => sum / (data.length / depth));
}
