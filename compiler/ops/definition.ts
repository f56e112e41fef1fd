/** What the compiler knows of an operator. One file a family; ops/index.ts lists them all. */
import type { Tensor } from "../../host/tensor.ts";
import type { Node, ValueType } from "../ir/graph.ts";

/** An operator, in the form of ONNX opset 26 (import translates the earlier forms). */
export interface OpDefinition {
  /** ONNX's name, or `domain:Name`. */
  readonly name: string;
  /**
   * Types of the outputs. Inputs have types; an input that decides a shape has to be constant (error `not-constant`).
   * Operands are in ONNX's axis order, also where the node is `channelsLast`: ops/index.ts permutes around this call.
   * Errors: `bad-operands`, `bad-attribute`, `not-constant`.
   */
  readonly infer: (node: Node) => readonly ValueType[];
  /**
   * The operator's result by the specification, in float32 where ONNX says float: constant folding, and the reference that
   * kernels are held against. Uses no transcendental function of the engine (ops/mathematics.ts has them).
   */
  readonly evaluate: (node: Node, inputs: readonly (Tensor | null)[]) => readonly Tensor[];
}
