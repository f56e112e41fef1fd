/** Calls of a model's own functions become their bodies, until none is left. */
import { invalidModel } from "./errors.ts";
import type { Message } from "./fields.ts";
import { isDefaultDomain, operatorName } from "./model.ts";
import { type NameMap, renamedNode } from "./scope.ts";

type NodeProto = Message<"NodeProto">;
type FunctionProto = Message<"FunctionProto">;
type AttributeProto = Message<"AttributeProto">;
type GraphProto = Message<"GraphProto">;

/** Functions may call each other this deep; deeper, they call themselves. */
const MAX_DEPTH = 64;
/** The most nodes that calls may come to. */
const MAX_NODES = 1_000_000;

/** A graph without calls, and the opsets of nodes that are not of the model's. */
export interface Inlined {
  readonly graph: GraphProto;
  readonly opsets: ReadonlyMap<NodeProto, number>;
}

/** Inlines every call of a function, in subgraphs too. Errors: `invalid-model`. */
export function inlineFunctions(graph: GraphProto, functions: readonly FunctionProto[]): Inlined {
  if (functions.length === 0) return { graph, opsets: new Map() };
  const inliner = new Inliner(functions);
  return { graph: inliner.graph(graph, undefined, 0), opsets: inliner.opsets };
}

class Inliner {
  readonly opsets = new Map<NodeProto, number>();
  private readonly functions: ReadonlyMap<string, FunctionProto>;
  private calls = 0;
  private nodes = 0;

  constructor(functions: readonly FunctionProto[]) {
    this.functions = new Map(functions.map((fn) => [keyOf(fn.domain, fn.name, fn.overload), fn]));
  }

  graph(graph: GraphProto, opset: number | undefined, depth: number): GraphProto {
    return { ...graph, node: graph.node.flatMap((node) => this.node(node, opset, depth)) };
  }

  private node(given: NodeProto, opset: number | undefined, depth: number): readonly NodeProto[] {
    const fn = this.functions.get(keyOf(given.domain, given.opType, given.overload));
    if (fn) return this.call(given, fn, depth + 1);
    if (++this.nodes > MAX_NODES) throw invalidModel(`its functions come to more than ${MAX_NODES} nodes`);
    const node = given.attribute.some(({ g }) => g)
      ? { ...given, attribute: given.attribute.map((a) => (a.g ? { ...a, g: this.graph(a.g, opset, depth) } : a)) }
      : given;
    if (opset !== undefined) this.opsets.set(node, opset);
    return [node];
  }

  private call(call: NodeProto, fn: FunctionProto, depth: number): readonly NodeProto[] {
    const where = `the function ${operatorName(call)}`;
    if (depth > MAX_DEPTH) throw invalidModel(`${where} calls itself`);
    if (call.input.length > fn.input.length || call.output.length > fn.output.length)
      throw invalidModel(`${where} takes ${fn.input.length} inputs and gives ${fn.output.length} outputs; "${call.name ?? ""}" has more`);
    const prefix = `${call.name || call.opType}.${this.calls++}`;
    const bound = new Map<string, string>();
    fn.input.forEach((name, i) => bound.set(name, call.input[i] ?? ""));
    fn.output.forEach((name, i) => {
      if (call.output[i] && !bound.has(name)) bound.set(name, call.output[i]!);
    });
    const map: NameMap = (name) => bound.get(name) ?? `${prefix}/${name}`;
    const opset = fn.opsetImport.find(({ domain }) => isDefaultDomain(domain))?.version;
    const values = new Map([...fn.attributeProto, ...call.attribute].map((attribute) => [attribute.name ?? "", attribute]));
    const body = fn.node.flatMap((node, i) => {
      const named = { ...node, name: `${prefix}/${node.name || `${node.opType ?? "node"}_${i}`}` };
      return this.node(renamedNode(withAttributes(named, values), map), opset === undefined ? undefined : Number(opset), depth);
    });
    return [...body, ...passedThrough(fn, call)];
  }
}

/** Outputs of a function that are its inputs. */
function passedThrough(fn: FunctionProto, call: NodeProto): readonly NodeProto[] {
  return fn.output.flatMap((name, i) => {
    const source = call.input[fn.input.indexOf(name)];
    const output = call.output[i];
    if (!source || !output) return [];
    return [
      { ...call, opType: "Identity", domain: "", name: `${call.name ?? ""}/${output}`, input: [source], output: [output], attribute: [] },
    ];
  });
}

function keyOf(domain: string | undefined, name: string | undefined, overload: string | undefined): string {
  return `${isDefaultDomain(domain) ? "" : domain}:${name ?? ""}:${overload ?? ""}`;
}

/** Attributes that refer to the function's become what the call gives, or the default; those that neither has are left out. */
function withAttributes(node: NodeProto, values: ReadonlyMap<string, AttributeProto>): NodeProto {
  const attribute = node.attribute.flatMap((own): readonly AttributeProto[] => {
    if (own.refAttrName) {
      const value = values.get(own.refAttrName);
      return value ? [{ ...value, name: own.name }] : [];
    }
    return own.g ? [{ ...own, g: { ...own.g, node: own.g.node.map((inner) => withAttributes(inner, values)) } }] : [own];
  });
  return { ...node, attribute };
}
