/** Puts the channels of a float graph into the order that makes run-safe weights cost least (run-order.ts), wherever they may change places. */
import { runOf } from "../../format/packings.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import type { Watch } from "../quantize/calibrate.ts";
import { arrangeChannels, exchangeable } from "./arrange-channels.ts";
import { type Slice, traceChannels } from "./channels.ts";
import { orderForRuns, type Reader } from "./run-order.ts";

/** Channels are packed in eights, of which two runs are made. */
const PACKED = 8;

/** Orders the channels of `graph` in place; what it computes stays as it was, but for the order of sums. */
export async function orderChannels(graph: Graph, { pause, step }: Watch): Promise<void> {
  const channels = traceChannels(graph);
  const arrangement = new Map<number, number>();
  const classes = exchangeable(channels);
  for (const [i, roots] of classes.entries()) {
    const readers = channels.slices.flatMap((slice) => readerOf(slice, roots, channels.rootOf) ?? []);
    const { order } = await orderForRuns(roots.length, readers, pause);
    roots.forEach((root, place) => {
      arrangement.set(root, roots[order[place]!]!);
    });
    step(i + 1, classes.length);
  }
  arrangeChannels(graph, channels, arrangement);
}

/** What a slice of weights makes of a class of channels, in the order of `roots`; null where they are in no runs there. */
function readerOf({ node, input, axis, ids, role }: Slice, roots: readonly number[], rootOf: (id: number) => number): Reader | null {
  if (role !== "reads") return null;
  const { shape, data } = requiredInput(node, input).constant!;
  const isConv = node.op === "Conv" && numberAttribute(node, "group", 1) === 1 && axis === 1;
  if (!isConv && !((node.op === "Gemm" || node.op === "MatMul") && shape.length === 2)) return null;
  const placeOf = new Map(roots.map((root, place) => [root, place]));
  const found = Int32Array.from(ids, (id) => placeOf.get(rootOf(id)) ?? -1);
  if (found.filter((place) => place >= 0).length !== roots.length || new Set(found).size < roots.length) return null;
  const outputs = isConv ? shape[0]! : shape[1 - axis]!;
  const taps = data.length / (outputs * ids.length);
  // The values of one place of the kernel follow those of another.
  if (taps > 1 && ids.length % PACKED !== 0) return null;
  const rows = outputs * taps;
  const weightAt = (channel: number, row: number): number => {
    if (!isConv) return Number(axis === 0 ? data[channel * outputs + row] : data[row * ids.length + channel]);
    return Number(data[(Math.floor(row / taps) * ids.length + channel) * taps + (row % taps)]);
  };
  const ofOutputs = new Float32Array(outputs);
  for (let row = 0; row < rows; row++) {
    const output = Math.floor(row / taps);
    for (let k = 0; k < ids.length; k++) ofOutputs[output] = Math.max(ofOutputs[output]!, Math.abs(weightAt(k, row)));
  }
  const rowsOf = (of: Int32Array): Float32Array =>
    Float32Array.from({ length: of.length * rows }, (_, i) => weightAt(of[Math.floor(i / rows)]!, i % rows));
  const moving = new Int32Array(roots.length);
  for (const [k, place] of found.entries()) if (place >= 0) moving[place] = k;
  const fixed = Int32Array.from(found.keys()).filter((k) => found[k]! < 0);
  const largest = Float32Array.from({ length: rows }, (_, row) => ofOutputs[Math.floor(row / taps)]!);
  return { rows, weights: rowsOf(moving), largest, runs: moving.map(runOf), fixed: rowsOf(fixed), fixedRuns: fixed.map(runOf) };
}
