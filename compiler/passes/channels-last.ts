/**
 * Lets image operators work on N, spatial…, C, and moves the transposes that this takes to where they cancel.
 *
 *   op(x) = toFirst(opLast(toLast(x)))          for Conv, pooling, Resize, DepthToSpace, …
 *   f(toFirst(a), toFirst(b)) = toFirst(f'(a, b))   f elementwise, or along axes that f' renames
 *   toLast(toFirst(x)) = x
 *
 * Computed values keep their names and change their types; `toFirst` results get new names. A transpose that moves only axes
 * of length 1 becomes a Reshape, which is a view.
 */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { evaluateNode } from "../ops/index.ts";
import { permutationOf } from "./permutation.ts";
import { permuteNode } from "./permute-node.ts";

const IMAGE_OPS = new Set([
  "Conv",
  "ConvTranspose",
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "DepthToSpace",
  "SpaceToDepth",
  "Resize",
  "InstanceNormalization",
]);

/** Rewrites the graph. Returns the names of the values that now are channels-last, each of rank 3 to 5. */
export function channelsLast(graph: Graph): ReadonlySet<string> {
  for (const node of [...graph.nodes]) if (isImageNode(node)) toChannelsLast(graph, node);
  sinkTransposes(graph);
  simplifyTransposes(graph);
  const last = new Set<string>();
  for (const node of graph.nodes) {
    if (node.channelsLast || node.attributes.permuted === 1) for (const output of node.outputs) last.add(output.name);
  }
  for (const node of graph.nodes) if (node.attributes.permuted !== undefined) graph.setAttributes(node, { permuted: undefined });
  return last;
}

/** The permutation from N, C, spatial… to N, spatial…, C. */
export function toLastPermutation(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** The permutation from N, spatial…, C to N, C, spatial…. */
export function toFirstPermutation(rank: number): readonly number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

function isImageNode(node: Node): boolean {
  if (!IMAGE_OPS.has(node.op) || node.channelsLast) return false;
  const rank = typeOf(requiredInput(node, 0)).shape.length;
  // MaxPool's Indices count in N, C, spatial… order; its kernel writes them so, but their axes stay in the result's order.
  return rank >= 3 && rank <= 5 && node.outputs.every((value) => typeOf(value).shape.length === rank);
}

function toChannelsLast(graph: Graph, node: Node): void {
  const x = requiredInput(node, 0);
  const rank = typeOf(x).shape.length;
  graph.setInput(node, 0, transposed(graph, x, toLastPermutation(rank), node));
  graph.setChannelsLast(node, true);
  for (const value of node.outputs) moveToLast(graph, node, value);
}

/** Makes `value`, an output of `node`, channels-last; its readers get a transpose of it. */
function moveToLast(graph: Graph, node: Node, value: Value): void {
  const { dtype, shape } = typeOf(value);
  graph.setType(value, { dtype, shape: toLastPermutation(shape.length).map((axis) => shape[axis]!) });
  const back = graph.add(
    {
      op: "Transpose",
      name: `${value.name}.toFirst`,
      inputs: [value],
      attributes: { perm: toFirstPermutation(shape.length) },
      sources: node.sources,
      outputs: [{ name: `${value.name}.first`, type: { dtype, shape } }],
    },
    graph.nodeAfter(node),
  );
  graph.replaceUses(value, onlyOutput(back), back);
}

/** `value` transposed; a constant at once, and a transpose of the inverse is undone. */
function transposed(graph: Graph, value: Value, perm: readonly number[], before: Node): Value {
  const producer = value.producer;
  if (producer?.op === "Transpose" && isInverse(permutationOf(producer), perm)) return requiredInput(producer, 0);
  for (const reader of value.readers) {
    if (reader.op === "Transpose" && `${permutationOf(reader)}` === `${perm}` && graph.nodes.indexOf(reader) < graph.nodes.indexOf(before))
      return onlyOutput(reader);
  }
  const { dtype, shape } = typeOf(value);
  if (producer?.op === "DequantizeLinear" && typeOf(requiredInput(producer, 1)).shape.length === 0) {
    // The integers are transposed, a quarter of the bytes, so that what follows still sees a dequantized value.
    const [q, ...parameters] = producer.inputs;
    const integers = transposed(graph, q!, perm, before);
    const type = { dtype, shape: perm.map((axis) => shape[axis]!) };
    const node = graph.add(
      {
        op: producer.op,
        name: `${value.name}.toLast`,
        inputs: [integers, ...parameters],
        sources: producer.sources,
        outputs: [{ name: `${value.name}.last`, type }],
      },
      before,
    );
    return onlyOutput(node);
  }
  const spec = {
    op: "Transpose",
    name: `${value.name}.toLast`,
    inputs: [value],
    attributes: { perm },
    sources: before.sources,
    outputs: [{ name: `${value.name}.last`, type: { dtype, shape: perm.map((axis) => shape[axis]!) } }],
  };
  const node = graph.add(spec, before);
  if (!value.constant) return onlyOutput(node);
  const tensor = evaluateNode(node, [value.constant])[0]!;
  graph.remove(node);
  return graph.addConstant(`${value.name}.last`, tensor);
}

function isInverse(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, i) => b[axis] === i);
}

function isToFirst(node: Node | null): node is Node {
  if (node?.op !== "Transpose") return false;
  const perm = permutationOf(node);
  return perm.length >= 3 && isInverse(perm, toLastPermutation(perm.length));
}

/** Moves toFirst transposes behind the operations that can work on permuted operands. One sweep in topological order suffices. */
function sinkTransposes(graph: Graph): void {
  for (const node of [...graph.nodes]) {
    if (node.op === "Transpose") {
      cancel(graph, node);
      continue;
    }
    const moved = node.inputs.filter((value): value is Value => value !== null && isToFirst(value.producer));
    if (moved.length === 0 || node.channelsLast) continue;
    const rank = typeOf(moved[0]!).shape.length;
    if (moved.some((value) => typeOf(value).shape.length !== rank)) continue;
    const others = node.inputs.filter((value): value is Value => value !== null && value.constant === null && !isToFirst(value.producer));
    const cost = others.reduce((sum, value) => sum + elementCount(typeOf(value).shape), 0);
    const gain = moved.reduce((sum, value) => sum + elementCount(typeOf(value).shape), 0);
    if (others.some((value) => typeOf(value).shape.length > rank) || cost >= gain) continue;
    permuteNode(
      graph,
      node,
      rank,
      (value) => transposed(graph, value, toLastPermutation(rank), node),
      (value) => {
        moveToLast(graph, node, value);
        graph.setAttributes(node, { permuted: 1 });
      },
    );
  }
}

function cancel(graph: Graph, node: Node): void {
  const x = requiredInput(node, 0);
  if (x.producer?.op !== "Transpose") return;
  const inner = permutationOf(x.producer);
  const outer = permutationOf(node);
  if (isInverse(inner, outer)) {
    graph.replaceUses(onlyOutput(node), requiredInput(x.producer, 0));
    return;
  }
  graph.setInput(node, 0, requiredInput(x.producer, 0));
  graph.setAttributes(node, { perm: outer.map((axis) => inner[axis]!) });
}

/** Transposes that move nothing become views; dead ones go. */
function simplifyTransposes(graph: Graph): void {
  for (const node of [...graph.nodes].reverse()) {
    if (node.op !== "Transpose") continue;
    const value = onlyOutput(node);
    if (value.readers.size === 0 && !graph.outputs.includes(value)) {
      graph.remove(node);
      continue;
    }
    const { shape } = typeOf(requiredInput(node, 0));
    const moving = permutationOf(node).filter((axis) => shape[axis] !== 1);
    if (!moving.every((axis, i) => i === 0 || axis > moving[i - 1]!)) continue;
    const target: Tensor = { dtype: "int64", shape: [shape.length], data: BigInt64Array.from(typeOf(value).shape, BigInt) };
    graph.replace(node, { op: "Reshape", inputs: [requiredInput(node, 0), graph.addConstant(`${node.name}.shape`, target)] });
  }
}
