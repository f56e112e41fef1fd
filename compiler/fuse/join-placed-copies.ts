/**
 * Concat, Split and Slice without a copy: who computes a part of a tensor writes it where it belongs, who reads a part reads it there.
 *
 *   step → R;  COPY R → rows within D      =      step → rows within D
 *   COPY rows within S → R;  step(R)       =      step(rows within S)
 *
 * Where the rows lie apart, every other step that touches R has to know pitches. Declines where R is seen from outside or not copied
 * whole, where a step touches both regions, and where others than the parts of a Concat write D: a Pad fills it first.
 */
import * as Opcode from "../../format/opcodes.ts";
import type { Lowered, Region, Step } from "../lower/lowered.ts";
import { pitched } from "./pitches.ts";
import { nodesOf, numberOf, portRegions, redirected, referenceOf, type Use, usesOf } from "./uses.ts";

/** A copy of `rows` runs of `length` elements, the runs' starts a pitch apart on either side. */
interface Runs {
  readonly rows: number;
  readonly length: number;
  readonly srcPitch: number;
  readonly dstPitch: number;
}

/** Applies the rule, copy by copy. */
export function joinPlacedCopies(lowered: Lowered): Lowered {
  const ports = portRegions(lowered);
  let steps = lowered.steps;
  for (let i = 0; i < steps.length; ) {
    const fewer = steps[i]!.opcode === Opcode.COPY ? withoutCopy(steps, steps[i]!, ports) : null;
    if (fewer) steps = fewer;
    else i++;
  }
  return steps === lowered.steps ? lowered : { ...lowered, steps };
}

function withoutCopy(steps: readonly Step[], copy: Step, ports: ReadonlySet<Region>): readonly Step[] | null {
  const runs = runsOf(copy);
  if (!runs) return null;
  const uses = usesOf(steps);
  const isConcat = copy.node?.op === "Concat";
  return (
    (isConcat ? movedInto(steps, copy, "SRC", "DST", runs.srcPitch, runs.dstPitch, runs, uses, ports) : null) ??
    movedInto(steps, copy, "DST", "SRC", runs.dstPitch, runs.srcPitch, runs, uses, ports)
  );
}

/** The steps with the region that `own` of the copy names laid into the one that `other` names, and without the copy; or null. */
function movedInto(
  steps: readonly Step[],
  copy: Step,
  own: "SRC" | "DST",
  other: "SRC" | "DST",
  ownPitch: number,
  otherPitch: number,
  { rows, length }: Runs,
  uses: ReadonlyMap<Region, readonly Use[]>,
  ports: ReadonlySet<Region>,
): readonly Step[] | null {
  const { region, offsetBytes } = referenceOf(copy, own);
  const target = referenceOf(copy, other);
  const elementBytes = numberOf(copy, "ELEMENT_BYTES");
  const isWhole = offsetBytes === 0 && rows * length * elementBytes === region.bytes && (rows === 1 || ownPitch === length);
  if (!isWhole || region.constant || target.region.constant || ports.has(region)) return null;
  const touching = uses.get(region)!.filter(({ step }) => step !== copy);
  if (touching.some(({ step, isWrite }) => touches(step, target.region) || (own === "DST" && isWrite))) return null;
  const moved = new Map<Step, Step>();
  for (const { step, field } of touching) {
    const before = moved.get(step) ?? step;
    const after = rows === 1 ? before : pitched(before, field, elementBytes, rows, length, otherPitch);
    if (!after) return null;
    moved.set(step, after);
  }
  for (const [step, after] of moved) moved.set(step, redirected(after, region, target.region, target.offsetBytes));
  const heirs = touching.filter(({ isWrite }) => isWrite === (own === "SRC")).map(({ step }) => step);
  for (const step of new Set(heirs)) moved.set(step, { ...moved.get(step)!, ...nodesOf(step, copy) });
  return steps.filter((step) => step !== copy).map((step) => moved.get(step) ?? step);
}

function touches(step: Step, region: Region): boolean {
  return Object.values(step.fields).some((field) => typeof field === "object" && field.region === region);
}

/** The runs of a copy that has no more than two dimensions, adjacent elements along the last one on both sides; or null. */
function runsOf(copy: Step): Runs | null {
  const dimensions = [0, 1, 2, 3, 4, 5]
    .map((i) => ({ size: numberOf(copy, `DIM${i}`), src: numberOf(copy, `SRC_STRIDE${i}`), dst: numberOf(copy, `DST_STRIDE${i}`) }))
    .filter(({ size }) => size > 1);
  if (dimensions.length === 0) return { rows: 1, length: 1, srcPitch: 1, dstPitch: 1 };
  const last = dimensions.pop()!;
  if (dimensions.length > 1) return null;
  if (last.src === 1 && last.dst === 1) {
    const { size, src, dst } = dimensions[0] ?? { size: 1, src: last.size, dst: last.size };
    return src >= last.size && dst >= last.size ? { rows: size, length: last.size, srcPitch: src, dstPitch: dst } : null;
  }
  // One element a row.
  if (dimensions.length > 0 || last.src < 1 || last.dst < 1) return null;
  return { rows: last.size, length: 1, srcPitch: last.src, dstPitch: last.dst };
}
