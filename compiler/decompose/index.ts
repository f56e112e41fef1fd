/** Every operator that is stated in others. */
import type { Node } from "../ir/graph.ts";
import { ATTENTION } from "./attention.ts";
import { CONV_TRANSPOSE } from "./conv-transpose.ts";
import type { Decomposition } from "./definition.ts";
import { EINSUM } from "./einsum.ts";
import { ELEMENTWISE_FORMS } from "./elementwise.ts";
import { INDEXING } from "./indexing.ts";
import { INTEGER_FORMS } from "./integer.ts";
import { STREAMING } from "./linear-attention.ts";
import { NORMALIZATIONS } from "./normalization.ts";
import { PATCHES } from "./patches.ts";
import { QUANTIZED_FORMS } from "./quantized.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCTION_FORMS } from "./reduction.ts";
import { ROTARY_EMBEDDING } from "./rotary-embedding.ts";
import { SAMPLING } from "./sampling.ts";
import { SELECTIONS } from "./selection.ts";
import { SPECTRUM } from "./spectrum.ts";

/** All decompositions. */
export const DECOMPOSITIONS: readonly Decomposition[] = [
  ATTENTION,
  ROTARY_EMBEDDING,
  CONV_TRANSPOSE,
  EINSUM,
  ...STREAMING,
  ...SAMPLING,
  ...PATCHES,
  ...SPECTRUM,
  ...RECURRENT,
  ...NORMALIZATIONS,
  ...REDUCTION_FORMS,
  ...ELEMENTWISE_FORMS,
  ...INDEXING,
  ...SELECTIONS,
  ...INTEGER_FORMS,
  ...QUANTIZED_FORMS,
];

const BY_NAME: ReadonlyMap<string, Decomposition> = new Map(DECOMPOSITIONS.map((decomposition) => [decomposition.name, decomposition]));

/** What a node is made of, or undefined where it is lowered as it is. */
export function findDecomposition(node: Node): Decomposition | undefined {
  const found = BY_NAME.get(node.op);
  return found && (found.applies?.(node) ?? true) ? found : undefined;
}
