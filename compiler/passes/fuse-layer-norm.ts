/**
 * Finds layer normalizations that exporters write out.
 *
 *   d = x − mean(x);  v = mean(d²);  y = d / √(v + ε) · γ + β  = LayerNormalization(x, γ, β)
 *                     v = mean(x²);  y = x / √(v + ε) · γ      = RMSNormalization(x, γ)
 *
 * The means run over the last axes and keep them. d² is d·d or d to the power 2, of the same difference or of one like it; the quotient may be a
 * product with a reciprocal; γ and β may be missing, and lie along the normalized axes alone. Declines when another value on the way has
 * other readers, or a clamp.
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { alongTrailing, constantFactor, constantNumbers, constantScalar, isClamped } from "./constant-operand.ts";
import { soleReader } from "./sole-reader.ts";

/** Fuses layer normalizations. Returns how many. */
export function fuseLayerNorm(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    const match = normalization(node);
    if (match && replace(graph, match)) fused++;
  }
  return fused;
}

interface Match {
  readonly op: "LayerNormalization" | "RMSNormalization";
  readonly x: Value;
  /** The first normalized axis. */
  readonly first: number;
  readonly epsilon: number;
  /** The quotient, which becomes the normalization. */
  readonly quotient: Node;
  /** What leads to it, readers before producers. */
  readonly inner: readonly Node[];
}

/** The quotient's pattern, from its end to x. */
function normalization(quotient: Node): Match | null {
  const sides = quotientOf(quotient);
  if (!sides) return null;
  const { difference, root, inner } = sides;
  const shifted = root.op === "Sqrt" ? producer(root, 0, "Add") : null;
  if (!shifted) return null;
  const variance = [0, 1].map((i) => producer(shifted, i, "ReduceMean")).find((node) => node) ?? null;
  const epsilon = [0, 1].map((i) => constantScalar(shifted.inputs[i])).find((value) => value !== null) ?? null;
  const squares = variance?.inputs[0]?.producer;
  if (!variance || epsilon === null || epsilon < 0 || !squares) return null;
  const squared = squareOf(squares);
  const base = squared && centredBase(difference, squared);
  if (!base) return null;
  const { x, inner: centring } = base;
  const rank = typeOf(x).shape.length;
  const axes = [variance, ...centring.filter(({ op }) => op === "ReduceMean")].map((mean) => keptTrailingAxis(mean, rank));
  const [first] = axes;
  if (first === undefined || first === null || axes.some((axis) => axis !== first)) return null;
  if (`${typeOf(onlyOutput(quotient)).shape}` !== `${typeOf(x).shape}` || typeOf(x).dtype !== "float32") return null;
  const op = centring.length > 0 ? "LayerNormalization" : "RMSNormalization";
  return { op, x, first, epsilon, quotient, inner: [...inner, root, shifted, variance, squares, ...centring] };
}

/** The x of two equal differences x − mean(x), with the nodes that lead to them, readers first; or a value that is itself divided and squared. */
function centredBase(difference: Value, squared: Value): { readonly x: Value; readonly inner: readonly Node[] } | null {
  const [divided, other] = [differenceOf(difference), differenceOf(squared)];
  if (divided && other?.x === divided.x) {
    return { x: divided.x, inner: [...new Set([difference.producer!, squared.producer!, divided.mean, other.mean])] };
  }
  return difference === squared ? { x: difference, inner: [] } : null;
}

/** d / root, or d · (1 / root). */
function quotientOf(node: Node): { readonly difference: Value; readonly root: Node; readonly inner: readonly Node[] } | null {
  if (node.op === "Div") {
    const root = requiredInput(node, 1).producer;
    return root ? { difference: requiredInput(node, 0), root, inner: [] } : null;
  }
  if (node.op !== "Mul") return null;
  for (const [side, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const reciprocal = requiredInput(node, side).producer;
    const isReciprocal =
      reciprocal?.op === "Reciprocal" || (reciprocal?.op === "Div" && constantScalar(reciprocal.inputs[0]) === 1 && !isClamped(reciprocal));
    const root = isReciprocal ? requiredInput(reciprocal, reciprocal.op === "Div" ? 1 : 0).producer : null;
    if (reciprocal && root) return { difference: requiredInput(node, other), root, inner: [reciprocal] };
  }
  return null;
}

/** The value that a node squares. */
function squareOf(node: Node): Value | null {
  const [a, b] = [node.inputs[0] ?? null, node.inputs[1] ?? null];
  if (node.op === "Pow") return constantScalar(b) === 2 ? a : null;
  return node.op === "Mul" && a === b ? a : null;
}

/** x − mean(x). */
function differenceOf(value: Value): { readonly x: Value; readonly mean: Node } | null {
  const node = value.producer;
  const mean = node?.op === "Sub" ? producer(node, 1, "ReduceMean") : null;
  const x = node?.inputs[0];
  return mean && x && mean.inputs[0] === x ? { x, mean } : null;
}

function producer(node: Node, index: number, op: string): Node | null {
  const found = node.inputs[index]?.producer;
  return found?.op === op ? found : null;
}

/** The first of the axes that a ReduceMean takes away, where those are the last ones and stay with length 1. */
function keptTrailingAxis(mean: Node, rank: number): number | null {
  const axes = constantNumbers(mean.inputs[1])
    ?.map((axis) => (axis < 0 ? axis + rank : axis))
    .sort((a, b) => a - b);
  if (!axes?.length || numberAttribute(mean, "keepdims", 1) === 0) return null;
  return axes.every((axis, i) => axis === rank - axes.length + i) ? rank - axes.length : null;
}

function replace(graph: Graph, { op, x, first, epsilon, quotient, inner }: Match): boolean {
  const pattern = new Set([...inner, quotient]);
  const isWithin = (node: Node): boolean =>
    node.outputs.every((value) => !graph.outputs.includes(value) && [...value.readers].every((reader) => pattern.has(reader)));
  if (![...inner, quotient].every((node) => !isClamped(node)) || !inner.every(isWithin)) return false;
  const { shape } = typeOf(x);
  const scaled = parameterStep(graph, quotient, "Mul", shape, first);
  const shifted = op === "LayerNormalization" ? parameterStep(graph, scaled?.node ?? quotient, "Add", shape, first) : null;
  const last = shifted?.node ?? scaled?.node ?? quotient;
  const dims = shape.slice(first);
  const parameter = (name: string, values: ArrayLike<number>): Value =>
    graph.addConstant(`${quotient.name}.${name}`, { dtype: "float32", shape: dims, data: Float32Array.from(values) });
  const scale = parameter("scale", scaled?.values ?? new Float32Array(elementCount(dims)).fill(1));
  const bias = shifted ? [parameter("bias", shifted.values)] : [];
  const tail = [shifted?.node, scaled?.node, quotient].filter((node): node is Node => node !== undefined);
  const sources = [...new Set([...[...inner].reverse(), ...[...tail].reverse()].flatMap((node) => node.sources))];
  graph.replace(last, { op, inputs: [x, scale, ...bias], attributes: { axis: first, epsilon }, sources });
  for (const node of tail.slice(1)) graph.remove(node);
  for (const node of inner) graph.remove(node);
  return true;
}

/** The product with γ or the sum with β that alone reads the node's result. */
function parameterStep(
  graph: Graph,
  node: Node,
  op: "Mul" | "Add",
  shape: readonly number[],
  first: number,
): { readonly node: Node; readonly values: Float64Array } | null {
  const result = onlyOutput(node);
  const reader = soleReader(graph, result);
  if (reader?.op !== op || isClamped(node) || isClamped(reader) || `${typeOf(onlyOutput(reader)).shape}` !== `${shape}`) return null;
  const factor = constantFactor(reader.inputs[reader.inputs[0] === result ? 1 : 0]);
  const values = factor && alongTrailing(factor, shape, first);
  return values ? { node: reader, values } : null;
}
