/** Functions of each element that are others put together; and those that integers have beside floats. */
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { dtypeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

const isInteger = (node: Node): boolean => typeOf(requiredInput(node, 0)).dtype !== "float32";

/** Every decomposition of this file. */
export const ELEMENTWISE_FORMS: readonly Decomposition[] = [
  { name: "CastLike", build: (c) => [c.op("Identity", [c.cast(c.input(0), dtypeOf(c.input(1)))])] },
  // The operand itself where it is not negative, for −0 and NaN are then what they were.
  {
    name: "Celu",
    build: (c) => {
      const alpha = numberAttribute(c.node, "alpha", 1);
      return [c.op("Elu", [alpha === 1 ? c.input(0) : c.div(c.input(0), c.scalar(alpha))], { alpha: 1 })].map((y) => c.scale(y, alpha));
    },
  },
  {
    name: "Sign",
    applies: isInteger,
    build: (c) => [c.op("Clip", [c.input(0), c.scalar(dtypeOf(c.input(0)) === "uint8" ? 0 : -1, c.input(0)), c.scalar(1, c.input(0))])],
  },
  { name: "Neg", applies: isInteger, build: (c) => [c.sub(c.scalar(0, c.input(0)), c.input(0))] },
  {
    name: "Abs",
    applies: isInteger,
    build: (c) => [
      dtypeOf(c.input(0)) === "uint8"
        ? c.op("Identity", [c.input(0)])
        : c.op("Max", [c.input(0), c.sub(c.scalar(0, c.input(0)), c.input(0))]),
    ],
  },
  {
    name: "BitwiseNot",
    build: (c) => [c.op("BitwiseXor", [c.input(0), c.scalar(dtypeOf(c.input(0)) === "uint8" ? 255 : -1, c.input(0))])],
  },
  { name: "IsNaN", build: (c) => [c.op("Not", [c.op("Equal", [c.input(0), c.input(0)])])] },
  {
    name: "IsInf",
    build: (c) => {
      const positive = numberAttribute(c.node, "detect_positive", 1) !== 0;
      const negative = numberAttribute(c.node, "detect_negative", 1) !== 0;
      const x = positive && negative ? c.op("Abs", [c.input(0)]) : negative ? c.op("Neg", [c.input(0)]) : c.input(0);
      // What is not asked for equals nothing.
      return [c.op("Equal", [x, c.scalar(positive || negative ? Infinity : Number.NaN)])];
    },
  },
];
