/** The operand and the result of a node that has an int8 and a float32 form. */
import { type Node, requiredInput, type Value } from "../ir/graph.ts";
import { type QuantizedOperand, quantizedOperand, quantizedResult } from "./builder.ts";

/** Int8 operand and result, or the float32 ones, of a node that can do both. */
export interface Ends {
  readonly src: Value;
  readonly dst: Value;
  readonly x: QuantizedOperand | null;
  readonly result: QuantizedOperand | null;
}

/** The int8 operand and result of a node, or null. */
export function int8Ends(node: Node): Ends | null {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = quantizedResult(node.outputs[0]!);
  return x && result ? { src: x.value, dst: result.value, x, result } : null;
}

/** The float32 operand and result. */
export function floatEnds(node: Node): Ends {
  return { src: requiredInput(node, 0), dst: node.outputs[0]!, x: null, result: null };
}
