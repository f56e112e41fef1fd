/**
 * The compiler's graph: values in single assignment, nodes in topological order. Only the functions of this file change it.
 *
 * Every value has exactly one of: a producing node, a constant, a place among the graph's inputs. Types are known once
 * `passes/infer-shapes` has run; all dimensions are numbers.
 */
import type { DType, Tensor } from "../../host/tensor.ts";

/** Element type and shape of a value. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** What a node's attribute holds. */
export type Attribute = number | string | readonly number[] | readonly string[] | Tensor;

/** One tensor that flows through the graph. */
export interface Value {
  readonly name: string;
  readonly type: ValueType | null;
  readonly constant: Tensor | null;
  readonly producer: Node | null;
  /** Nodes that read the value; a node that reads it twice stands here once. */
  readonly readers: ReadonlySet<Node>;
}

/** One operation. */
export interface Node {
  /** The operator, in ONNX's words; operators of other domains as `domain:Op`. */
  readonly op: string;
  readonly name: string;
  /** An omitted optional input is null. */
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Names of the ONNX nodes that this one came from. */
  readonly sources: readonly string[];
  /** The node's image operands and results are N, spatial…, C instead of ONNX's N, C, spatial…. */
  readonly channelsLast: boolean;
}

/** What `Graph.add` takes. */
export interface NodeSpec {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly (Value | null)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly sources?: readonly string[];
  readonly channelsLast?: boolean;
  /** New output values, made by this call; types may be given where they are known. */
  readonly outputs: readonly { readonly name: string; readonly type?: ValueType | null }[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type MutableValue = Mutable<Value> & { readers: Set<Node> };
type MutableNode = Mutable<Node>;

/** A graph and its only mutators. */
export class Graph {
  readonly name: string;
  private nodeList: Node[] = [];
  private inputList: Value[] = [];
  private outputList: Value[] = [];
  private outputNameList: readonly string[] = [];
  private readonly names = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  /** Nodes in topological order. */
  get nodes(): readonly Node[] {
    return this.nodeList;
  }

  get inputs(): readonly Value[] {
    return this.inputList;
  }

  get outputs(): readonly Value[] {
    return this.outputList;
  }

  /** The names under which the model's users know the outputs, whatever values passes put in their places. */
  get outputNames(): readonly string[] {
    return this.outputNameList;
  }

  /** A name that no value has yet: `base`, or `base.1`, `base.2`, …. */
  uniqueName(base: string): string {
    let name = base;
    for (let i = 1; this.names.has(name); i++) name = `${base}.${i}`;
    return name;
  }

  /** Adds a graph input. */
  addInput(name: string, type: ValueType): Value {
    const value = this.newValue(name, type);
    this.inputList.push(value);
    return value;
  }

  /** Adds a constant; its name is made unique. */
  addConstant(name: string, tensor: Tensor): Value {
    const value = this.newValue(this.uniqueName(name), { dtype: tensor.dtype, shape: tensor.shape });
    value.constant = tensor;
    return value;
  }

  /** Adds a node at the end, or before `before`. Output names are made unique. */
  add(spec: NodeSpec, before?: Node): Node {
    const node: MutableNode = {
      op: spec.op,
      name: spec.name,
      inputs: [...spec.inputs],
      outputs: [],
      attributes: spec.attributes ?? {},
      sources: spec.sources ?? [],
      channelsLast: spec.channelsLast ?? false,
    };
    node.outputs = spec.outputs.map(({ name, type }) => {
      const value = this.newValue(this.uniqueName(name), type ?? null);
      value.producer = node;
      return value;
    });
    for (const input of node.inputs) if (input) mutable(input).readers.add(node);
    if (before) this.nodeList.splice(this.indexOf(before), 0, node);
    else this.nodeList.push(node);
    return node;
  }

  /** The node that follows `node`, or undefined at the end: the place for `add(…, before)` to insert behind `node`. */
  nodeAfter(node: Node): Node | undefined {
    return this.nodeList[this.indexOf(node) + 1];
  }

  /** Removes a node whose outputs nobody reads. */
  remove(node: Node): void {
    for (const output of node.outputs) {
      if (output.readers.size > 0 || this.outputList.includes(output))
        throw new Error(`unreachable: removed ${node.name} while ${output.name} is in use`);
      this.names.delete(output.name);
    }
    for (const input of node.inputs) if (input) mutable(input).readers.delete(node);
    this.nodeList.splice(this.indexOf(node), 1);
  }

  /** Replaces a node by another operation that takes over its outputs. */
  replace(
    node: Node,
    spec: Omit<NodeSpec, "outputs" | "name" | "sources"> & { readonly name?: string; readonly sources?: readonly string[] },
  ): Node {
    const next: MutableNode = {
      op: spec.op,
      name: spec.name ?? node.name,
      inputs: [...spec.inputs],
      outputs: node.outputs,
      attributes: spec.attributes ?? {},
      sources: spec.sources ?? node.sources,
      channelsLast: spec.channelsLast ?? false,
    };
    for (const input of node.inputs) if (input) mutable(input).readers.delete(node);
    for (const input of next.inputs) if (input) mutable(input).readers.add(next);
    for (const output of node.outputs) mutable(output).producer = next;
    this.nodeList[this.indexOf(node)] = next;
    return next;
  }

  /** Sets one input of a node. */
  setInput(node: Node, index: number, value: Value | null): void {
    const old = node.inputs[index];
    const inputs = [...node.inputs];
    inputs[index] = value;
    (node as MutableNode).inputs = inputs;
    if (old && !inputs.includes(old)) mutable(old).readers.delete(node);
    if (value) mutable(value).readers.add(node);
  }

  /** Sets some attributes of a node; undefined removes one. */
  setAttributes(node: Node, attributes: Readonly<Record<string, Attribute | undefined>>): void {
    const next: Record<string, Attribute> = { ...node.attributes };
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined) delete next[key];
      else next[key] = value;
    }
    (node as MutableNode).attributes = next;
  }

  /** Marks a node as working on N, spatial…, C. The caller changes the types of its operands. */
  setChannelsLast(node: Node, channelsLast: boolean): void {
    (node as MutableNode).channelsLast = channelsLast;
  }

  /** Adds ONNX names to a node's provenance, as fusing does. */
  addSources(node: Node, sources: readonly string[]): void {
    (node as MutableNode).sources = [...new Set([...node.sources, ...sources])];
  }

  /** Sets the type of a value. */
  setType(value: Value, type: ValueType): void {
    mutable(value).type = type;
  }

  /** Makes a value a constant; its producer loses it, and is removed by the caller or by dead-code elimination. */
  makeConstant(value: Value, tensor: Tensor): void {
    const replacement = this.addConstant(value.name, tensor);
    this.replaceUses(value, replacement);
  }

  /** Lets every reader of `old`, and the graph's outputs, use `value` instead. A graph output keeps its position. */
  replaceUses(old: Value, value: Value, except?: Node): void {
    for (const reader of [...old.readers]) {
      if (reader === except) continue;
      reader.inputs.forEach((input, i) => {
        if (input === old) this.setInput(reader, i, value);
      });
    }
    this.outputList = this.outputList.map((output) => (output === old ? value : output));
  }

  /** Sets the graph's outputs; their names, unless given, are the values'. */
  setOutputs(outputs: readonly Value[], names: readonly string[] = outputs.map(({ name }) => name)): void {
    this.outputList = [...outputs];
    this.outputNameList = names;
  }

  /** Puts the nodes into a topological order (stable); throws where the graph has a cycle. */
  sort(): void {
    const done = new Set<Node>();
    const open = new Set<Node>();
    const order: Node[] = [];
    for (const root of this.nodeList) {
      const stack: { readonly node: Node; next: number }[] = [{ node: root, next: 0 }];
      while (stack.length > 0) {
        const top = stack[stack.length - 1]!;
        if (done.has(top.node)) {
          stack.pop();
          continue;
        }
        open.add(top.node);
        const producer = top.next < top.node.inputs.length ? top.node.inputs[top.next++]?.producer : undefined;
        if (producer && !done.has(producer)) {
          if (open.has(producer)) throw new GraphCycle(producer.name);
          stack.push({ node: producer, next: 0 });
        } else if (top.next >= top.node.inputs.length && !producer) {
          done.add(top.node);
          order.push(top.node);
          stack.pop();
        }
      }
    }
    this.nodeList = order;
  }

  private newValue(name: string, type: ValueType | null): MutableValue {
    if (this.names.has(name)) throw new Error(`unreachable: two values are named ${name}`);
    this.names.add(name);
    return { name, type, constant: null, producer: null, readers: new Set() };
  }

  private indexOf(node: Node): number {
    const index = this.nodeList.indexOf(node);
    if (index < 0) throw new Error(`unreachable: ${node.name} is not in the graph`);
    return index;
  }
}

/** The nodes of a graph feed each other in a circle. */
export class GraphCycle extends Error {
  readonly nodeName: string;
  constructor(nodeName: string) {
    super(`the node ${nodeName} depends on its own output`);
    this.nodeName = nodeName;
  }
}

function mutable(value: Value): MutableValue {
  return value as MutableValue;
}

/** The type of a value; throws where shape inference has not reached it. */
export function typeOf(value: Value): ValueType {
  if (!value.type) throw new Error(`unreachable: the type of ${value.name} is not known`);
  return value.type;
}

/** The input at `index`, which the operator requires. */
export function requiredInput(node: Node, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`unreachable: ${node.op} ${node.name} has no input ${index}`);
  return value;
}

/** A node's only output. */
export function onlyOutput(node: Node): Value {
  return node.outputs[0]!;
}
