/**
 * RotaryEmbedding (opset 23): pairs of values are turned by the angle of their position.
 *
 *   (x₁, x₂) → (x₁·cos − x₂·sin, x₁·sin + x₂·cos); a pair is two neighbours (interleaved), or the same place in each half
 */
import { numberAttribute } from "../ir/attributes.ts";
import { shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** RotaryEmbedding. */
export const ROTARY_EMBEDDING: Decomposition = {
  name: "RotaryEmbedding",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const given = c.input(0);
    const shape = shapeOf(given);
    const isFlat = shape.length === 3;
    const [batch, length] = [shape[0]!, shape[isFlat ? 1 : 2]!];
    const heads = isFlat ? numberAttribute(c.node, "num_heads", 0) : shape[1]!;
    if (isFlat && (heads < 1 || shape[2]! % heads !== 0)) throw c.fault(`${shape[2]} values are not ${heads} heads.`);
    const size = isFlat ? shape[2]! / heads : shape[3]!;
    const x = isFlat ? c.reshape(given, [batch, length, heads, size]) : c.transpose(given, [0, 2, 1, 3]);
    const turned = numberAttribute(c.node, "rotary_embedding_dim", 0) || size;
    const half = turned / 2;
    const positions = c.optional(3);
    const [cos, sin] = [1, 2].map((index) => {
      const cache = positions ? c.gather(c.input(index), positions) : c.input(index);
      return c.reshape(c.slice(cache, 2, 0, half), [shapeOf(cache)[0]!, length, 1, half]);
    }) as [ReturnType<typeof c.input>, ReturnType<typeof c.input>];

    const isInterleaved = numberAttribute(c.node, "interleaved", 0) !== 0;
    const rotated = c.slice(x, 3, 0, turned);
    const pairs = c.reshape(rotated, isInterleaved ? [batch, length, heads, half, 2] : [batch, length, heads, 2, half]);
    const axis = isInterleaved ? 4 : 3;
    const [a, b] = [0, 1].map((i) => c.reshape(c.slice(pairs, axis, i, i + 1), [batch, length, heads, half])) as [typeof x, typeof x];
    const parts = [c.sub(c.mul(a, cos), c.mul(b, sin)), c.add(c.mul(a, sin), c.mul(b, cos))];
    const spread = parts.map((part) => c.reshape(part, isInterleaved ? [batch, length, heads, half, 1] : [batch, length, heads, 1, half]));
    const joined = c.reshape(c.concat(spread, axis), [batch, length, heads, turned]);
    const y = turned === size ? joined : c.concat([joined, c.slice(x, 3, turned, size)], 3);
    return [isFlat ? c.reshape(y, shape) : c.transpose(y, [0, 2, 1, 3])];
  },
};
