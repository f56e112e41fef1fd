/**
 * Folds Pad into the windows of the nodes behind it, whose kernels skip what is outside for nothing.
 *
 *   conv(pad(x, p), pads q) = conv(x, pads p + q)                     zeros
 *   average(pad(x, p), pads q) = average(x, pads p + q)               zeros, where padding counts in the divisor (or q = 0)
 *   maximum(pad(x, p), pads q) = maximum(x, pads p + q)               −∞; or zeros where x ≥ 0 and q = 0
 *
 * Declines for other modes and values, where channels or the batch are padded, where padding is negative (a crop), where a window of a
 * pool could lie outside of x altogether or rounds up (ceil_mode), and unless all readers of the padded value can take it.
 */
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { constantNumbers, constantScalar } from "./constant-operand.ts";
import { rangeOf } from "./value-range.ts";
import { padsNothing, type WindowPads, windowExtents, windowPads } from "./window-pads.ts";

const LOWEST_FLOAT = -3.4028234663852886e38;

/** Folds every Pad that all its readers can take. Returns how many. */
export function fusePad(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    if (node.op !== "Pad") continue;
    const value = onlyOutput(node);
    const pads = constantPads(node);
    const fill = node.inputs[2] ? constantScalar(node.inputs[2]) : 0;
    const readers = [...value.readers];
    if (!pads || fill === null || readers.length === 0 || graph.outputs.includes(value)) continue;
    if (typeOf(value).dtype !== "float32" || !readers.every((reader) => takes(reader, node, pads, fill))) continue;
    for (const reader of readers) foldInto(graph, node, reader, pads);
    graph.remove(node);
    fused++;
  }
  return fused;
}

/** What a Pad of constants adds to the spatial axes of N, C, spatial…; null where it does something else. */
function constantPads(node: Node): WindowPads | null {
  const { shape } = typeOf(requiredInput(node, 0));
  const amounts = constantNumbers(node.inputs[1]);
  const axes = node.inputs[3] ? constantNumbers(node.inputs[3]) : shape.map((_, i) => i);
  if (!amounts || !axes || shape.length < 3 || stringAttribute(node, "mode", "constant") !== "constant" || amounts.some((p) => p < 0))
    return null;
  const begin = shape.map(() => 0);
  const end = shape.map(() => 0);
  axes.forEach((axis, i) => {
    const at = axis < 0 ? axis + shape.length : axis;
    begin[at] = amounts[i]!;
    end[at] = amounts[axes.length + i]!;
  });
  if (begin[0] !== 0 || end[0] !== 0 || begin[1] !== 0 || end[1] !== 0) return null;
  return { begin: begin.slice(2), end: end.slice(2) };
}

function takes(reader: Node, pad: Node, pads: WindowPads, fill: number): boolean {
  const value = onlyOutput(pad);
  if (reader.channelsLast || reader.inputs.filter((input) => input === value).length !== 1 || reader.inputs[0] !== value) return false;
  if (reader.op === "Conv") return fill === 0;
  if (reader.op !== "AveragePool" && reader.op !== "MaxPool") return false;
  if (reader.outputs.length !== 1 || numberAttribute(reader, "ceil_mode", 0) !== 0) return false;
  const own = windowPads(reader);
  const extents = windowExtents(reader);
  const isInside = extents.every((extent, i) => own.begin[i]! + pads.begin[i]! < extent && own.end[i]! + pads.end[i]! < extent);
  const isDense = (reader.attributes.dilations as readonly number[] | undefined)?.every((d) => d === 1) ?? true;
  if (!isInside || !isDense) return false;
  if (reader.op === "AveragePool") return fill === 0 && (padsNothing(reader) || numberAttribute(reader, "count_include_pad", 0) !== 0);
  return fill <= LOWEST_FLOAT || (fill === 0 && padsNothing(reader) && rangeOf(requiredInput(pad, 0)).low >= 0);
}

function foldInto(graph: Graph, pad: Node, reader: Node, { begin, end }: WindowPads): void {
  const own = windowPads(reader);
  const pads = [...begin.map((p, i) => p + own.begin[i]!), ...end.map((p, i) => p + own.end[i]!)];
  graph.setInput(reader, 0, requiredInput(pad, 0));
  graph.setAttributes(reader, { pads, auto_pad: undefined, ...(reader.op === "AveragePool" ? { count_include_pad: 1 } : {}) });
  graph.addSources(reader, pad.sources);
}
