/**
 * Weights that reach beyond int8 once their zero point is taken off, as uint8 ones with a zero point far from the middle do: they are split into
 * parts that fit, and the layer reads its input once for each.
 *
 *   x · (w − z) = concat(x, x) · concat(w₁, w₂)       w₁ + w₂ = w − z, both int8; three parts where 255 occurs
 *
 * Sums of integers stay the same sums. Declines where activations are not dequantized.
 */
import { elementCount, type Tensor } from "../../../host/tensor.ts";
import { numberAttribute } from "../../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../../ir/graph.ts";

/** Splits the weights of every such layer. Returns how many. */
export function splitWideWeights(graph: Graph): number {
  let count = 0;
  for (const node of [...graph.nodes]) {
    const depth = depthAxes(node);
    const dequantize = depth && requiredInput(node, 1).producer;
    if (!depth || dequantize?.op !== "DequantizeLinear" || requiredInput(node, 0).producer?.op !== "DequantizeLinear") continue;
    const differences = wideDifferences(dequantize);
    if (!differences) continue;
    split(graph, node, dequantize, differences, depth);
    count++;
  }
  return count;
}

interface DepthAxes {
  /** Of the activations. */
  readonly x: number;
  /** Of the weights. */
  readonly w: number;
  readonly groups: number;
}

/** The axes that a layer sums over, or null for other nodes. */
function depthAxes(node: Node): DepthAxes | null {
  const rank = node.inputs[0]?.type?.shape.length ?? 0;
  if (node.op === "Conv") return { x: 1, w: 1, groups: numberAttribute(node, "group", 1) };
  if (node.op === "Gemm" && numberAttribute(node, "transA", 0) === 0)
    return { x: 1, w: numberAttribute(node, "transB", 0) !== 0 ? 1 : 0, groups: 1 };
  return node.op === "MatMul" && rank > 0 && typeOf(requiredInput(node, 1)).shape.length === 2 ? { x: rank - 1, w: 0, groups: 1 } : null;
}

/** w − z of a constant whose zero points are not 0, or null; passes/quantized/signed has taken off what fits. */
function wideDifferences(dequantize: Node): Int32Array | null {
  const [w, , zero] = dequantize.inputs.map((value) => value?.constant ?? null);
  if (!w || !zero || zero.data.every((z) => Number(z) === 0) || numberAttribute(dequantize, "block_size", 0) !== 0) return null;
  const given = numberAttribute(dequantize, "axis", 1);
  const axis = given < 0 ? given + w.shape.length : given;
  const inner = elementCount(w.shape.slice(axis + 1));
  const at = (i: number): number => Number(zero.data[zero.data.length === 1 ? 0 : Math.floor(i / inner) % w.shape[axis]!]);
  return Int32Array.from(w.data as Int8Array, (q, i) => q - at(i));
}

function split(graph: Graph, node: Node, dequantize: Node, differences: Int32Array, { x: axis, w: depth, groups }: DepthAxes): void {
  const [w, scale, zero] = dequantize.inputs as readonly Value[];
  const parts = partsOf(differences);
  const zeros = graph.addConstant(zero!.name, { ...zero!.constant!, dtype: "int8", data: new Int8Array(zero!.constant!.data.length) });
  const weights = graph.add(
    {
      op: "DequantizeLinear",
      name: `${dequantize.name}.parts`,
      inputs: [graph.addConstant(w!.name, joined(parts, w!.constant!.shape, depth)), scale!, zeros],
      attributes: dequantize.attributes,
      sources: dequantize.sources,
      outputs: [
        {
          name: `${onlyOutput(dequantize).name}.parts`,
          type: { dtype: "float32", shape: widened(w!.constant!.shape, depth, parts.length) },
        },
      ],
    },
    node,
  );
  const x = requiredInput(node, 0);
  const { shape } = typeOf(x);
  const size = shape[axis]! / groups;
  // Each group sees its own channels as often as there are parts.
  const places = Array.from({ length: shape[axis]! * parts.length }, (_, i) => {
    const [group, place] = [Math.floor(i / (size * parts.length)), i % size];
    return BigInt(group * size + place);
  });
  const indices = (): Value =>
    graph.addConstant(`${node.name}.places`, { dtype: "int64", shape: [places.length], data: BigInt64Array.from(places) });
  const repeated = graph.add(
    {
      op: groups === 1 ? "Concat" : "Gather",
      name: `${node.name}.repeated`,
      inputs: groups === 1 ? parts.map(() => x) : [x, indices()],
      attributes: { axis },
      sources: node.sources,
      outputs: [{ name: `${x.name}.repeated`, type: { dtype: "float32", shape: widened(shape, axis, parts.length) } }],
    },
    node,
  );
  graph.setInput(node, 0, onlyOutput(repeated));
  graph.setInput(node, 1, onlyOutput(weights));
}

/** Arrays of int8 that add up to the numbers. */
function partsOf(numbers: Int32Array): readonly Int8Array[] {
  const parts: Int8Array[] = [];
  for (let rest = numbers; rest.some((d) => d !== 0); ) {
    const part = Int8Array.from(rest, (d) => Math.max(-128, Math.min(127, d)));
    parts.push(part);
    rest = rest.map((d, i) => d - part[i]!);
  }
  return parts;
}

function widened(shape: readonly number[], axis: number, times: number): readonly number[] {
  return shape.map((d, i) => (i === axis ? d * times : d));
}

/** Parts of one shape behind each other along an axis. */
function joined(parts: readonly Int8Array[], shape: readonly number[], axis: number): Tensor {
  const run = elementCount(shape.slice(axis));
  const data = new Int8Array(parts.length * parts[0]!.length);
  for (let at = 0; at < parts[0]!.length; at += run) {
    parts.forEach((part, i) => {
      data.set(part.subarray(at, at + run), at * parts.length + i * run);
    });
  }
  return { dtype: "int8", shape: widened(shape, axis, parts.length), data };
}
