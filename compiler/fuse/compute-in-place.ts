/**
 * Elementwise steps write over an operand that nobody reads afterwards: half the memory goes through the caches.
 *
 *   step(R) → D      =      step(R) → R, and D is R
 *
 * Declines where R or D is seen from outside, where the two are not of one size, and where the operand is repeated or taken in another order.
 */
import * as Opcode from "../../format/opcodes.ts";
import type { Lowered, Region, Step } from "../lower/lowered.ts";
import { numberOf, portRegions, redirected, referenceOf, usesOf } from "./uses.ts";

/** Applies the rule everywhere. */
export function computeInPlace(lowered: Lowered): Lowered {
  const ports = portRegions(lowered);
  let steps = lowered.steps;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    const written = resultOf(step);
    for (const field of operands(step)) {
      const source = referenceOf(step, field);
      const result = referenceOf(step, written);
      if (!isReplaceable(source.region, ports) || !isReplaceable(result.region, ports)) continue;
      const isWhole = source.offsetBytes === 0 && result.offsetBytes === 0 && source.region.bytes === result.region.bytes;
      if (!isWhole || source.region === result.region) continue;
      const uses = usesOf(steps);
      const isDead = uses.get(source.region)!.every((use) => use.step === step || steps.indexOf(use.step) < i);
      const isNew = uses.get(result.region)!.every((use) => use.step === step || steps.indexOf(use.step) > i);
      if (!isDead || !isNew) continue;
      steps = steps.map((each) => redirected(each, result.region, source.region, 0));
      break;
    }
  }
  return steps === lowered.steps ? lowered : { ...lowered, steps };
}

function isReplaceable(region: Region, ports: ReadonlySet<Region>): boolean {
  return region.constant === null && !ports.has(region);
}

/** Operands that a step reads element by element at the place where it writes the result. */
function operands(step: Step): readonly string[] {
  switch (step.opcode) {
    case Opcode.TABLE_I8:
      return numberOf(step, "ROWS") === 1 || numberOf(step, "SRC_PITCH") === numberOf(step, "DST_PITCH") ? ["SRC"] : [];
    case Opcode.LAYER_NORM:
    case Opcode.UNARY:
      return ["SRC"];
    case Opcode.BINARY:
    case Opcode.BINARY_I8:
      return binaryOperands(step);
    case Opcode.LAYER_NORM_I8:
      if (typeof step.fields[resultOf(step)] === "number" || typeof step.fields.SRC_SCALE === "object") return [];
      return typeof step.fields.ADDEND === "object" ? ["SRC", "ADDEND"] : ["SRC"];
    default:
      return [];
  }
}

/** The field of the result that may lie over an operand. */
function resultOf(step: Step): string {
  return step.opcode === Opcode.LAYER_NORM_I8 && typeof step.fields.DST === "number" ? "SUM" : "DST";
}

/** Operands that are walked as the result is; none where the other one walks through the same region otherwise. */
function binaryOperands(step: Step): readonly string[] {
  const contiguous = ["A", "B"].filter((operand) => isContiguous(step, operand));
  const isShared = referenceOf(step, "A").region === referenceOf(step, "B").region;
  return isShared && contiguous.length < 2 ? [] : contiguous;
}

/** Whether the strides of an operand of BINARY or BINARY_I8 are those of the result. */
export function isContiguous(step: Step, operand: string): boolean {
  let stride = 1;
  for (let i = 5; i >= 0; i--) {
    const size = numberOf(step, `DIM${i}`);
    if (size > 1 && numberOf(step, `${operand}_STRIDE${i}`) !== stride) return false;
    stride *= size;
  }
  return true;
}
