/**
 * LinearAttention and CausalConvWithState (opset 27), SwiGLU (28): what streaming language models are made of.
 *
 *   state ← state · e^decay (gated);  write = v, or β·(v − stateᵀ·k) (delta);  state ← state + k ⊗ write;  y = scale · q·state
 */
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

const RULES = ["linear", "gated", "delta", "gated_delta"];

const LINEAR_ATTENTION: Decomposition = {
  name: "LinearAttention",
  build: (c) => {
    const [batch, times, width] = shapeOf(c.input(0)) as readonly [number, number, number];
    const heads = numberAttribute(c.node, "q_num_heads", 0);
    const kvHeads = numberAttribute(c.node, "kv_num_heads", 0);
    const rule = stringAttribute(c.node, "update_rule", "gated_delta");
    if (!RULES.includes(rule)) throw c.fault(`its update_rule is ${rule}; ONNX has ${RULES.join(", ")}.`);
    if (!heads || !kvHeads || heads % kvHeads !== 0) throw c.fault(`${heads} heads cannot share ${kvHeads} heads of keys and values.`);
    const [isGated, isDelta] = [rule.startsWith("gated"), rule.endsWith("delta")];
    const keySize = width / heads;
    const valueSize = shapeOf(c.input(2))[2]! / kvHeads;
    const at = (x: Value, t: number, shape: readonly number[]): Value => c.reshape(c.slice(x, 1, t, t + 1), shape);
    const perHead = (x: Value): number => shapeOf(x)[2]!;
    const scale = numberAttribute(c.node, "scale", 0) || 1 / Math.sqrt(keySize);
    const [decay, beta] = [isGated ? c.input(4) : null, isDelta ? c.input(5) : null];
    const factors = decay && c.op("Exp", [decay]);
    let state = c.optional(3) ?? c.expand(c.scalar(0), [batch, kvHeads, keySize, valueSize]);
    const outputs: Value[] = [];
    for (let t = 0; t < times; t++) {
      const key = at(c.input(1), t, [batch, kvHeads, keySize, 1]);
      const value = at(c.input(2), t, [batch, kvHeads, 1, valueSize]);
      if (factors) state = c.mul(state, at(factors, t, [batch, kvHeads, perHead(factors) / kvHeads, 1]));
      const stored = isDelta ? c.op("MatMul", [c.transpose(key, [0, 1, 3, 2]), state]) : null;
      const write = stored && beta ? c.mul(at(beta, t, [batch, perHead(beta), 1, 1]), c.sub(value, stored)) : value;
      state = c.add(state, c.op("MatMul", [key, write]));
      const group = heads / kvHeads;
      const query = at(c.input(0), t, [batch, kvHeads, group, keySize]);
      outputs.push(c.reshape(c.scale(c.op("MatMul", [query, state]), scale), [batch, 1, heads * valueSize]));
    }
    return [c.concat(outputs, 1), state].slice(0, c.node.outputs.length);
  },
};

const CAUSAL_CONV: Decomposition = {
  name: "CausalConvWithState",
  build: (c) => {
    const [batch, channels] = shapeOf(c.input(0)) as readonly [number, number];
    const kernel = shapeOf(c.input(1))[2]!;
    const past = c.optional(3) ?? (kernel > 1 ? c.expand(c.scalar(0), [batch, channels, kernel - 1]) : null);
    const padded = past && kernel > 1 ? c.concat([past, c.input(0)], 2) : c.input(0);
    const bias = c.optional(2);
    const sums = c.op("Conv", [padded, c.input(1), ...(bias ? [bias] : [])], { group: channels });
    const activation = stringAttribute(c.node, "activation", "none");
    if (!["none", "", "silu", "swish"].includes(activation))
      throw c.fault(`its activation is ${activation}; ONNX has none, silu and swish.`);
    const y = activation === "silu" || activation === "swish" ? c.mul(sums, c.op("Sigmoid", [sums])) : sums;
    const length = shapeOf(padded)[2]!;
    return [y, c.slice(padded, 2, length - kernel + 1, length)].slice(0, c.node.outputs.length);
  },
};

const SWI_GLU: Decomposition = {
  name: "SwiGLU",
  build: (c) => [c.mul(c.op("Swish", [c.input(0)], { alpha: numberAttribute(c.node, "alpha", 1) }), c.input(1))],
};

/** Every decomposition of this file. */
export const STREAMING: readonly Decomposition[] = [LINEAR_ATTENTION, CAUSAL_CONV, SWI_GLU];
