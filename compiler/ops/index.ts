/**
 * Every operator that the compiler knows, and the two ways to ask about a node: the types of its results, and the results.
 *
 * What holds for all operators is done here: `channelsLast` (operand 0 and the results of its rank are N, spatial…, C; definitions
 * see them in ONNX's order) and the clamp that fused activations leave (clampMin and clampMax, applied to the first result). A
 * definition evaluates a node whose operands have the types and, all of them, the constants that it is evaluated with.
 */
import { dtypeBytes, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { DECOMPOSITIONS } from "../decompose/index.ts";
import { definitionOf as decomposedDefinition } from "../decompose/reference.ts";
import { badOperands, unsupported } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value, type ValueType } from "../ir/graph.ts";
import { ARITHMETIC } from "./arithmetic.ts";
import { ARRANGEMENT } from "./arrangement.ts";
import { rowMajorStrides, stridedIndices } from "./axes.ts";
import { CASTS } from "./cast.ts";
import { conv } from "./convolution.ts";
import { nonMaxSuppression, nonZero } from "./counted.ts";
import { CUMULATIONS } from "./cumulation.ts";
import type { OpDefinition } from "./definition.ts";
import { FUNCTIONS } from "./functions.ts";
import { gather } from "./gather.ts";
import { gemm, matMul } from "./matrix.ts";
import { batchNormalization, instanceNormalization, layerNormalization, rmsNormalization } from "./normalization.ts";
import { pick } from "./operands.ts";
import { pad } from "./pad.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "./pooling.ts";
import { dequantizeLinear, quantizeLinear } from "./quantization.ts";
import { REDUCTIONS } from "./reduction.ts";
import { resize } from "./resize.ts";
import { scatterND } from "./scatter.ts";
import { topK } from "./selection.ts";
import { SHAPES } from "./shape.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { VIEWS } from "./views.ts";

/** What is stated in other operators has its decomposition for a reference, unless there is one of its own. */
const DECOMPOSED = DECOMPOSITIONS.map((decomposition) => decomposedDefinition(decomposition, { infer: inferNode, evaluate: evaluateNode }));

const DEFINITIONS: ReadonlyMap<string, OpDefinition> = new Map(
  [
    ...DECOMPOSED,
    ...[conv, gemm, matMul],
    ...ARITHMETIC,
    ...FUNCTIONS,
    ...[maxPool, averagePool, globalAveragePool, globalMaxPool],
    ...[softmax, logSoftmax],
    ...[batchNormalization, instanceNormalization, layerNormalization, rmsNormalization],
    ...VIEWS,
    ...ARRANGEMENT,
    ...[pad, gather, resize, scatterND, topK, nonZero, nonMaxSuppression],
    ...CUMULATIONS,
    ...REDUCTIONS,
    ...SHAPES,
    ...[quantizeLinear, dequantizeLinear],
    ...CASTS,
  ].map((definition) => [definition.name, definition]),
);

/** The definition of an operator, or undefined where eqm has none. */
export function findOp(name: string): OpDefinition | undefined {
  return DEFINITIONS.get(name);
}

/** Types of a node's results. Errors: `unsupported`, `bad-operands`, `bad-attribute`, `not-constant`. */
export function inferNode(node: Node): readonly ValueType[] {
  const types = inferInOrder(node);
  for (const { dtype, shape } of types) {
    if (!(elementCount(shape) * dtypeBytes(dtype) <= MAX_BYTES))
      throw badOperands(node, `a result of [${shape.join(", ")}] is larger than a WebAssembly memory.`);
  }
  return types;
}

/** Bytes of the largest WebAssembly memory. */
const MAX_BYTES = 2 ** 32;

function inferInOrder(node: Node): readonly ValueType[] {
  const definition = definitionOf(node);
  if (!node.channelsLast) return definition.infer(node);
  const type = typeOf(requiredInput(node, 0));
  const rank = type.shape.length;
  const first = operand({ dtype: type.dtype, shape: toFirst(type.shape) }, null);
  const types = definition.infer({ ...node, channelsLast: false, inputs: [first, ...node.inputs.slice(1)] });
  return types.map(({ dtype, shape }) => ({ dtype, shape: shape.length === rank ? toLast(shape) : shape }));
}

/** A node's results for `inputs`, whose shapes need not be those of the node's operands. Errors: as `inferNode`. */
export function evaluateNode(node: Node, inputs: readonly (Tensor | null)[]): readonly Tensor[] {
  const definition = definitionOf(node);
  const rank = inputs[0]?.shape.length ?? 0;
  const tensors = node.channelsLast ? inputs.map((tensor, i) => (i === 0 && tensor ? permuted(tensor, toFirst) : tensor)) : inputs;
  const view = { ...node, channelsLast: false, inputs: tensors.map((tensor) => tensor && operand(tensor, tensor)) };
  const results = definition.evaluate(view, tensors).map((result, i) => (i === 0 ? clamped(node, result) : result));
  return node.channelsLast ? results.map((result) => (result.shape.length === rank ? permuted(result, toLast) : result)) : results;
}

function definitionOf(node: Node): OpDefinition {
  const definition = DEFINITIONS.get(node.op);
  if (!definition) throw unsupported([{ node: node.name, op: node.op, reason: "eqm does not have this operator" }]);
  return definition;
}

const NO_READERS: ReadonlySet<Node> = new Set();

function operand({ dtype, shape }: ValueType, constant: Tensor | null): Value {
  return { name: "", type: { dtype, shape }, constant, producer: null, readers: NO_READERS };
}

/** N, spatial…, C → N, C, spatial… */
function toFirst<T>(axes: readonly T[]): readonly T[] {
  return axes.length < 3 ? axes : [axes[0]!, axes[axes.length - 1]!, ...axes.slice(1, -1)];
}

/** N, C, spatial… → N, spatial…, C */
function toLast<T>(axes: readonly T[]): readonly T[] {
  return axes.length < 3 ? axes : [axes[0]!, ...axes.slice(2), axes[1]!];
}

function permuted(tensor: Tensor, permute: <T>(axes: readonly T[]) => readonly T[]): Tensor {
  const shape = permute(tensor.shape);
  return pick(tensor, shape, stridedIndices(shape, permute(rowMajorStrides(tensor.shape))));
}

function clamped(node: Node, tensor: Tensor): Tensor {
  if (node.attributes.clampMin === undefined && node.attributes.clampMax === undefined) return tensor;
  const low = numberAttribute(node, "clampMin", -Infinity);
  const high = numberAttribute(node, "clampMax", Infinity);
  const data = newArray(tensor.dtype, tensor.data.length);
  if (tensor.data instanceof BigInt64Array)
    tensor.data.forEach((x, i) => (data[i] = x < low ? BigInt(Math.ceil(low)) : x > high ? BigInt(Math.floor(high)) : x));
  else for (let i = 0; i < data.length; i++) data[i] = within(tensor.data[i]!, low, high);
  return { dtype: tensor.dtype, shape: tensor.shape, data };
}

/** A NaN stays. */
function within(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}
