/** Operators that are TopK, ScatterND on rows, or a running total in another form. */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { axisOf, type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";
import { flatElements, flatRows } from "./indexing.ts";

/** Place of the extreme along an axis, of equal ones the first; the last by looking from the other end. */
function extremePlace(c: Composer, x: Value, axis: number, isLargest: boolean, isLast: boolean): Value {
  const [, places] = c.ops("TopK", 2, [isLast ? c.flip(x, [axis]) : x, c.list([1])], { axis, largest: isLargest ? 1 : 0 });
  return isLast ? c.sub(c.scalar(shapeOf(x)[axis]! - 1, "int64"), places!) : places!;
}

function extreme(name: string, isLargest: boolean): Decomposition {
  const axisIn = (node: Node): number => axisOf(numberAttribute(node, "axis", 0), typeOf(requiredInput(node, 0)).shape.length);
  return {
    name,
    build: (c) => {
      const x = c.input(0);
      const axis = axisIn(c.node);
      const places = extremePlace(c, x, axis, isLargest, numberAttribute(c.node, "select_last_index", 0) !== 0);
      if (numberAttribute(c.node, "keepdims", 1) !== 0) return [places];
      const kept = shapeOf(x).filter((_, i) => i !== axis);
      return [c.reshape(places, kept)];
    },
  };
}

/** 1 at the first maximum along an axis, else 0. */
const HARDMAX: Decomposition = {
  name: "Hardmax",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const x = c.input(0);
    const shape = shapeOf(x);
    const axis = axisOf(numberAttribute(c.node, "axis", -1), shape.length);
    const ticks = c.range(shape[axis]!, [shape[axis]!, ...shape.slice(axis + 1).map(() => 1)]);
    return [c.cast(c.op("Equal", [extremePlace(c, x, axis, true, false), ticks]), dtypeOf(x))];
  },
};

/** ScatterND on a matrix or tensor of rows, at one row for each update: the form that is lowered. */
function scatterRows(c: Composer, data: Value, rows: Value, updates: Value, inner: readonly number[], depthSize: number): Value {
  const count = elementCount(shapeOf(rows));
  const reduction = stringAttribute(c.node, "reduction", "none");
  const y = c.op(
    "ScatterND",
    [c.reshape(data, [depthSize, ...inner]), c.reshape(rows, [count, 1]), c.reshape(updates, [count, ...inner])],
    { reduction },
  );
  return c.reshape(y, shapeOf(data));
}

const SCATTER_ND: Decomposition = {
  name: "ScatterND",
  applies: (node) => typeOf(requiredInput(node, 1)).shape.length !== 2 || typeOf(requiredInput(node, 1)).shape[1] !== 1,
  build: (c) => {
    const data = c.input(0);
    const shape = shapeOf(data);
    const depth = shapeOf(c.input(1)).at(-1)!;
    const inner = shape.slice(depth);
    return [scatterRows(c, data, flatRows(c, c.input(1), shape, 0), c.input(2), inner, elementCount(shape.slice(0, depth)))];
  },
};

const SCATTER_ELEMENTS: Decomposition = {
  name: "ScatterElements",
  infer: (node) => [node.inputs[0]!.type!],
  build: (c) => {
    const data = c.input(0);
    const shape = shapeOf(data);
    const axis = axisOf(numberAttribute(c.node, "axis", 0), shape.length);
    if (`${shapeOf(c.input(1))}` !== `${shapeOf(c.input(2))}`) throw c.fault("its indices and updates are of different shape.");
    if (elementCount(shapeOf(c.input(1))) === 0) return [c.op("Identity", [data])];
    return [scatterRows(c, data, flatElements(c, c.input(1), shape, axis), c.input(2), [], elementCount(shape))];
  },
};

/** A running total along an axis that is known only when running: along each axis, and the one that is meant. */
function cumulationOfComputedAxis(name: string): Decomposition {
  return {
    name,
    applies: (node) => requiredInput(node, 1).constant === null,
    build: (c) => {
      const x = c.input(0);
      const rank = shapeOf(x).length;
      const axis = c.reshape(c.cast(c.input(1), "int64"), []);
      const front = c.where(c.op("Less", [axis, c.scalar(0, "int64")]), c.add(axis, c.scalar(rank, "int64")), axis);
      const along = (i: number): Value => c.op(name, [x, c.scalar(i, "int64")], c.node.attributes);
      let y = along(rank - 1);
      for (let i = rank - 2; i >= 0; i--) y = c.where(c.op("Equal", [front, c.scalar(i, "int64")]), along(i), y);
      return [y];
    },
  };
}

/** Every decomposition of this file. */
export const SELECTIONS: readonly Decomposition[] = [
  extreme("ArgMax", true),
  extreme("ArgMin", false),
  HARDMAX,
  SCATTER_ND,
  SCATTER_ELEMENTS,
  cumulationOfComputedAxis("CumSum"),
  cumulationOfComputedAxis("CumProd"),
];
