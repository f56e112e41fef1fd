/**
 * Checks what every graph promises, whatever passes did to it: nodes in topological order, single assignment, readers that
 * are those that read, types that are there and fit the constants.
 */
import { dtypeOfArray, elementCount, type Tensor } from "../../host/tensor.ts";
import type { Graph, Node, Value } from "./graph.ts";

/** Throws one `Error("unreachable: …")` that lists everything that is wrong; types are checked unless `typed` is false. */
export function verifyGraph(graph: Graph, typed = true): void {
  const problems: string[] = [];
  const readers = new Map<Value, Set<Node>>();
  const defined = new Set<Value>();
  const names = new Map<string, Value>();
  const nodes = new Set<Node>();

  const meet = (value: Value): void => {
    if (readers.has(value)) return;
    readers.set(value, new Set());
    const other = names.get(value.name);
    if (other && other !== value) problems.push(`two values are named ${value.name}`);
    names.set(value.name, value);
    const origins = Number(value.producer !== null) + Number(value.constant !== null) + Number(graph.inputs.includes(value));
    if (origins !== 1) problems.push(`${value.name} has ${origins} origins`);
    problems.push(...typeProblems(value, typed));
  };
  const read = (value: Value, where: string): void => {
    meet(value);
    if (!value.constant && !defined.has(value)) problems.push(`${where} reads ${value.name} before it is defined`);
  };

  for (const input of graph.inputs) {
    meet(input);
    defined.add(input);
  }
  for (const node of graph.nodes) {
    if (nodes.has(node)) problems.push(`${node.name} is listed twice`);
    nodes.add(node);
    for (const input of node.inputs) {
      if (!input) continue;
      read(input, node.name);
      readers.get(input)!.add(node);
    }
    for (const output of node.outputs) {
      if (defined.has(output)) problems.push(`${output.name} is defined twice`);
      if (output.producer !== node) problems.push(`${output.name} does not know its producer ${node.name}`);
      meet(output);
      defined.add(output);
    }
  }
  for (const output of graph.outputs) read(output, "the graph's output");
  for (const [value, expected] of readers) {
    if (expected.size !== value.readers.size || [...expected].some((node) => !value.readers.has(node))) {
      problems.push(`${value.name} is read by [${namesOf(expected)}] and says [${namesOf(value.readers)}]`);
    }
  }
  if (graph.outputNames.length !== graph.outputs.length)
    problems.push(`${graph.outputs.length} outputs have ${graph.outputNames.length} names`);
  if (new Set(graph.outputNames).size !== graph.outputNames.length)
    problems.push(`two outputs are named alike: ${graph.outputNames.join(", ")}`);
  if (problems.length > 0) throw new Error(`unreachable: the graph is broken: ${problems.join("; ")}`);
}

function typeProblems(value: Value, typed: boolean): readonly string[] {
  const { name, type, constant } = value;
  if (!type) return typed || constant ? [`${name} has no type`] : [];
  const problems: string[] = [];
  if (type.shape.some((d) => !Number.isSafeInteger(d) || d < 0)) problems.push(`${name} has the shape [${type.shape}]`);
  if (!constant) return problems;
  if (constant.dtype !== type.dtype || `${constant.shape}` !== `${type.shape}`) problems.push(`${name} has another type than its constant`);
  if (constant.data.length !== elementCount(constant.shape))
    problems.push(`${name} has ${constant.data.length} elements for the shape [${constant.shape}]`);
  if (!isArrayOf(constant)) problems.push(`${name} holds its ${constant.dtype} elements in another array`);
  return problems;
}

function isArrayOf({ dtype, data }: Tensor): boolean {
  return dtype === "bool" || dtype === "uint8" ? data instanceof Uint8Array : dtypeOfArray(data) === dtype;
}

function namesOf(nodes: ReadonlySet<Node>): string {
  return [...nodes].map(({ name }) => name).join(", ");
}
