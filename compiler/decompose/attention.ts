/**
 * Attention (opset 23 to 25):
 *
 *   y = softmax(softcap(Q·√s · (K·√s)ᵀ) + bias) · V,   s = scale, 1/√d by default
 *
 * bias is −∞ where the mask, causality, a window or the keys' padding forbid a key. A row that is forbidden whole gives zeros.
 * The order of softcap and bias is that of opset 23's text: capped first.
 */
import { numberAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** Attention with its caches, masks, windows and the product's stages as a result. */
export const ATTENTION: Decomposition = {
  name: "Attention",
  build: (c) => {
    const isFlat = shapeOf(c.input(0)).length === 3;
    const heads = numberAttribute(c.node, "q_num_heads", 0) || (isFlat ? 0 : shapeOf(c.input(0))[1]!);
    const kvHeads = numberAttribute(c.node, "kv_num_heads", 0) || (isFlat ? 0 : shapeOf(c.input(1))[1]!);
    if (!heads || !kvHeads || heads % kvHeads !== 0) throw c.fault(`${heads} heads cannot share ${kvHeads} heads of keys and values.`);
    const q = inHeads(c, c.input(0), heads);
    const [pastKey, pastValue] = [c.optional(4), c.optional(5)];
    const [newKey, newValue] = [inHeads(c, c.input(1), kvHeads), inHeads(c, c.input(2), kvHeads)];
    const key = pastKey ? c.concat([pastKey, newKey], 2) : newKey;
    const value = pastValue ? c.concat([pastValue, newValue], 2) : newValue;
    const past = pastKey ? shapeOf(pastKey)[2]! : 0;

    const root = Math.sqrt(numberAttribute(c.node, "scale", 0) || 1 / Math.sqrt(shapeOf(q)[3]!));
    const keys = c.transpose(repeated(c, key, heads / kvHeads), [0, 1, 3, 2]);
    const product = c.op("MatMul", [c.scale(q, root), c.scale(keys, root)]);
    const softcap = numberAttribute(c.node, "softcap", 0);
    const capped = softcap > 0 ? c.scale(c.op("Tanh", [c.scale(product, 1 / softcap)]), softcap) : product;
    const bias = biasOf(c, q, shapeOf(key)[2]!, past);
    const biased = bias ? c.add(capped, bias) : capped;
    const weights = c.op("Softmax", [biased], { axis: -1 });
    const allowed = bias ? clearedRows(c, bias, weights) : weights;
    const mixed = c.op("MatMul", [allowed, repeated(c, value, heads / kvHeads)]);
    const [batch, , length, size] = shapeOf(mixed) as readonly [number, number, number, number];
    const y = isFlat ? c.reshape(c.transpose(mixed, [0, 2, 1, 3]), [batch, length, heads * size]) : mixed;
    const mode = numberAttribute(c.node, "qk_matmul_output_mode", 0);
    const stage = stageOf(c, mode, product, capped, biased, allowed);
    return [y, key, value, stage].slice(0, c.node.outputs.length);
  },
};

/** The stage of the product that is a result: 0 the raw one, 1 capped, 2 biased as well, 3 the weights. */
function stageOf(c: Composer, mode: number, product: Value, capped: Value, biased: Value, weights: Value): Value {
  if (mode === 0) return product;
  if (mode === 3) return weights;
  if (mode === 1) return capped;
  if (mode === 2) return biased;
  throw c.fault(`qk_matmul_output_mode is 0 to 3, not ${mode}.`);
}

/** [B, S, heads·size] to [B, heads, S, size]; of rank 4 it is in heads already. */
function inHeads(c: Composer, x: Value, heads: number): Value {
  const [batch, length, width] = shapeOf(x) as readonly [number, number, number];
  if (shapeOf(x).length === 4) return x;
  if (width % heads !== 0) throw c.fault(`${width} values are not ${heads} heads.`);
  return c.transpose(c.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** Each head `times` times in a row. */
function repeated(c: Composer, x: Value, times: number): Value {
  const [batch, heads, length, size] = shapeOf(x) as readonly [number, number, number, number];
  if (times === 1) return x;
  const spread = c.expand(c.reshape(x, [batch, heads, 1, length, size]), [batch, heads, times, length, size]);
  return c.reshape(spread, [batch, heads * times, length, size]);
}

/** What is added to the product, broadcast to [B, heads, queries, keys]; null where nothing is forbidden. */
function biasOf(c: Composer, q: Value, keys: number, past: number): Value | null {
  const [batch, , queries] = shapeOf(q) as readonly [number, number, number];
  const forbidden = (allowed: Value): Value => c.where(allowed, c.scalar(0), c.scalar(-Infinity));
  const [mask, lengths] = [c.optional(3), c.optional(6)];
  const parts: Value[] = [];
  if (mask) {
    const missing = keys - shapeOf(mask).at(-1)!;
    const bias = dtypeOf(mask) === "bool" ? forbidden(mask) : mask;
    const axes = shapeOf(bias).map((_, i, all) => (i === all.length - 1 ? missing : 0));
    parts.push(
      c.pad(
        bias,
        axes.map(() => 0),
        axes,
        c.scalar(-Infinity),
      ),
    );
  }
  const isCausal = numberAttribute(c.node, "is_causal", 0) !== 0;
  const left = numberAttribute(c.node, "left_window_size", -1);
  const right = numberAttribute(c.node, "right_window_size", -1);
  // Where query i stands among the keys: behind the cache, or such that the last query is the last key that counts.
  const column = c.range(keys);
  const offset =
    lengths && !past ? c.reshape(c.sub(c.cast(lengths, "int64"), c.scalar(queries, "int64")), [batch, 1, 1, 1]) : c.scalar(past, "int64");
  const row = c.add(c.range(queries, [queries, 1]), offset);
  if (isCausal) parts.push(forbidden(c.op("GreaterOrEqual", [row, column])));
  if (left >= 0) parts.push(forbidden(c.op("LessOrEqual", [c.sub(row, column), c.scalar(left, "int64")])));
  if (right >= 0) parts.push(forbidden(c.op("LessOrEqual", [c.sub(column, row), c.scalar(right, "int64")])));
  if (lengths) parts.push(forbidden(c.op("Less", [column, c.reshape(c.cast(lengths, "int64"), [batch, 1, 1, 1])])));
  return parts.length === 0 ? null : parts.reduce((a, b) => c.add(a, b));
}

/** Zeros in the rows of which every key is forbidden, where softmax gives NaN. */
function clearedRows(c: Composer, bias: Value, weights: Value): Value {
  const most = c.reduce("Max", bias, [-1]);
  return c.where(c.op("Equal", [most, c.scalar(-Infinity)]), c.scalar(0), weights);
}
