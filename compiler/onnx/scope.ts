/** Names in graphs within graphs: what a node reads, subgraphs included, and nodes under other names. */
import type { Message } from "./fields.ts";

type NodeProto = Message<"NodeProto">;
type GraphProto = Message<"GraphProto">;

const reads = new WeakMap<NodeProto, readonly string[]>();

/** Names that a node reads: its inputs, and what its subgraphs take from outside. Left-out inputs are among them, as "". */
export function namesRead(node: NodeProto): readonly string[] {
  const known = reads.get(node);
  if (known) return known;
  const names = node.attribute.some(({ g, graphs }) => g || graphs.length > 0)
    ? [...new Set([...node.input, ...subgraphs(node).flatMap(capturedNames)])]
    : node.input;
  reads.set(node, names);
  return names;
}

/** The subgraphs of a node. */
export function subgraphs({ attribute }: NodeProto): readonly GraphProto[] {
  return attribute.flatMap(({ g, graphs }) => [...(g ? [g] : []), ...graphs]);
}

/** Names that a graph itself defines. */
export function definedNames(graph: GraphProto): ReadonlySet<string> {
  return new Set([
    ...graph.initializer.map(({ name }) => name ?? ""),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ""),
    ...graph.input.map(({ name }) => name ?? ""),
    ...graph.node.flatMap(({ output }) => output),
  ]);
}

/** What a graph reads and does not define. */
function capturedNames(graph: GraphProto): readonly string[] {
  const own = definedNames(graph);
  const names = [...graph.node.flatMap(namesRead), ...graph.output.map(({ name }) => name ?? "")];
  return [...new Set(names)].filter((name) => name !== "" && !own.has(name));
}

/** Names to other ones. */
export type NameMap = (name: string) => string;

/** The node under other names, its subgraphs too: there, what they define themselves keeps its name. */
export function renamedNode(node: NodeProto, map: NameMap): NodeProto {
  return {
    ...node,
    input: node.input.map((name) => (name === "" ? "" : map(name))),
    output: node.output.map((name) => (name === "" ? "" : map(name))),
    attribute: node.attribute.map((attribute) =>
      attribute.g || attribute.graphs.length > 0
        ? {
            ...attribute,
            g: attribute.g && renamedGraph(attribute.g, map),
            graphs: attribute.graphs.map((graph) => renamedGraph(graph, map)),
          }
        : attribute,
    ),
  };
}

function renamedGraph(graph: GraphProto, map: NameMap): GraphProto {
  const own = definedNames(graph);
  const outer: NameMap = (name) => (own.has(name) ? name : map(name));
  return {
    ...graph,
    node: graph.node.map((node) => renamedNode(node, outer)),
    output: graph.output.map((output) => ({ ...output, name: outer(output.name ?? "") })),
  };
}
