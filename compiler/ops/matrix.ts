/** MatMul and Gemm. Float sums in float64, rounded to float32 once; integers wrap. */
import { type DType, elementCount, newArray, type Tensor, type TypedArray } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { broadcastIndices, broadcastShape } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { checkRank, commonType, floatTensor, operandType, requiredTensor } from "./operands.ts";

const TYPES: readonly DType[] = ["float32", "int32", "int64"];

/** Numbers of rows, of columns, and of terms in each sum. */
interface Sizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The product of one pair of matrices; element (i, j) of a lies at aRow·i + aColumn·j, of b likewise. */
interface Factor {
  readonly data: TypedArray;
  readonly offset: number;
  readonly row: number;
  readonly column: number;
}

function multiplyFloat(a: Factor, b: Factor, { m, n, k }: Sizes, row: (i: number, sums: Float64Array) => void): void {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    sums.fill(0);
    for (let l = 0; l < k; l++) {
      const factor = x[a.offset + i * a.row + l * a.column]!;
      const from = b.offset + l * b.row;
      for (let j = 0; j < n; j++) sums[j] = sums[j]! + factor * y[from + j * b.column]!;
    }
    row(i, sums);
  }
}

function multiplyInteger(a: Factor, b: Factor, { m, n, k }: Sizes, put: (i: number, j: number, sum: bigint) => void): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0n;
      for (let l = 0; l < k; l++)
        sum += BigInt(a.data[a.offset + i * a.row + l * a.column]!) * BigInt(b.data[b.offset + l * b.row + j * b.column]!);
      put(i, j, sum);
    }
  }
}

function storeInteger(data: TypedArray, index: number, value: bigint): void {
  if (data instanceof BigInt64Array) data[index] = value;
  else data[index] = Number(BigInt.asIntN(32, value));
}

/** MatMul: NumPy's matmul over batches that broadcast; a vector on the left is a row, on the right a column. */
export const matMul: OpDefinition = {
  name: "MatMul",
  infer: (node) => {
    const { dtype, shape } = productOf(node);
    return [{ dtype, shape }];
  },
  evaluate: (node, inputs) => {
    const { dtype, shape, sizes, batch, aBatch, bBatch } = productOf(node);
    const { m, n, k } = sizes;
    const data = newArray(dtype, elementCount(shape));
    const [a, b] = [requiredTensor(inputs, 0).data, requiredTensor(inputs, 1).data];
    const aPlace = broadcastIndices(aBatch, batch);
    const bPlace = broadcastIndices(bBatch, batch);
    for (let i = 0; i < elementCount(batch); i++) {
      const left = { data: a, offset: (aPlace ? aPlace[i]! : i) * m * k, row: k, column: 1 };
      const right = { data: b, offset: (bPlace ? bPlace[i]! : i) * k * n, row: n, column: 1 };
      const to = i * m * n;
      if (dtype === "float32") multiplyFloat(left, right, sizes, (row, sums) => (data as Float32Array).set(sums, to + row * n));
      else multiplyInteger(left, right, sizes, (row, column, sum) => storeInteger(data, to + row * n + column, sum));
    }
    return [{ dtype, shape, data }];
  },
};

function productOf(node: Node) {
  const dtype = commonType(node, TYPES);
  const [a, b] = [operandType(node, 0).shape, operandType(node, 1).shape];
  checkRank(node, "input 0", a, 1, Infinity);
  checkRank(node, "input 1", b, 1, Infinity);
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const sizes: Sizes = { m: left[left.length - 2]!, k: left[left.length - 1]!, n: right[right.length - 1]! };
  if (right[right.length - 2] !== sizes.k)
    throw badOperands(node, `[${a.join(", ")}] and [${b.join(", ")}] have inner sizes ${sizes.k} and ${right[right.length - 2]}.`);
  const [aBatch, bBatch] = [left.slice(0, -2), right.slice(0, -2)];
  const batch = broadcastShape(node, [aBatch, bBatch]);
  const shape = [...batch, ...(a.length === 1 ? [] : [sizes.m]), ...(b.length === 1 ? [] : [sizes.n])];
  return { dtype, shape, sizes, batch, aBatch, bBatch };
}

/** Gemm: alpha·op(a)·op(b) + beta·c, op transposing where transA, transB say so, c broadcasting. */
export const gemm: OpDefinition = {
  name: "Gemm",
  infer: (node) => {
    const { dtype, sizes } = gemmOf(node);
    return [{ dtype, shape: [sizes.m, sizes.n] }];
  },
  evaluate: (node, inputs) => {
    const { dtype, sizes, transA, transB } = gemmOf(node);
    const { m, n, k } = sizes;
    const alpha = numberAttribute(node, "alpha", 1);
    const beta = numberAttribute(node, "beta", 1);
    const a = { data: requiredTensor(inputs, 0).data, offset: 0, row: transA ? 1 : k, column: transA ? m : 1 };
    const b = { data: requiredTensor(inputs, 1).data, offset: 0, row: transB ? 1 : n, column: transB ? k : 1 };
    const addend = addendOf(inputs[2] ?? null, [m, n]);
    if (dtype === "float32") {
      const data = new Float32Array(m * n);
      multiplyFloat(a, b, sizes, (i, sums) => {
        for (let j = 0; j < n; j++) data[i * n + j] = alpha * sums[j]! + (addend ? beta * Number(addend(i * n + j)) : 0);
      });
      return [floatTensor([m, n], data)];
    }
    const data = newArray(dtype, m * n);
    multiplyInteger(a, b, sizes, (i, j, sum) => {
      storeInteger(data, i * n + j, BigInt(alpha) * sum + (addend ? BigInt(beta) * BigInt(addend(i * n + j)) : 0n));
    });
    return [{ dtype, shape: [m, n], data }];
  },
};

function addendOf(c: Tensor | null, shape: readonly number[]): ((i: number) => number | bigint) | null {
  if (!c) return null;
  const places = broadcastIndices(c.shape, shape);
  return (i) => c.data[places ? places[i]! : i]!;
}

function gemmOf(node: Node) {
  const dtype = commonType(node, TYPES, node.inputs[2] ? [0, 1, 2] : [0, 1]);
  const [a, b] = [operandType(node, 0).shape, operandType(node, 1).shape];
  checkRank(node, "input 0", a, 2, 2);
  checkRank(node, "input 1", b, 2, 2);
  const transA = numberAttribute(node, "transA", 0) !== 0;
  const transB = numberAttribute(node, "transB", 0) !== 0;
  if (dtype !== "float32" && !(Number.isInteger(numberAttribute(node, "alpha", 1)) && Number.isInteger(numberAttribute(node, "beta", 1)))) {
    throw badOperands(node, "a product of integers takes whole numbers as alpha and beta.");
  }
  const sizes: Sizes = { m: a[transA ? 1 : 0]!, k: a[transA ? 0 : 1]!, n: b[transB ? 0 : 1]! };
  const inner = b[transB ? 1 : 0]!;
  if (inner !== sizes.k) throw badOperands(node, `[${a.join(", ")}] and [${b.join(", ")}] have inner sizes ${sizes.k} and ${inner}.`);
  const target = [sizes.m, sizes.n];
  if (node.inputs[2]) {
    const { shape: c } = operandType(node, 2);
    const common = broadcastShape(node, [c, target]);
    if (common.length > 2 || common.some((d, i) => d !== target[i]))
      throw badOperands(node, `an addend of [${c.join(", ")}] does not broadcast to [${target.join(", ")}].`);
  }
  return { dtype, sizes, transA, transB };
}
