/**
 * A graph as text, for goldens and for people.
 *
 *   input image float32[1,3,8,8]
 *   %y float32[1,4,8,8] = Conv(%image, %w, _) pads=[1,1,1,1]        one line a node; _ is an omitted input
 *   output %y
 *
 * Constants stand where they are used: small ones in full, {1,2}int64[2]; larger ones as name and type, <w float32[4,3,3,3]>.
 */
import type { Tensor } from "../../host/tensor.ts";
import type { Attribute, Graph, Node, Value, ValueType } from "./graph.ts";

const INLINE_ELEMENTS = 8;

/** `dtype[shape]`, or `?` where the type is not known. */
export function typeText(type: ValueType | null): string {
  return type ? `${type.dtype}[${type.shape.join(",")}]` : "?";
}

/** The whole graph, a line for each input, node and output. */
export function graphText(graph: Graph): string {
  const lines = graph.inputs.map((value) => `input ${value.name} ${typeText(value.type)}`);
  for (const node of graph.nodes) lines.push(nodeText(node));
  const outputs = graph.outputs.map((value, i) =>
    value.name === graph.outputNames[i] ? operandText(value) : `${operandText(value)} as ${graph.outputNames[i]}`,
  );
  lines.push(`output ${outputs.join(", ")}`);
  return `${lines.join("\n")}\n`;
}

/** One node on one line. */
export function nodeText(node: Node): string {
  const outputs = node.outputs.map((value) => `%${value.name} ${typeText(value.type)}`).join(", ");
  const attributes = Object.keys(node.attributes)
    .sort()
    .map((key) => ` ${key}=${attributeText(node.attributes[key]!)}`)
    .join("");
  const layout = node.channelsLast ? " channelsLast" : "";
  return `${outputs} = ${node.op}(${node.inputs.map((value) => (value ? operandText(value) : "_")).join(", ")})${attributes}${layout}`;
}

function operandText(value: Value): string {
  if (!value.constant) return `%${value.name}`;
  const { data } = value.constant;
  if (data.length <= INLINE_ELEMENTS) return tensorText(value.constant);
  return `<${value.name} ${typeText(value.type)}>`;
}

function tensorText(tensor: Tensor): string {
  const shown = Array.from(tensor.data as ArrayLike<number | bigint>, (x) => (typeof x === "bigint" ? `${x}` : numberText(x)));
  return `{${shown.join(",")}}${typeText(tensor)}`;
}

function numberText(x: number): string {
  return Number.isInteger(x) ? `${x}` : `${Number(x.toPrecision(7))}`;
}

function attributeText(value: Attribute): string {
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((v) => (typeof v === "number" ? numberText(v) : JSON.stringify(v))).join(",")}]`;
  return tensorText(value as Tensor);
}
