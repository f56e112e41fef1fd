/**
 * Finds GELU as exporters write it out, in any order of its factors.
 *
 *   ½ · x · (1 + erf(x / √2))                          = Gelu(x)
 *   ½ · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))   = Gelu(x), approximate = "tanh"
 *
 * What erf and tanh are given is read as a polynomial in x, so that it does not matter how that is written. Constants may be rounded to
 * five digits. Declines when an intermediate value has other readers, or a clamp.
 */
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { constantScalar, isClamped } from "./constant-operand.ts";

/** Fuses GELU. Returns how many. */
export function fuseGelu(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    const match = gelu(graph, node);
    if (!match) continue;
    const inner = [...match.inner].sort((a, b) => graph.nodes.indexOf(b) - graph.nodes.indexOf(a));
    const sources = [...new Set([...[...inner].reverse().flatMap((one) => one.sources), ...node.sources])];
    graph.replace(node, { op: "Gelu", inputs: [match.x], attributes: match.attributes, sources });
    for (const one of inner) graph.remove(one);
    fused++;
  }
  return fused;
}

interface Match {
  readonly x: Value;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inner: ReadonlySet<Node>;
}

const ROOT_2_OVER_PI = 0.7978845608028654;

/** Coefficients of 1, x, x², x³ in what the function is given. */
const ARGUMENTS: Readonly<Record<string, readonly number[]>> = {
  Erf: [0, Math.SQRT1_2, 0, 0],
  Tanh: [0, ROOT_2_OVER_PI, 0, ROOT_2_OVER_PI * 0.044715],
};

function gelu(graph: Graph, root: Node): Match | null {
  if ((root.op !== "Mul" && root.op !== "Div") || isClamped(root)) return null;
  const shape = `${typeOf(onlyOutput(root)).shape}`;
  const inner = new Set<Node>();
  const product = factorsOf(root, inner);
  if (product?.factors.length !== 2 || !isNear(product.constant, 0.5)) return null;
  for (const [x, raised] of [product.factors, [...product.factors].reverse()] as [Value, Value][]) {
    const within = new Set(inner);
    const bell = oneMore(raised, within);
    const wanted = bell && ARGUMENTS[bell.op];
    if (!wanted || isClamped(bell)) continue;
    const argument = polynomialIn(x, requiredInput(bell, 0), within, 0);
    if (!argument?.every((c, i) => isNear(c, wanted[i]!)) || `${typeOf(x).shape}` !== shape || !isInterior(graph, within, root)) continue;
    return { x, attributes: { approximate: bell.op === "Erf" ? "none" : "tanh" }, inner: within };
  }
  return null;
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= 5e-5 * Math.max(Math.abs(b), 1e-3);
}

/** A product as a constant times values, through products that nobody else reads. */
function factorsOf(node: Node, inner: Set<Node>): { readonly constant: number; readonly factors: readonly Value[] } | null {
  let constant = 1;
  const factors: Value[] = [];
  const take = (one: Node): void => {
    const [a, b] = [requiredInput(one, 0), requiredInput(one, 1)];
    const divisor = one.op === "Div" ? constantScalar(b) : null;
    if (one.op === "Div" && divisor === null) {
      factors.push(onlyOutput(one));
      return;
    }
    inner.add(one);
    constant /= divisor ?? 1;
    for (const value of one.op === "Div" ? [a] : [a, b]) {
      const scalar = constantScalar(value);
      const product = value.producer;
      const isProduct = (product?.op === "Mul" || product?.op === "Div") && value.readers.size === 1 && !isClamped(product);
      if (scalar !== null) constant *= scalar;
      else if (isProduct && factors.length < 3) take(product);
      else factors.push(value);
    }
  };
  take(node);
  inner.delete(node);
  return { constant, factors };
}

/** The node whose result is one less than `value`. */
function oneMore(value: Value, inner: Set<Node>): Node | null {
  const node = value.producer;
  if (node?.op !== "Add" || isClamped(node)) return null;
  const side = [0, 1].find((i) => constantScalar(node.inputs[i]) === 1);
  const bell = side === undefined ? null : requiredInput(node, 1 - side).producer;
  if (!bell) return null;
  inner.add(node);
  inner.add(bell);
  return bell;
}

const MOST_STEPS = 8;

/** `value` as a polynomial in x of degree 3 at most, by its four coefficients; null where it is none. Adds the nodes that compute it to `inner`. */
function polynomialIn(x: Value, value: Value, inner: Set<Node>, depth: number): readonly number[] | null {
  if (value === x) return [0, 1, 0, 0];
  const scalar = constantScalar(value);
  if (scalar !== null) return [scalar, 0, 0, 0];
  const node = value.producer;
  if (!node || depth > MOST_STEPS || isClamped(node) || !["Add", "Mul", "Div", "Pow"].includes(node.op)) return null;
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)].map((operand) => polynomialIn(x, operand, inner, depth + 1));
  if (!a || !b) return null;
  inner.add(node);
  const isConstant = b.slice(1).every((c) => c === 0);
  switch (node.op) {
    case "Add":
      return a.map((c, i) => c + b[i]!);
    case "Mul":
      return times(a, b);
    case "Div":
      return isConstant ? a.map((c) => c / b[0]!) : null;
    default: {
      if (!isConstant || (b[0] !== 2 && b[0] !== 3)) return null;
      const square = times(a, a);
      return b[0] === 2 ? square : square && times(square, a);
    }
  }
}

/** The product of two polynomials; null where its degree is above 3. */
function times(a: readonly number[], b: readonly number[]): readonly number[] | null {
  const product = [0, 0, 0, 0];
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      if (a[i] === 0 || b[j] === 0) continue;
      if (i + j > 3) return null;
      product[i + j]! += a[i]! * b[j]!;
    }
  }
  return product;
}

/** Whether nobody but the pattern itself reads what its inner nodes compute. */
function isInterior(graph: Graph, inner: ReadonlySet<Node>, root: Node): boolean {
  return [...inner].every((node) =>
    node.outputs.every(
      (value) => !graph.outputs.includes(value) && [...value.readers].every((reader) => reader === root || inner.has(reader)),
    ),
  );
}
