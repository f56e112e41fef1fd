/** Which weights of a model's layers stay: what pruning decides, what training has to hold, and what further pruning starts from. */
import { CompileError } from "../errors.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";

/** Which weights of a layer stay. */
export interface PruningMask {
  /** Of the layer's weights, as ONNX has them: of a Conv [outputs, inputs / groups, height, width]. */
  readonly shape: readonly number[];
  /** 1 for each weight that stays, 0 for each that is gone; row-major. */
  readonly data: Uint8Array;
}

/** Masks by the names of nodes. */
export type PruningMasks = Readonly<Record<string, PruningMask>>;

/** The masks of `layers`, by what is 0 in them. */
export function masksOf(graph: Graph, layers: readonly string[]): PruningMasks {
  const wanted = new Set(layers);
  return Object.fromEntries(
    graph.nodes.flatMap((node) => {
      if (!wanted.has(node.name)) return [];
      const { shape, data } = requiredInput(node, 1).constant!;
      return [[node.name, { shape, data: Uint8Array.from(data as Float32Array, (w) => (w === 0 ? 0 : 1)) }]];
    }),
  );
}

/** Masks by the names of `graph`'s own nodes; given ones may be of their sources. Throws `unknown-node`, `bad-option` where a mask has another shape. */
export function resolveMasks(graph: Graph, masks: PruningMasks): ReadonlyMap<string, PruningMask> {
  return new Map(
    Object.entries(masks).map(([name, mask]) => {
      const node =
        graph.nodes.find((each) => each.name === name) ??
        graph.nodes.find(({ sources, inputs }) => sources.includes(name) && inputs[1]?.constant?.dtype === "float32");
      const weights = node?.inputs[1]?.constant;
      if (!node || !weights)
        throw new CompileError(
          "unknown-node",
          `The masks name a node "${name}", but no layer with weights is called so.`,
          { name },
          "usage",
        );
      if (weights.shape.join() !== mask.shape.join())
        throw new CompileError(
          "bad-option",
          `The mask of "${name}" has the shape [${mask.shape.join(", ")}]; its weights have [${weights.shape.join(", ")}].`,
          { option: "masks", name, got: mask.shape, expected: weights.shape },
          "usage",
        );
      return [node.name, mask];
    }),
  );
}
