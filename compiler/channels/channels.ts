/**
 * Which channels of a graph must go together (dependency groups; Fang et al. 2023, "DepGraph").
 *
 * Every channel that a weighted layer makes has an identity. Identities flow through the nodes that keep channels apart (activations,
 * pooling, depthwise convolutions, concatenation …); where two meet in one channel (the sum of a residual block) they become
 * one. The channels of an attention head become one where they are cut into heads, those of its queries, keys and values where they are
 * multiplied. What no rule follows is held: its channels stay. A constant that has an axis along channels is listed as a slice, so that removing
 * an identity is cutting all of its slices.
 */
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { gatheredAxis, viewOf } from "./channel-views.ts";

/** The axis of a value along which its channels lie, and the identity of each position. */
export interface ChannelAxis {
  readonly axis: number;
  readonly ids: Int32Array;
}

/** What a layer does with the channels of a slice of its weights. */
export type Role = "makes" | "reads" | "follows";

/** A constant input of a node that has an axis along channels. */
export interface Slice {
  readonly node: Node;
  readonly input: number;
  readonly axis: number;
  readonly ids: Int32Array;
  /** `makes` for the filters of a layer, `reads` for the weights on what it is given, `follows` for all else (biases, scales). */
  readonly role: Role;
}

/** The channels of a graph. */
export interface Channels {
  readonly axes: ReadonlyMap<Value, ChannelAxis>;
  readonly slices: readonly Slice[];
  /** The identity that stands for all that go with `id`. */
  readonly rootOf: (id: number) => number;
  /** Why a channel has to stay; null where it may go. */
  readonly heldBy: (id: number) => string | null;
}

const SAME_CHANNELS = new Set(
  (
    "Relu Clip LeakyRelu Sigmoid Tanh HardSwish HardSigmoid eqm:Silu Swish Elu Gelu Softplus Erf Sqrt Exp Log Neg Abs Reciprocal Floor Ceil Round " +
    "Mish Selu Celu ThresholdedRelu Identity Dropout Cast MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool"
  ).split(" "),
);

const BROADCASTING = new Set("Add Sub Mul Div Pow Max Min PRelu Where".split(" "));

const REDUCING = new Set("ReduceMean ReduceSum ReduceMax ReduceMin ReduceL2".split(" "));

/** Follows the channels of a float graph whose shapes are inferred and whose nodes are N, C, spatial…. */
export function traceChannels(graph: Graph): Channels {
  const tracer = new Tracer();
  for (const input of graph.inputs) {
    const { shape } = typeOf(input);
    if (shape.length >= 2) tracer.hold(tracer.make(input, 1), `the input ${input.name}`);
  }
  for (const node of graph.nodes) tracer.follow(node);
  for (const output of graph.outputs) tracer.hold(tracer.axes.get(output), `the output ${output.name}`);
  return tracer;
}

class Tracer implements Channels {
  readonly axes = new Map<Value, ChannelAxis>();
  readonly slices: Slice[] = [];
  private readonly parents: number[] = [];
  private readonly reasons: (string | null)[] = [];

  readonly rootOf = (id: number): number => {
    let root = id;
    while (this.parents[root] !== root) root = this.parents[root]!;
    for (let at = id; at !== root; ) {
      const next = this.parents[at]!;
      this.parents[at] = root;
      at = next;
    }
    return root;
  };

  readonly heldBy = (id: number): string | null => this.reasons[this.rootOf(id)]!;

  /** New identities along an axis of a value. */
  make(value: Value, axis: number): ChannelAxis {
    const first = this.parents.length;
    const ids = Int32Array.from({ length: typeOf(value).shape[axis]! }, (_, i) => first + i);
    for (const id of ids) {
      this.parents.push(id);
      this.reasons.push(null);
    }
    const made = { axis, ids };
    this.axes.set(value, made);
    return made;
  }

  hold(channels: ChannelAxis | undefined, reason: string): void {
    for (const id of channels?.ids ?? []) this.reasons[this.rootOf(id)] ??= reason;
  }

  private unite(a: number, b: number): void {
    const [x, y] = [this.rootOf(a), this.rootOf(b)];
    this.parents[y] = x;
    this.reasons[x] ??= this.reasons[y]!;
  }

  private uniteAll(a: Int32Array, b: Int32Array): void {
    a.forEach((id, i) => {
      this.unite(id, b[i]!);
    });
  }

  /** Lists a constant input; gives whether there is one of that many channels on `axis` (counted from the end where negative). */
  private slice(node: Node, input: number, axis: number, ids: Int32Array, role: Role): boolean {
    const value = node.inputs[input];
    if (!value) return true;
    if (!value.constant) return false;
    const at = axis < 0 ? axis + value.constant.shape.length : axis;
    if (at < 0 || value.constant.shape[at] === 1) return true;
    if (value.constant.shape[at] !== ids.length) return false;
    this.slices.push({ node, input, axis: at, ids, role });
    return true;
  }

  /** Carries the channels of a node's operands to its results; holds those that it mixes in a way that no rule knows. */
  follow(node: Node): void {
    const before = this.slices.length;
    if (this.carry(node)) return;
    this.slices.length = before;
    for (const value of node.inputs) if (value) this.hold(this.axes.get(value), mixedBy(node));
    for (const value of node.outputs) this.axes.delete(value);
  }

  private carry(node: Node): boolean {
    const first = node.inputs[0];
    const given = first ? this.axes.get(first) : undefined;
    if (node.op === "Conv") return this.convolution(node, given);
    if (node.op === "ConvTranspose") return this.transposedConvolution(node, given);
    if (node.op === "Gemm") return this.gemm(node, given);
    if (node.op === "MatMul") return this.matmul(node, given);
    if (BROADCASTING.has(node.op)) return this.broadcast(node);
    if (node.op === "Concat") return this.concat(node);
    if (!first || !given) return node.inputs.every((value) => !value || !this.axes.has(value));
    return this.unary(node, first, given);
  }

  private unary(node: Node, first: Value, given: ChannelAxis): boolean {
    const { axis, ids } = given;
    const rank = typeOf(first).shape.length;
    const keep = (to = axis): boolean => {
      this.axes.set(onlyOutput(node), { axis: to, ids });
      return typeOf(onlyOutput(node)).shape[to] === ids.length;
    };
    if (SAME_CHANNELS.has(node.op)) return node.outputs.length === 1 && (axis === 1 || !/Pool/.test(node.op)) && keep();
    if (REDUCING.has(node.op)) return this.reduction(node, first, given);
    switch (node.op) {
      case "BatchNormalization":
      case "InstanceNormalization":
        return axis === 1 && node.inputs.slice(1).every((_, i) => this.slice(node, i + 1, 0, ids, "follows")) && keep();
      case "Softmax":
      case "LogSoftmax": {
        const along = numberAttribute(node, "axis", -1);
        return (along < 0 ? along + rank : along) !== axis && keep();
      }
      case "Resize":
      case "Upsample":
      case "Pad":
        return typeOf(onlyOutput(node)).shape[axis] === ids.length && keep();
      case "Gather": {
        const along = gatheredAxis(node, rank);
        const to = axis < along ? axis : axis + typeOf(onlyOutput(node)).shape.length - rank;
        return along !== axis && keep(to);
      }
      case "Slice":
        return !slicedAxes(node, rank).includes(axis) && keep();
      case "Transpose": {
        const order = numbersAttribute(node, "perm", null) ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
        return keep(order.indexOf(axis));
      }
      case "Flatten":
      case "Reshape":
      case "Squeeze":
      case "Unsqueeze":
        return this.view(node, first, given);
      case "Split":
        return this.split(node, given, rank);
      default:
        return false;
    }
  }

  private convolution(node: Node, given: ChannelAxis | undefined): boolean {
    const weights = requiredInput(node, 1);
    const groups = numberAttribute(node, "group", 1);
    if (!weights.constant || (given && given.axis !== 1)) return false;
    const outputs = weights.constant.shape[0]!;
    const inputs = weights.constant.shape[1]! * groups;
    if (groups > 1 && groups === inputs) {
      if (!given) return false;
      // A depthwise convolution makes no channels of its own: each result goes with what it is computed from.
      const each = outputs / groups;
      const ids = Int32Array.from({ length: outputs }, (_, o) => given.ids[Math.floor(o / each)]!);
      this.axes.set(onlyOutput(node), { axis: 1, ids });
      return this.slice(node, 1, 0, ids, "follows") && this.slice(node, 2, 0, ids, "follows");
    }
    const made = this.make(onlyOutput(node), 1);
    if (groups > 1) {
      // All groups stay as wide as each other: a channel goes with those in its place in the other groups.
      if (given) this.uniteGroups(given.ids, groups);
      this.uniteGroups(made.ids, groups);
    }
    const inputIds = given?.ids.subarray(0, inputs / groups);
    if (inputIds && !this.slice(node, 1, 1, inputIds, "reads")) return false;
    return this.slice(node, 1, 0, made.ids, "makes") && this.slice(node, 2, 0, made.ids, "follows");
  }

  private transposedConvolution(node: Node, given: ChannelAxis | undefined): boolean {
    if (!requiredInput(node, 1).constant || numberAttribute(node, "group", 1) !== 1 || (given && given.axis !== 1)) return false;
    const made = this.make(onlyOutput(node), 1);
    if (given && !this.slice(node, 1, 0, given.ids, "reads")) return false;
    return this.slice(node, 1, 1, made.ids, "makes") && this.slice(node, 2, 0, made.ids, "follows");
  }

  private uniteGroups(ids: Int32Array, groups: number): void {
    const each = ids.length / groups;
    for (let i = each; i < ids.length; i++) this.unite(ids[i % each]!, ids[i]!);
  }

  private gemm(node: Node, given: ChannelAxis | undefined): boolean {
    const read = given?.axis === 1 ? given : undefined;
    const isPlain = numberAttribute(node, "transA", 0) === 0 && (!given || read || this.isAllHeld(given));
    if (!isPlain || !requiredInput(node, 1).constant || (node.inputs[2] && !node.inputs[2].constant)) return false;
    const outputAxis = numberAttribute(node, "transB", 0) === 1 ? 0 : 1;
    const made = this.make(onlyOutput(node), 1);
    if (read && !this.slice(node, 1, 1 - outputAxis, read.ids, "reads")) return false;
    return this.slice(node, 1, outputAxis, made.ids, "makes") && this.slice(node, 2, -1, made.ids, "follows");
  }

  /** A product with constant weights [K, N], or of two values. */
  private matmul(node: Node, given: ChannelAxis | undefined): boolean {
    const [first, weights] = [requiredInput(node, 0), requiredInput(node, 1)];
    const rank = typeOf(first).shape.length;
    if (weights.constant?.shape.length !== 2 || rank < 2) return this.product(node, first, weights);
    const read = given?.axis === rank - 1 ? given : undefined;
    if (given && !read && !this.isAllHeld(given)) {
      this.axes.set(onlyOutput(node), given);
      return true;
    }
    const made = this.make(onlyOutput(node), rank - 1);
    if (read && !this.slice(node, 1, 0, read.ids, "reads")) return false;
    return this.slice(node, 1, 1, made.ids, "makes");
  }

  private isAllHeld({ ids }: ChannelAxis): boolean {
    return ids.every((id) => this.heldBy(id) !== null);
  }

  /** A product [.., M, K] × [.., K, N] of stacked matrices: those of heads stay apart; what is summed over is held. */
  private product(node: Node, first: Value, second: Value): boolean {
    if ([first, second].some((value) => typeOf(value).shape.length < 2)) return false;
    const [a, b] = [this.unsummed(node, first, -1), this.unsummed(node, second, -2)];
    const lead = a ?? b;
    if (!lead) return true;
    const { fromEnd, ids } = lead;
    if (a && b) {
      if (fromEnd !== b.fromEnd || fromEnd >= -2 || ids.length !== b.ids.length) return false;
      this.uniteAll(ids, b.ids);
    } else if (fromEnd < -2) {
      const [other, input] = a ? [second, 1] : [first, 0];
      const isFollowed = other.constant ? this.slice(node, input, fromEnd, ids, "follows") : (typeOf(other).shape.at(fromEnd) ?? 1) === 1;
      if (!isFollowed) return false;
    }
    const output = onlyOutput(node);
    this.axes.set(output, { axis: typeOf(output).shape.length + fromEnd, ids });
    return true;
  }

  /** The channels of an operand, their axis counted from the end, unless the product sums over them. */
  private unsummed(node: Node, value: Value, summed: number): { readonly fromEnd: number; readonly ids: Int32Array } | null {
    const found = this.axes.get(value);
    if (!found) return null;
    const fromEnd = found.axis - typeOf(value).shape.length;
    if (fromEnd !== summed) return { fromEnd, ids: found.ids };
    this.hold(found, mixedBy(node));
    return null;
  }

  private broadcast(node: Node): boolean {
    const output = onlyOutput(node);
    const rank = typeOf(output).shape.length;
    // Axes counted from the end are those that broadcasting aligns.
    const tracked = node.inputs.flatMap((value) => {
      const found = value && this.axes.get(value);
      return found ? [{ fromEnd: found.axis - typeOf(value).shape.length, ids: found.ids }] : [];
    });
    const [lead] = [...tracked].sort((a, b) => b.ids.length - a.ids.length);
    if (!lead) return true;
    const { fromEnd, ids } = lead;
    for (const [i, value] of node.inputs.entries()) {
      if (!value) continue;
      const own = this.axes.get(value);
      const { shape } = typeOf(value);
      if (own) {
        if (own.axis - shape.length !== fromEnd) return false;
        if (own.ids.length === ids.length) this.uniteAll(ids, own.ids);
        else this.hold(own, mixedBy(node));
      } else if (value.constant) {
        if (!this.slice(node, i, fromEnd, ids, "follows")) return false;
      } else if ((shape.at(fromEnd) ?? 1) !== 1) {
        return false;
      }
    }
    this.axes.set(output, { axis: rank + fromEnd, ids });
    return typeOf(output).shape[rank + fromEnd] === ids.length;
  }

  private concat(node: Node): boolean {
    const output = onlyOutput(node);
    const rank = typeOf(output).shape.length;
    const along = numberAttribute(node, "axis", 0);
    const axis = along < 0 ? along + rank : along;
    const operands = node.inputs.map((value) => (value ? this.axes.get(value) : undefined));
    if (operands.every((operand) => !operand)) return true;
    if (operands.every((operand) => operand?.axis === axis)) {
      const ids = new Int32Array(typeOf(output).shape[axis]!);
      let at = 0;
      for (const operand of operands) {
        ids.set(operand!.ids, at);
        at += operand!.ids.length;
      }
      this.axes.set(output, { axis, ids });
      return true;
    }
    const [lead] = operands;
    if (!lead || operands.some((operand) => operand?.axis !== lead.axis || operand.ids.length !== lead.ids.length)) return false;
    for (const operand of operands) this.uniteAll(lead.ids, operand!.ids);
    this.axes.set(output, lead);
    return true;
  }

  private split(node: Node, { axis, ids }: ChannelAxis, rank: number): boolean {
    const along = numberAttribute(node, "axis", 0);
    const onChannels = (along < 0 ? along + rank : along) === axis;
    if (onChannels && node.inputs[1] && !node.inputs[1].constant) return false;
    let at = 0;
    for (const output of node.outputs) {
      const width = typeOf(output).shape[axis]!;
      this.axes.set(output, { axis, ids: onChannels ? ids.subarray(at, at + width) : ids });
      at += width;
    }
    return true;
  }

  private reduction(node: Node, first: Value, { axis, ids }: ChannelAxis): boolean {
    const { shape } = typeOf(first);
    const output = typeOf(onlyOutput(node)).shape;
    const listed = node.inputs[1]?.constant;
    const axes = listed ? Array.from(listed.data, Number) : numbersAttribute(node, "axes", null);
    const all = (axes ?? shape.map((_, i) => i)).map((a) => (a < 0 ? a + shape.length : a));
    if (all.includes(axis)) return false;
    const to = output.length === shape.length ? axis : axis - all.filter((a) => a < axis).length;
    this.axes.set(onlyOutput(node), { axis: to, ids });
    return output[to] === ids.length;
  }

  private view(node: Node, first: Value, { axis, ids }: ChannelAxis): boolean {
    const found = viewOf(node, first, axis);
    if (!found) return false;
    const behind = found.positions.map((positions) => {
      const [id] = positions.map((position) => ids[position]!) as [number];
      for (const position of positions) this.unite(id, ids[position]!);
      return id;
    });
    this.axes.set(onlyOutput(node), { axis: found.axis, ids: Int32Array.from(behind) });
    return true;
  }
}

function mixedBy({ op, name }: Node): string {
  return `${op} "${name}"`;
}

/** The axes that a Slice cuts; all where they are computed. */
function slicedAxes(node: Node, rank: number): readonly number[] {
  const listed = node.inputs[3];
  const count = listed ? listed.constant?.data.length : typeOf(requiredInput(node, 1)).shape[0];
  const axes = listed?.constant ? Array.from(listed.constant.data, Number) : Array.from({ length: count ?? rank }, (_, i) => i);
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}
