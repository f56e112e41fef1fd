/**
 * From uint8 to int8, which the kernels work on, and from weights with zero points to weights without.
 *
 *   dequantize(q, s, z) = dequantize(q − 128, s, z − 128)          q uint8, q − 128 int8
 *   quantize(x, s, z)   = quantize(x, s, z − 128) + 128
 *   dequantize(w, s, z) = dequantize(w − z, s, 0)                  w constant, where w − z fits int8
 *
 * Where uint8 comes from outside, or has to be seen outside, dequantizing it with scale 1 and quantizing it again stands for ± 128: lowering makes
 * a look-up of the pair. Declines for computed zero points, and where neither side works on int8.
 */
import { type DType, elementCount, type Tensor } from "../../../host/tensor.ts";
import { numberAttribute } from "../../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../../ir/graph.ts";
import { addDequantize, addQuantize, type TensorParameters } from "./parameters.ts";

const UNSIGNED: TensorParameters = { dtype: "uint8", scale: 1, zeroPoint: 128 };
const SIGNED: TensorParameters = { dtype: "int8", scale: 1, zeroPoint: 0 };

/** Rewrites what it can. Returns how many nodes it rewrote. */
export function makeSigned(graph: Graph): number {
  let rewritten = 0;
  const pairs = new Map<Value, Value>();
  for (const node of [...graph.nodes]) {
    if (node.op === "QuantizeLinear" ? quantizeSigned(graph, node) : node.op === "DequantizeLinear" && dequantizeSigned(graph, node, pairs))
      rewritten++;
  }
  return rewritten;
}

/** The zero points of a node whose quantized side has that type, where they are known: none are zeros. */
function zeroPoints(node: Node, dtype: DType): ArrayLike<number> | null {
  const [, scale, zero] = node.inputs;
  if (!scale || typeOf(node.op === "QuantizeLinear" ? onlyOutput(node) : requiredInput(node, 0)).dtype !== dtype) return null;
  if (!zero) return new Uint8Array(elementCount(typeOf(scale).shape));
  return (zero.constant?.data as ArrayLike<number> | undefined) ?? null;
}

/** A constant of int8 zero points, of the shape of the scales. */
function zeroConstant(graph: Graph, node: Node, values: ArrayLike<number>): Value {
  const scale = requiredInput(node, 1);
  return graph.addConstant(`${node.name}.zeroPoint`, { dtype: "int8", shape: typeOf(scale).shape, data: Int8Array.from(values) });
}

function shifted(values: ArrayLike<number>): readonly number[] {
  return Array.from(values, (z) => z - 128);
}

/** What an int8 step computes goes to int8, and from there to uint8; dequantizing readers follow when it is their turn. */
function quantizeSigned(graph: Graph, node: Node): boolean {
  const zeros = zeroPoints(node, "uint8");
  const value = onlyOutput(node);
  const isDequantized = [...value.readers].some((reader) => reader.op === "DequantizeLinear" && zeroPoints(reader, "uint8") !== null);
  if (!zeros || (!isDequantized && !isMadeOfIntegers(requiredInput(node, 0)))) return false;
  const { shape } = typeOf(value);
  const integers = onlyOutput(
    graph.add(
      {
        op: "QuantizeLinear",
        name: node.name,
        inputs: [node.inputs[0]!, node.inputs[1]!, zeroConstant(graph, node, shifted(zeros))],
        attributes: withoutType(node),
        sources: node.sources,
        outputs: [{ name: `${value.name}.signed`, type: { dtype: "int8", shape } }],
      },
      node,
    ),
  );
  graph.replaceUses(value, addQuantize(graph, addDequantize(graph, integers, SIGNED, node.sources, node), UNSIGNED, node.sources, node));
  graph.remove(node);
  return true;
}

/** Whether a node with dequantized operands computes the value, perhaps seen through others that only move elements. */
function isMadeOfIntegers(value: Value): boolean {
  const { producer } = value;
  return (
    producer !== null && producer.op !== "DequantizeLinear" && producer.inputs.some((input) => input?.producer?.op === "DequantizeLinear")
  );
}

function dequantizeSigned(graph: Graph, node: Node, pairs: Map<Value, Value>): boolean {
  const q = requiredInput(node, 0);
  const isUnsigned = typeOf(q).dtype === "uint8";
  const zeros = zeroPoints(node, isUnsigned ? "uint8" : "int8");
  if (!zeros || (q.constant && !isUnsigned && Array.from(zeros).every((z) => z === 0))) return false;
  const centred = q.constant ? centredConstant(node, q.constant, zeros) : null;
  if (centred) {
    const zero = zeroConstant(graph, node, new Int8Array(elementCount(typeOf(requiredInput(node, 1)).shape)));
    replaceOperand(graph, node, graph.addConstant(q.name, centred), zero);
    return true;
  }
  // What only leaves the model is dequantized as it comes; what is quantized again, as that of other bytes, is looked up at once.
  const { readers } = onlyOutput(node);
  if (!isUnsigned || (readers.size === 0 && !originOf(q.producer, SIGNED, "int8"))) return false;
  if (readers.size > 0 && [...readers].every(({ op }) => op === "QuantizeLinear") && !graph.outputs.includes(onlyOutput(node)))
    return false;
  replaceOperand(graph, node, signedForm(graph, q, node, pairs), zeroConstant(graph, node, shifted(zeros)));
  return true;
}

function replaceOperand(graph: Graph, node: Node, integers: Value, zero: Value): void {
  graph.replace(node, { op: node.op, inputs: [integers, node.inputs[1]!, zero], attributes: node.attributes });
}

/** uint8 as int8: what it was made of, or a new pair of nodes, which all who ask share by way of `pairs`. */
function signedForm(graph: Graph, q: Value, before: Node, pairs: Map<Value, Value>): Value {
  if (q.constant) {
    const data = Int8Array.from(q.constant.data as Uint8Array, (x) => x - 128);
    return graph.addConstant(q.name, { dtype: "int8", shape: q.constant.shape, data });
  }
  const made = originOf(q.producer, SIGNED, "int8");
  if (made) return made;
  const known = pairs.get(q);
  if (known) return known;
  const pair = addQuantize(graph, addDequantize(graph, q, UNSIGNED, before.sources, before), SIGNED, before.sources, before);
  pairs.set(q, pair);
  return pair;
}

/** What a pair of nodes that stands for ± 128 was given, `quantize` its second. */
function originOf(quantize: Node | null, given: TensorParameters, dtype: DType): Value | null {
  const dequantize = quantize?.op === "QuantizeLinear" ? requiredInput(quantize, 0).producer : null;
  if (dequantize?.op !== "DequantizeLinear") return null;
  const origin = requiredInput(dequantize, 0);
  const isGiven = typeOf(origin).dtype === dtype && Number(requiredInput(dequantize, 1).constant?.data[0]) === given.scale;
  return isGiven && typeOf(onlyOutput(quantize!)).dtype !== dtype && requiredInput(quantize!, 1).constant?.data[0] === 1 ? origin : null;
}

/** q − zero as int8, or null where that does not fit. */
function centredConstant(node: Node, { shape, data }: Tensor, zeros: ArrayLike<number>): Tensor | null {
  if (numberAttribute(node, "block_size", 0) !== 0) return null;
  const given = numberAttribute(node, "axis", 1);
  const inner = elementCount(shape.slice((given < 0 ? given + shape.length : given) + 1));
  const at = zeros.length === 1 ? () => zeros[0]! : (i: number) => zeros[Math.floor(i / inner) % zeros.length]!;
  const integers = data as Int8Array | Uint8Array;
  if (!integers.every((q, i) => q - at(i) >= -128 && q - at(i) <= 127)) return null;
  return { dtype: "int8", shape, data: Int8Array.from(integers, (q, i) => q - at(i)) };
}

function withoutType({ attributes }: Node): Node["attributes"] {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== "output_dtype"));
}
