/**
 * What it takes for a node to work on operands whose axes are permuted from N, C, spatial… to N, spatial…, C.
 *
 * Each rule says which inputs are permuted and renames the axes in attributes and in constant axis inputs. Operators without a
 * rule stay as they are, behind a transpose.
 */
import type { Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";

const ELEMENTWISE = new Set(
  (
    "Add Sub Mul Div Pow Max Min PRelu Where Equal Less Greater LessOrEqual GreaterOrEqual And Or Not Relu Clip LeakyRelu Sigmoid Tanh HardSwish " +
    "HardSigmoid eqm:Silu Swish Elu Gelu Softplus Erf Sqrt Exp Log Neg Abs Reciprocal Floor Ceil Round Cast Mish Selu Identity"
  ).split(" "),
);

/** Position in N, spatial…, C of each axis of N, C, spatial…. */
function newAxis(axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (a === 0) return 0;
  return a === 1 ? rank - 1 : a - 1;
}

/**
 * Permutes `node` where a rule allows: `moveInput` gives an operand's channels-last form, `moveOutput` makes an output
 * channels-last. Returns whether it did.
 */
export function permuteNode(
  graph: Graph,
  node: Node,
  rank: number,
  moveInput: (value: Value) => Value,
  moveOutput: (value: Value) => void,
): boolean {
  const setInput = (index: number): void => {
    const value = node.inputs[index];
    if (value) graph.setInput(node, index, moveInput(value));
  };
  if (ELEMENTWISE.has(node.op)) {
    if (node.outputs.some((value) => typeOf(value).shape.length !== rank)) return false;
    node.inputs.forEach((value, i) => {
      if (value && isBroadcastable(node, i)) graph.setInput(node, i, moveInput(padRank(graph, node, value, rank)));
    });
    node.outputs.forEach(moveOutput);
    return true;
  }
  switch (node.op) {
    case "QuantizeLinear":
    case "DequantizeLinear": {
      if (requiredInput(node, 1).constant === null || typeOf(requiredInput(node, 1)).shape.length > 1) return false;
      setInput(0);
      graph.setAttributes(node, { axis: newAxis(numberAttribute(node, "axis", 1), rank) });
      moveOutput(onlyOutput(node));
      return true;
    }
    case "Concat":
    case "Softmax":
    case "LogSoftmax": {
      node.inputs.forEach((_, i) => {
        setInput(i);
      });
      graph.setAttributes(node, { axis: newAxis(numberAttribute(node, "axis", -1), rank) });
      moveOutput(onlyOutput(node));
      return true;
    }
    case "Split": {
      setInput(0);
      graph.setAttributes(node, { axis: newAxis(numberAttribute(node, "axis", 0), rank) });
      node.outputs.forEach(moveOutput);
      return true;
    }
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceMin": {
      const axes = node.inputs[1]?.constant;
      const keepsRank = numberAttribute(node, "keepdims", 1) !== 0;
      if ((node.inputs[1] && !axes) || (!keepsRank && !keepsOrder(axes, rank))) return false;
      setInput(0);
      if (axes) graph.setInput(node, 1, graph.addConstant(`${node.name}.axes`, renamed(axes, rank)));
      if (keepsRank) moveOutput(onlyOutput(node));
      return true;
    }
    case "Slice": {
      const axes = node.inputs[3] ? node.inputs[3].constant : null;
      const starts = requiredInput(node, 1);
      if (node.inputs[3] && !axes) return false;
      const count = typeOf(starts).shape[0]!;
      const given: Tensor = axes ?? { dtype: "int64", shape: [count], data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i)) };
      setInput(0);
      graph.setInput(node, 3, graph.addConstant(`${node.name}.axes`, renamed(given, rank)));
      moveOutput(onlyOutput(node));
      return true;
    }
    case "Pad": {
      const pads = requiredInput(node, 1).constant;
      if (!pads || node.inputs[3]) return false;
      const data = new BigInt64Array(2 * rank);
      for (let axis = 0; axis < rank; axis++) {
        data[newAxis(axis, rank)] = (pads.data as BigInt64Array)[axis]!;
        data[rank + newAxis(axis, rank)] = (pads.data as BigInt64Array)[rank + axis]!;
      }
      setInput(0);
      graph.setInput(node, 1, graph.addConstant(`${node.name}.pads`, { dtype: "int64", shape: [2 * rank], data }));
      moveOutput(onlyOutput(node));
      return true;
    }
    default:
      return false;
  }
}

/** Whether the axes that a reduction leaves stand in the same order in N, spatial…, C. */
function keepsOrder(axes: Tensor | null | undefined, rank: number): boolean {
  const reduced = new Set(Array.from((axes?.data ?? []) as ArrayLike<bigint>, (axis) => (Number(axis) + rank) % rank));
  // No axes are all of them, or none: neither is worth a rule.
  if (reduced.size === 0) return false;
  const left = Array.from({ length: rank }, (_, i) => i).filter((axis) => !reduced.has(axis));
  return left.every((axis, i) => i === 0 || newAxis(axis, rank) > newAxis(left[i - 1]!, rank));
}

/** Clip's bounds and the like are scalars beside the operand; they are not permuted. */
function isBroadcastable(node: Node, index: number): boolean {
  return node.op !== "Clip" || index === 0;
}

/** An operand of lower rank, with leading ones; scalars stay as they are. */
function padRank(graph: Graph, node: Node, value: Value, rank: number): Value {
  const { dtype, shape } = typeOf(value);
  if (shape.length === rank) return value;
  const padded = [...Array.from({ length: rank - shape.length }, () => 1), ...shape];
  if (value.constant) return graph.addConstant(value.name, { ...value.constant, shape: padded });
  const target = graph.addConstant(`${value.name}.shape`, { dtype: "int64", shape: [rank], data: BigInt64Array.from(padded, BigInt) });
  const reshape = graph.add(
    {
      op: "Reshape",
      name: `${value.name}.padRank`,
      inputs: [value, target],
      sources: node.sources,
      outputs: [{ name: `${value.name}.ranked`, type: { dtype, shape: padded } }],
    },
    node,
  );
  return onlyOutput(reshape);
}

function renamed(axes: Tensor, rank: number): Tensor {
  return {
    dtype: "int64",
    shape: axes.shape,
    data: BigInt64Array.from(axes.data as BigInt64Array, (axis) => BigInt(newAxis(Number(axis), rank))),
  };
}
