/** Checks that each name of a graph is defined once, and puts its nodes in order. */
import { invalidModel } from "./errors.ts";
import type { Message } from "./fields.ts";
import { namesRead } from "./scope.ts";

type GraphProto = Message<"GraphProto">;

/** A node and its place in the file. */
export interface PlacedNode {
  readonly proto: Message<"NodeProto">;
  readonly index: number;
}

/** A graph's nodes that its outputs depend on. */
export interface OrderedGraph {
  /** Producers before readers, otherwise as in the file. */
  readonly nodes: readonly PlacedNode[];
  /** Values that a node of `nodes` reads, or that are outputs of the graph. */
  readonly used: ReadonlySet<string>;
}

/**
 * Orders the nodes and drops those that no output depends on.
 *
 * Errors: `invalid-model` where a name is defined twice or never, or nodes feed each other in a circle.
 */
export function orderNodes(graph: GraphProto): OrderedGraph {
  const producers = new Map<string, number>();
  const given = givenNames(graph);
  graph.node.forEach((node, index) => {
    for (const output of node.output) {
      if (output === "") continue;
      if (producers.has(output) || given.has(output))
        throw invalidModel(`two things are named "${output}"; one is an output of ${nodeText(node, index)}`, { name: output });
      producers.set(output, index);
    }
  });
  graph.node.forEach((node, index) => {
    for (const input of namesRead(node)) {
      if (input !== "" && !producers.has(input) && !given.has(input)) {
        throw invalidModel(`${nodeText(node, index)} reads "${input}", which nothing produces`, { name: input });
      }
    }
  });
  const outputs = graph.output.map((output) => output.name ?? "");
  if (outputs.length === 0) throw invalidModel("it has no outputs");
  const named = new Set<string>();
  for (const output of outputs) {
    if (!producers.has(output) && !given.has(output)) throw invalidModel(`its output "${output}" is produced by nothing`, { name: output });
    if (named.has(output)) throw invalidModel(`two outputs are named "${output}"`, { name: output });
    named.add(output);
  }
  refuseCycles(graph, producers);
  const order = sortedFrom(graph, producers, outputs);
  const used = new Set(outputs);
  for (const index of order) for (const input of namesRead(graph.node[index]!)) used.add(input);
  return { nodes: order.map((index) => ({ proto: graph.node[index]!, index })), used };
}

function nodeText(node: Message<"NodeProto">, index: number): string {
  return `the node ${index} (${node.opType ?? "?"}${node.name ? ` "${node.name}"` : ""})`;
}

/** Names of inputs and initializers; an initializer may give an input its value. */
function givenNames(graph: GraphProto): ReadonlySet<string> {
  const inputs = new Set<string>();
  for (const { name = "" } of graph.input) {
    if (name === "") throw invalidModel("an input has no name");
    if (inputs.has(name)) throw invalidModel(`two inputs are named "${name}"`, { name });
    inputs.add(name);
  }
  const initializers = new Set<string>();
  for (const { name = "" } of [...graph.initializer, ...graph.sparseInitializer.map(({ values }) => values ?? { name: "" })]) {
    if (name === "") throw invalidModel("an initializer has no name");
    if (initializers.has(name)) throw invalidModel(`two initializers are named "${name}"`, { name });
    initializers.add(name);
  }
  return new Set([...inputs, ...initializers]);
}

/** Kahn's algorithm over all nodes, dead ones too. */
function refuseCycles(graph: GraphProto, producers: ReadonlyMap<string, number>): void {
  const readers: number[][] = graph.node.map(() => []);
  const waiting = graph.node.map((node, index) => {
    const feeding = new Set(namesRead(node).flatMap((input) => producers.get(input) ?? []));
    for (const producer of feeding) readers[producer]!.push(index);
    return feeding.size;
  });
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let at = 0; at < ready.length; at++) {
    for (const reader of readers[ready[at]!]!) if (--waiting[reader]! === 0) ready.push(reader);
  }
  const stuck = waiting.findIndex((count) => count > 0);
  if (stuck >= 0) throw invalidModel(`${nodeText(graph.node[stuck]!, stuck)} depends on its own output`);
}

/** Depth first from the nodes that are needed, in the file's order; the graph has no cycles. */
function sortedFrom(graph: GraphProto, producers: ReadonlyMap<string, number>, outputs: readonly string[]): readonly number[] {
  const live = new Set<number>();
  const open = outputs.flatMap((output) => producers.get(output) ?? []);
  while (open.length > 0) {
    const index = open.pop()!;
    if (live.has(index)) continue;
    live.add(index);
    for (const input of namesRead(graph.node[index]!)) {
      const producer = producers.get(input);
      if (producer !== undefined && !live.has(producer)) open.push(producer);
    }
  }
  const done = new Set<number>();
  const order: number[] = [];
  const stack: { readonly index: number; next: number }[] = [];
  for (const root of [...live].sort((a, b) => a - b)) {
    if (!done.has(root)) stack.push({ index: root, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const input = namesRead(graph.node[top.index]!);
      if (top.next < input.length) {
        const producer = producers.get(input[top.next++]!);
        if (producer !== undefined && !done.has(producer)) stack.push({ index: producer, next: 0 });
      } else {
        stack.pop();
        if (!done.has(top.index)) order.push(top.index);
        done.add(top.index);
      }
    }
  }
  return order;
}
