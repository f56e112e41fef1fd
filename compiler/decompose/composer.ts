/**
 * Builds what an operator is made of from other operators: the vocabulary in which decompose/ states its equations.
 *
 * Every operation gets its types at once, and folds at once where its operands are constant and the result is small, so that a
 * decomposition may compute with shapes and tables as if they were numbers.
 */
import { type DType, dtypeBytes, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands, notConstant } from "../errors.ts";
import { type Attribute, type Graph, type Node, typeOf, type Value, type ValueType } from "../ir/graph.ts";
import { onnxCode } from "../onnx/data-types.ts";

/** How types and results of nodes are found: ops/index.ts. */
export interface Operators {
  readonly infer: (node: Node) => readonly ValueType[];
  readonly evaluate: (node: Node, inputs: readonly (Tensor | null)[]) => readonly Tensor[];
}

/** Results up to this size are folded even where they are larger than their operands. */
const ALWAYS_FOLDED_BYTES = 2 ** 16;

/** The largest and the smallest int64, which open ends of a Slice are given as. */
const INT64_ENDS = { last: 2 ** 62, first: -(2 ** 62) };

/** Adds operations to a graph on behalf of one node. */
export class Composer {
  /** The node that is decomposed. */
  readonly node: Node;
  private readonly graph: Graph;
  private readonly operators: Operators;
  private readonly before: Node | undefined;
  private readonly foldsAll: boolean;

  /** Adds before `before` (at the end by default); `foldsAll` folds whatever is constant, of any size. */
  constructor(node: Node, graph: Graph, operators: Operators, before: Node | undefined, foldsAll: boolean) {
    this.node = node;
    this.graph = graph;
    this.operators = operators;
    this.before = before;
    this.foldsAll = foldsAll;
  }

  /** The operand at `index`, which the operator requires. Errors: `bad-operands`. */
  input(index: number): Value {
    const value = this.optional(index);
    if (!value) throw this.fault(`its input ${index} is missing.`);
    return value;
  }

  /** The operand at `index`, or null where it is left out. */
  optional(index: number): Value | null {
    return this.node.inputs[index] ?? null;
  }

  /** The integers of a constant operand, or null where it is left out. Errors: `not-constant`. */
  integers(index: number, name: string): readonly number[] | null {
    const value = this.optional(index);
    if (!value) return null;
    if (!value.constant) throw notConstant(this.node, name);
    return Array.from(value.constant.data as ArrayLike<number | bigint>, Number);
  }

  /** The error that the operands do not fit together. */
  fault(problem: string): Error {
    return badOperands(this.node, problem);
  }

  /** One operation of one result. */
  op(op: string, inputs: readonly (Value | null)[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.ops(op, 1, inputs, attributes)[0]!;
  }

  /** One operation of `count` results. */
  ops(
    op: string,
    count: number,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly Value[] {
    const name = this.graph.uniqueName(`${this.node.name}/${op}`);
    const outputs = Array.from({ length: count }, (_, i) => ({ name: i === 0 ? name : `${name}.output${i}` }));
    const spec = { op, name, inputs, attributes, sources: this.node.sources, outputs };
    const node = this.graph.add(spec, this.before);
    const types = this.operators.infer(node);
    if (this.folds(node, types)) {
      const results = this.operators.evaluate(
        node,
        inputs.map((value) => value?.constant ?? null),
      );
      this.graph.remove(node);
      return results.slice(0, count).map((tensor) => this.constant(tensor));
    }
    node.outputs.forEach((value, i) => {
      this.graph.setType(value, types[i]!);
    });
    return node.outputs;
  }

  private folds({ op, inputs }: Node, types: readonly ValueType[]): boolean {
    if (op === "DequantizeLinear" && !this.foldsAll) return false;
    if (inputs.some((value) => value !== null && !value.constant)) return false;
    const bytes = sum(types.map(byteSize));
    return this.foldsAll || bytes <= ALWAYS_FOLDED_BYTES || bytes <= sum(inputs.map((value) => (value ? byteSize(typeOf(value)) : 0)));
  }

  /** A constant. */
  constant(tensor: Tensor): Value {
    return this.graph.addConstant(`${this.node.name}/constant`, tensor);
  }

  /** A constant of numbers; of one number without a shape, a scalar. */
  numbers(values: readonly number[], shape: readonly number[], dtype: DType = "float32"): Value {
    const data = newArray(dtype, values.length);
    values.forEach((value, i) => {
      data[i] = data instanceof BigInt64Array ? BigInt(value) : value;
    });
    return this.constant({ dtype, shape, data });
  }

  /** A scalar constant of `like`'s element type. */
  scalar(value: number, like: Value | DType = "float32"): Value {
    return this.numbers([value], [], typeof like === "string" ? like : dtypeOf(like));
  }

  /** A list of int64. */
  list(values: readonly number[]): Value {
    return this.numbers(values, [values.length], "int64");
  }

  /** 0, 1, … `count` − 1 with the given shape. */
  range(count: number, shape: readonly number[] = [count], dtype: DType = "int64"): Value {
    return this.numbers(
      Array.from({ length: count }, (_, i) => i),
      shape,
      dtype,
    );
  }

  add(a: Value, b: Value): Value {
    return this.op("Add", [a, b]);
  }
  sub(a: Value, b: Value): Value {
    return this.op("Sub", [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.op("Mul", [a, b]);
  }
  div(a: Value, b: Value): Value {
    return this.op("Div", [a, b]);
  }

  /** x times a number, x itself where that is 1. */
  scale(x: Value, factor: number): Value {
    return factor === 1 ? x : this.mul(x, this.scalar(factor, x));
  }

  /** x in another shape of as many elements; x itself where it has it. */
  reshape(x: Value, shape: readonly number[]): Value {
    if (`${shapeOf(x)}` === `${shape}` && shapeOf(x).length === shape.length) return x;
    return this.op("Reshape", [x, this.list(shape)], { allowzero: 1 });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.op("Transpose", [x], { perm });
  }

  /** x repeated to a shape. */
  expand(x: Value, shape: readonly number[]): Value {
    return `${shapeOf(x)}` === `${shape}` ? x : this.op("Expand", [x, this.list(shape)]);
  }

  /** Positions from `start` to before `end` of an axis. */
  slice(x: Value, axis: number, start: number, end: number): Value {
    const size = shapeOf(x)[axis < 0 ? axis + shapeOf(x).length : axis]!;
    if (start === 0 && end >= size) return x;
    return this.op("Slice", [x, this.list([start]), this.list([end]), this.list([axis])]);
  }

  /** x with some axes reversed. */
  flip(x: Value, axes: readonly number[]): Value {
    const each = (value: number): Value => this.list(axes.map(() => value));
    return axes.length === 0 ? x : this.op("Slice", [x, each(INT64_ENDS.last), each(INT64_ENDS.first), this.list(axes), each(-1)]);
  }

  /** Every `step`th position of an axis, from `start` on. */
  every(x: Value, axis: number, start: number, step: number): Value {
    return this.op("Slice", [x, this.list([start]), this.list([INT64_ENDS.last]), this.list([axis]), this.list([step])]);
  }

  concat(values: readonly Value[], axis: number): Value {
    return values.length === 1 ? values[0]! : this.op("Concat", values, { axis });
  }

  /** Parts of the given sizes along an axis. */
  split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
    return sizes.length === 1 ? [x] : this.ops("Split", sizes.length, [x, this.list(sizes)], { axis });
  }

  cast(x: Value, dtype: DType): Value {
    return dtypeOf(x) === dtype ? x : this.op("Cast", [x], { to: onnxCode(dtype) });
  }

  /** A reduction ("Sum", "Mean", "Max", …) over axes. */
  reduce(kind: string, x: Value, axes: readonly number[], keepdims = true): Value {
    return this.op(`Reduce${kind}`, [x, this.list(axes)], { keepdims: keepdims ? 1 : 0, noop_with_empty_axes: 1 });
  }

  where(condition: Value, a: Value, b: Value): Value {
    return this.op("Where", [condition, a, b]);
  }

  /** Entries of an axis by their places. */
  gather(x: Value, places: Value, axis = 0): Value {
    return this.op("Gather", [x, places], { axis });
  }

  /** Fills around x: `before` and `after` for every axis. */
  pad(x: Value, before: readonly number[], after: readonly number[], value?: Value): Value {
    if ([...before, ...after].every((d) => d === 0)) return x;
    return this.op("Pad", [x, this.list([...before, ...after]), ...(value ? [value] : [])]);
  }
}

/** The shape of a value. */
export function shapeOf(value: Value): readonly number[] {
  return typeOf(value).shape;
}

/** The element type of a value. */
export function dtypeOf(value: Value): DType {
  return typeOf(value).dtype;
}

/** `axis` counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

function byteSize({ dtype, shape }: ValueType): number {
  return elementCount(shape) * dtypeBytes(dtype);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, x) => total + x, 0);
}
