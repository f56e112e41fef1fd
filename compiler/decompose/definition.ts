/** An operator stated in other operators. */
import type { Node, Value, ValueType } from "../ir/graph.ts";
import type { Composer } from "./composer.ts";

/** What one operator is made of; passes/decompose.ts puts it into the graph, ops/index.ts evaluates it as the operator's reference. */
export interface Decomposition {
  /** ONNX's name, or `domain:Name`. */
  readonly name: string;
  /** Which nodes it applies to; all by default. Others are lowered as they are. */
  readonly applies?: (node: Node) => boolean;
  /** The types of the results, where that is cheaper than to build them. Errors: `bad-operands`, `bad-attribute`, `not-constant`. */
  readonly infer?: (node: Node) => readonly ValueType[];
  /** Builds the node's results, as many as it has outputs. Errors: `bad-operands`, `bad-attribute`, `not-constant`. */
  readonly build: (c: Composer) => readonly Value[];
}
