/**
 * Finds activations that exporters write out.
 *
 *   x · sigmoid(x)                                = eqm:Silu(x)
 *   clip(x + 3, 0, 6) / 6                         = HardSigmoid(x),  alpha 1/6, beta 1/2
 *   x · clip(x + 3, 0, 6) / 6, in any order       = HardSwish(x)
 *   x · HardSigmoid(x),  alpha 1/6, beta 1/2      = HardSwish(x)
 *
 * Declines when an intermediate value has other readers, and for other constants. (1/6 may be rounded to float32; division by 6 may be
 * a product with it.)
 */
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { constantScalar, isClamped } from "./constant-operand.ts";
import { soleReader } from "./sole-reader.ts";
import { clampedTo, clampOf, clampRange, type Range } from "./value-range.ts";

/** Fuses activations. Returns how many. */
export function fuseSilu(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    const match = activation(graph, node);
    if (!match) continue;
    const sources = [...new Set([...match.inner.flatMap((inner) => inner.sources), ...node.sources])];
    graph.replace(node, { op: match.op, inputs: [match.x], attributes: match.attributes, sources });
    for (const inner of match.inner) graph.remove(inner);
    fused++;
  }
  return fused;
}

interface Match {
  readonly op: string;
  readonly x: Value;
  readonly attributes: Readonly<Record<string, number>>;
  /** Nodes that go, readers before producers. */
  readonly inner: readonly Node[];
}

const SIXTH = 1 / 6;
const HARD_SIGMOID = { alpha: Math.fround(SIXTH), beta: 0.5 };

function activation(graph: Graph, node: Node): Match | null {
  if ((node.op !== "Mul" && node.op !== "Div") || isClamped(node) || typeOf(onlyOutput(node)).dtype !== "float32") return null;
  if (node.op === "Mul") {
    const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
    const product = gated(graph, a, b) ?? gated(graph, b, a);
    if (product) return product;
  }
  const divided = dividedBySix(node);
  if (!divided || !isLinkTo(graph, divided, node)) return null;
  const raised = clippedAddition(graph, divided);
  if (raised) return { op: "HardSigmoid", x: raised.x, attributes: HARD_SIGMOID, inner: raised.inner };
  const product = divided.producer;
  if (product?.op !== "Mul" || isClamped(product)) return null;
  const [a, b] = [requiredInput(product, 0), requiredInput(product, 1)];
  for (const [x, gate] of [
    [a, b],
    [b, a],
  ] as const) {
    const inner = isLinkTo(graph, gate, product) ? clippedAddition(graph, gate) : null;
    if (inner?.x === x) return { op: "HardSwish", x, attributes: {}, inner: [product, ...inner.inner] };
  }
  return null;
}

/** x · gate(x) */
function gated(graph: Graph, x: Value, gate: Value): Match | null {
  const node = gate.producer;
  if (!node || x === gate || !soleReader(graph, gate) || isClamped(node)) return null;
  if (node.op === "Sigmoid" && node.inputs[0] === x) return { op: "eqm:Silu", x, attributes: {}, inner: [node] };
  if (node.op === "HardSigmoid" && node.inputs[0] === x) {
    const isStandard = isSixth(numberAttribute(node, "alpha", 0.2)) && numberAttribute(node, "beta", 0.5) === 0.5;
    return isStandard ? { op: "HardSwish", x, attributes: {}, inner: [node] } : null;
  }
  const clipped = dividedBySix(node);
  const inner = clipped && isLinkTo(graph, clipped, node) ? clippedAddition(graph, clipped) : null;
  return inner?.x === x ? { op: "HardSwish", x, attributes: {}, inner: [node, ...inner.inner] } : null;
}

/** The value that a node divides by 6. */
function dividedBySix(node: Node): Value | null {
  if ((node.op !== "Mul" && node.op !== "Div") || isClamped(node)) return null;
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const isUnbroadcast = (x: Value): boolean => `${typeOf(x).shape}` === `${typeOf(onlyOutput(node)).shape}`;
  if (node.op === "Div") return constantScalar(b) === 6 && isUnbroadcast(a) ? a : null;
  for (const [x, factor] of [
    [a, b],
    [b, a],
  ] as const) {
    const scalar = constantScalar(factor);
    if (scalar !== null && isSixth(scalar) && isUnbroadcast(x)) return x;
  }
  return null;
}

/** clip(x + 3, 0, 6), as Clip, or as a clamp of the addition. */
function clippedAddition(graph: Graph, value: Value): { readonly x: Value; readonly inner: readonly Node[] } | null {
  const inner: Node[] = [];
  let range: Range = { low: -Infinity, high: Infinity };
  let node = value.producer;
  for (; node && clampRange(node); node = requiredInput(node, 0).producer) {
    range = clampedTo(clampRange(node)!, range);
    inner.push(node);
    if (!isLinkTo(graph, requiredInput(node, 0), node)) return null;
  }
  if (node?.op !== "Add") return null;
  range = clampedTo(clampOf(node), range);
  if (range.low !== 0 || range.high !== 6) return null;
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const x = constantScalar(b) === 3 ? a : constantScalar(a) === 3 ? b : null;
  if (!x || `${typeOf(x).shape}` !== `${typeOf(onlyOutput(node)).shape}`) return null;
  return { x, inner: [...inner, node] };
}

/** Whether `reader` is the only one that needs the value. */
function isLinkTo(graph: Graph, value: Value, reader: Node): boolean {
  return soleReader(graph, value) === reader;
}

function isSixth(x: number): boolean {
  return Math.abs(x * 6 - 1) < 1e-6;
}
