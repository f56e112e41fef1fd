/**
 * Puts channels that go together into another order: wherever a channel lies, in the weights that make it, that read it and that follow it,
 * another one of its class takes its place. What the model computes stays as it was, but for the order of sums.
 */
import { type Graph, requiredInput, type Value } from "../ir/graph.ts";
import type { Channels } from "./channels.ts";
import { take } from "./remove-channels.ts";

/** Which channel takes whose place: the one that comes by the one that was there, by their roots; others stay. */
export type Arrangement = ReadonlyMap<number, number>;

/**
 * Channels that may take each other's places, by their roots: they lie in the same values and constants, equally often in each. Those that are
 * held are left out.
 */
export function exchangeable({ axes, slices, rootOf, heldBy }: Channels): readonly (readonly number[])[] {
  const places = new Map<number, string[]>();
  const mixed = new Set<number>();
  const note = (ids: Int32Array, where: string): void => {
    const counts = new Map<number, { readonly id: number; count: number }>();
    for (const id of ids) {
      const root = rootOf(id);
      const found = counts.get(root);
      if (!found) counts.set(root, { id, count: 1 });
      else if (found.id === id) found.count++;
      // Several channels that go together, as those of a head, have an order of their own.
      else mixed.add(root);
    }
    for (const [root, { count }] of counts) places.set(root, [...(places.get(root) ?? []), `${where}:${count}`]);
  };
  let where = 0;
  for (const { ids } of axes.values()) note(ids, `${where++}`);
  for (const { ids } of slices) note(ids, `${where++}`);
  const classes = new Map<string, number[]>();
  for (const [root, found] of places) {
    if (mixed.has(root) || heldBy(root) !== null) continue;
    const key = found.join(" ");
    classes.set(key, [...(classes.get(key) ?? []), root]);
  }
  return [...classes.values()].filter((roots) => roots.length > 1);
}

/** Rearranges `graph`, whose `channels` are as `traceChannels` found them, within the classes that are `exchangeable`. */
export function arrangeChannels(graph: Graph, { slices, rootOf }: Channels, arrangement: Arrangement): void {
  const made = new Map<string, Value>();
  for (const { node, input, axis, ids } of slices) {
    const order = orderOf(ids, rootOf, arrangement);
    if (order.every((from, to) => from === to)) continue;
    const value = requiredInput(node, input);
    // A constant that several nodes read stays one.
    const key = `${value.name} ${axis} ${order.join()}`;
    const next = made.get(key) ?? graph.addConstant(value.name, take(value.constant!, axis, order));
    made.set(key, next);
    graph.setInput(node, input, next);
  }
}

/** Where what lies at each position comes from. */
function orderOf(ids: Int32Array, rootOf: (id: number) => number, arrangement: Arrangement): readonly number[] {
  const positions = new Map<number, number[]>();
  for (const [i, id] of ids.entries()) positions.set(rootOf(id), [...(positions.get(rootOf(id)) ?? []), i]);
  const taken = new Map<number, number>();
  return Array.from(ids, (id, i) => {
    const root = rootOf(id);
    const nth = taken.get(root) ?? 0;
    taken.set(root, nth + 1);
    return positions.get(arrangement.get(root) ?? root)?.[nth] ?? i;
  });
}
