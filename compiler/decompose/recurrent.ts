/**
 * LSTM, GRU and RNN, step by step: the input's share of all gates at once, then for each time the state's share and the gates.
 *
 *   RNN   h = f(x·Wᵀ + h·Rᵀ + b)
 *   GRU   z, r = f(…);  n = g(x·Wₙᵀ + (r ⊙ h)·Rₙᵀ + b), or r ⊙ (h·Rₙᵀ + b_R) where the reset comes after;  h = (1 − z) ⊙ n + z ⊙ h
 *   LSTM  i, o, f = f(… + P ⊙ c);  c = f ⊙ c + i ⊙ g(…);  h = o ⊙ h(c)
 *
 * A sequence that has ended keeps its state and gives zeros. Dimensions: T times, D directions, B sequences, I inputs, H hidden values, G gates.
 */
import { badAttribute, badOperands } from "../errors.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value, type ValueType } from "../ir/graph.ts";
import { type Activation, activationsOf } from "./activations.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

type Kind = "LSTM" | "GRU" | "RNN";

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
/** Activations of one direction, in ONNX's order. */
const DEFAULTS: Readonly<Record<Kind, readonly string[]>> = { LSTM: ["Sigmoid", "Tanh", "Tanh"], GRU: ["Sigmoid", "Tanh"], RNN: ["Tanh"] };

interface Sizes {
  readonly kind: Kind;
  readonly times: number;
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly directions: number;
  readonly isBatchFirst: boolean;
}

function sizesOf(node: Node): Sizes {
  const kind = node.op as Kind;
  const x = typeOf(requiredInput(node, 0)).shape;
  const r = typeOf(requiredInput(node, 2)).shape;
  const w = typeOf(requiredInput(node, 1)).shape;
  const direction = stringAttribute(node, "direction", "forward");
  const directions = direction === "bidirectional" ? 2 : 1;
  if (!["forward", "reverse", "bidirectional"].includes(direction))
    throw badAttribute(node, "direction", "forward, reverse or bidirectional");
  const isBatchFirst = numberAttribute(node, "layout", 0) !== 0;
  const hidden = r[2]!;
  const gates = GATES[kind] * hidden;
  if (x.length !== 3 || `${w}` !== `${[directions, gates, x[2]]}` || `${r}` !== `${[directions, gates, hidden]}`)
    throw badOperands(node, `weights [${w.join(", ")}] and [${r.join(", ")}] do not fit an input [${x.join(", ")}].`);
  const [times, batch] = isBatchFirst ? [x[1]!, x[0]!] : [x[0]!, x[1]!];
  return { kind, times, batch, inputs: x[2]!, hidden, directions, isBatchFirst };
}

function resultTypes(node: Node): readonly ValueType[] {
  const { times, batch, hidden, directions, isBatchFirst } = sizesOf(node);
  const sequence = isBatchFirst ? [batch, times, directions, hidden] : [times, directions, batch, hidden];
  const state = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  return node.outputs.map((_, i) => ({ dtype: "float32", shape: i === 0 ? sequence : state }));
}

/** One direction's operands, and what all its times share. */
interface Direction {
  readonly sizes: Sizes;
  /** [T, B, G·H]: the input's share of the gates with both biases, but for a GRU whose reset comes after, the state's bias of the last gate. */
  readonly shares: Value;
  /** [H, G·H]. */
  readonly recurrent: Value;
  readonly lastBias: Value | null;
  readonly peepholes: readonly Value[] | null;
  readonly activations: readonly Activation[];
  readonly clip: number;
}

interface State {
  readonly h: Value;
  readonly c: Value;
}

/** Rows `start` to `end` of the direction's operand [D, …]. */
function ofDirection(c: Composer, x: Value, d: number): Value {
  return c.reshape(c.slice(x, 0, d, d + 1), shapeOf(x).slice(1));
}

function directionOf(c: Composer, sizes: Sizes, x: Value, d: number): Direction {
  const { kind, times, batch, inputs, hidden, directions } = sizes;
  const gates = GATES[kind] * hidden;
  const w = c.transpose(ofDirection(c, c.input(1), d), [1, 0]);
  const recurrent = c.transpose(ofDirection(c, c.input(2), d), [1, 0]);
  const biases = c.optional(3) ? ofDirection(c, c.input(3), d) : null;
  const isResetAfter = kind === "GRU" && numberAttribute(c.node, "linear_before_reset", 0) !== 0;
  const parts = biases ? ([c.slice(biases, 0, 0, gates), c.slice(biases, 0, gates, 2 * gates)] as const) : null;
  const lastBias = parts && isResetAfter ? c.slice(parts[1], 0, 2 * hidden, gates) : null;
  const stateBias =
    parts &&
    (lastBias ? c.concat([c.slice(parts[1], 0, 0, 2 * hidden), c.numbers(new Array<number>(hidden).fill(0), [hidden])], 0) : parts[1]);
  const product = c.op("MatMul", [c.reshape(x, [times * batch, inputs]), w]);
  const biased = parts ? c.add(product, c.add(parts[0], stateBias!)) : product;
  const peepholes = kind === "LSTM" && c.optional(7) ? c.split(ofDirection(c, c.input(7), d), 0, [hidden, hidden, hidden]) : null;
  const perDirection = DEFAULTS[kind].length;
  const activations = activationsOf(c.node, Array.from({ length: directions }, () => DEFAULTS[kind]).flat());
  return {
    sizes,
    shares: c.reshape(biased, [times, batch, gates]),
    recurrent,
    lastBias,
    peepholes,
    activations: activations.slice(d * perDirection, (d + 1) * perDirection),
    clip: numberAttribute(c.node, "clip", 0),
  };
}

/** An activation of a sum that `clip` bounds. */
function activated(c: Composer, { activations, clip }: Direction, which: number, x: Value): Value {
  const bounded = clip > 0 ? c.op("Clip", [x, c.scalar(-clip), c.scalar(clip)]) : x;
  return activations[which]!(c, bounded);
}

function nextRnn(c: Composer, direction: Direction, share: Value, { h, c: cell }: State): State {
  return { h: activated(c, direction, 0, c.add(share, c.op("MatMul", [h, direction.recurrent]))), c: cell };
}

function nextGru(c: Composer, direction: Direction, share: Value, { h, c: cell }: State): State {
  const { hidden } = direction.sizes;
  const isResetAfter = numberAttribute(c.node, "linear_before_reset", 0) !== 0;
  const [both, last] = c.split(share, 1, [2 * hidden, hidden]) as [Value, Value];
  let candidate: Value;
  let update: Value;
  if (isResetAfter) {
    const [sums, lastSum] = c.split(c.op("MatMul", [h, direction.recurrent]), 1, [2 * hidden, hidden]) as [Value, Value];
    const [z, r] = c.split(activated(c, direction, 0, c.add(both, sums)), 1, [hidden, hidden]) as [Value, Value];
    const biased = direction.lastBias ? c.add(lastSum, direction.lastBias) : lastSum;
    candidate = activated(c, direction, 1, c.add(last, c.mul(r, biased)));
    update = z;
  } else {
    const [gates, own] = c.split(direction.recurrent, 1, [2 * hidden, hidden]) as [Value, Value];
    const [z, r] = c.split(activated(c, direction, 0, c.add(both, c.op("MatMul", [h, gates]))), 1, [hidden, hidden]) as [Value, Value];
    candidate = activated(c, direction, 1, c.add(last, c.op("MatMul", [c.mul(r, h), own])));
    update = z;
  }
  const fresh = c.mul(c.sub(c.scalar(1), update), candidate);
  return { h: c.add(fresh, c.mul(update, h)), c: cell };
}

function nextLstm(c: Composer, direction: Direction, share: Value, { h, c: cell }: State): State {
  const { hidden } = direction.sizes;
  const { peepholes } = direction;
  const sums = c.add(share, c.op("MatMul", [h, direction.recurrent]));
  const [i, o, f, g] = c.split(sums, 1, [hidden, hidden, hidden, hidden]) as [Value, Value, Value, Value];
  const looked = (x: Value, which: number, at: Value): Value => (peepholes ? c.add(x, c.mul(peepholes[which]!, at)) : x);
  const input = activated(c, direction, 0, looked(i, 0, cell));
  const isCoupled = numberAttribute(c.node, "input_forget", 0) !== 0;
  const forget = isCoupled ? c.sub(c.scalar(1), input) : activated(c, direction, 0, looked(f, 2, cell));
  const next = c.add(c.mul(forget, cell), c.mul(input, activated(c, direction, 1, g)));
  const output = activated(c, direction, 0, looked(o, 1, next));
  return { h: c.mul(output, direction.activations[2]!(c, next)), c: next };
}

const NEXT = { LSTM: nextLstm, GRU: nextGru, RNN: nextRnn } as const;

/** The outputs at each time, in the order of the input, and the last state. */
function runDirection(
  c: Composer,
  direction: Direction,
  initial: State,
  isReverse: boolean,
): { readonly outputs: readonly Value[]; readonly last: State } {
  const { kind, times, batch, hidden } = direction.sizes;
  const lengths = c.optional(4);
  const ends = lengths ? c.reshape(c.cast(lengths, "int64"), [batch, 1]) : null;
  const outputs = new Array<Value>(times);
  let state = initial;
  for (let step = 0; step < times; step++) {
    const t = isReverse ? times - 1 - step : step;
    const share = c.reshape(c.slice(direction.shares, 0, t, t + 1), [batch, GATES[kind] * hidden]);
    const next = NEXT[kind](c, direction, share, state);
    if (!ends) {
      state = next;
      outputs[t] = next.h;
      continue;
    }
    const isRunning = c.op("Less", [c.scalar(t, "int64"), ends]);
    outputs[t] = c.where(isRunning, next.h, c.scalar(0));
    state = { h: c.where(isRunning, next.h, state.h), c: kind === "LSTM" ? c.where(isRunning, next.c, state.c) : state.c };
  }
  return { outputs, last: state };
}

/** An initial state [D, B, H] (or [B, D, H]) of one direction; zeros where it is left out. */
function initialState(c: Composer, { batch, hidden, isBatchFirst }: Sizes, index: number, d: number): Value {
  const given = c.optional(index);
  if (!given) return c.numbers(new Array<number>(batch * hidden).fill(0), [batch, hidden]);
  return ofDirection(c, isBatchFirst ? c.transpose(given, [1, 0, 2]) : given, d);
}

function build(c: Composer): readonly Value[] {
  const sizes = sizesOf(c.node);
  const { kind, times, batch, hidden, directions, isBatchFirst } = sizes;
  if (times * batch === 0) throw badOperands(c.node, "its input holds no sequence.");
  const x = isBatchFirst ? c.transpose(c.input(0), [1, 0, 2]) : c.input(0);
  const isReverse = stringAttribute(c.node, "direction", "forward") === "reverse";
  const runs = Array.from({ length: directions }, (_, d) => {
    const initial = { h: initialState(c, sizes, 5, d), c: kind === "LSTM" ? initialState(c, sizes, 6, d) : initialState(c, sizes, -1, d) };
    return runDirection(c, directionOf(c, sizes, x, d), initial, isReverse || d === 1);
  });
  const rows = Array.from({ length: times }, (_, t) =>
    c.concat(
      runs.map(({ outputs }) => c.reshape(outputs[t]!, [1, 1, batch, hidden])),
      1,
    ),
  );
  const y = c.concat(rows, 0);
  const final = (pick: (state: State) => Value): Value => {
    const state = c.concat(
      runs.map(({ last }) => c.reshape(pick(last), [1, batch, hidden])),
      0,
    );
    return isBatchFirst ? c.transpose(state, [1, 0, 2]) : state;
  };
  const results = [isBatchFirst ? c.transpose(y, [2, 0, 1, 3]) : y, final(({ h }) => h), final(({ c: cell }) => cell)];
  return results.slice(0, c.node.outputs.length);
}

/** LSTM, GRU and RNN. */
export const RECURRENT: readonly Decomposition[] = (["LSTM", "GRU", "RNN"] as const).map((name) => ({ name, infer: resultTypes, build }));
