/**
 * What a step's time depends on, as text: its kernel, its sizes, and how its constants are packed; not where things lie, and not the numbers
 * that it computes with.
 */
import { layoutOf } from "../../host/layouts.ts";
import type { Step } from "../lower/lowered.ts";

/** Fields that hold numbers to compute with: scales, zero points, bounds. */
const NUMBERS = /ZERO|MIN|MAX|SCALE|FACTOR|VALUE|ALPHA|EPSILON|LOW|HIGH/;

/** The key of a step; steps of one key take the same time on one machine, as far as their operands are alike. */
export function stepKey({ opcode, fields }: Step): string {
  const parts = Object.entries(fields).flatMap(([name, field]) => {
    if (typeof field === "number") return field === 0 || NUMBERS.test(name) ? [] : [`${name}=${field}`];
    const { constant } = field.region;
    return constant ? [`${name}=${constant.packing}:${constant.parameters.join(":")}`] : [];
  });
  return [layoutOf(opcode)?.name ?? opcode, ...parts].join(" ");
}
