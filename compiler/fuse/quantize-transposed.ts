/**
 * An image that is quantized and then transposed to channels last is quantized straight to where its channels are last.
 *
 *   QUANTIZE [N][C][P] → R;  COPY R → [N][P][C]     =     QUANTIZE [N][C][P] → [N][P][C], TRANSPOSED
 *
 * Declines where something else reads R, and where the scale is not one for all.
 */
import * as Opcode from "../../format/opcodes.ts";
import type { Lowered, Step } from "../lower/lowered.ts";
import { nodesOf, numberOf, portRegions, referenceOf, usesOf } from "./uses.ts";

/** Applies the rule everywhere. */
export function quantizeTransposed(lowered: Lowered): Lowered {
  const uses = usesOf(lowered.steps);
  const ports = portRegions(lowered);
  const gone = new Set<Step>();
  const joined = new Map<Step, Step>();
  for (const copy of lowered.steps) {
    if (copy.opcode !== Opcode.COPY || numberOf(copy, "ELEMENT_BYTES") !== 1) continue;
    const src = referenceOf(copy, "SRC");
    const touching = uses.get(src.region)!;
    const quantize = touching[0]!.step;
    const planes = planesToPixels(copy);
    if (
      !planes ||
      ports.has(src.region) ||
      src.offsetBytes !== 0 ||
      touching.length !== 2 ||
      quantize.opcode !== Opcode.QUANTIZE ||
      !touching[0]!.isWrite ||
      !["SCALE_OUTER", "SCALE_AXIS", "SCALE_INNER", "TRANSPOSED"].every((field) => numberOf(quantize, field) === 0)
    ) {
      continue;
    }
    const count = numberOf(quantize, "OUTER") * numberOf(quantize, "AXIS") * numberOf(quantize, "INNER");
    if (planes.outer * planes.axis * planes.inner !== count) continue;
    const dst = referenceOf(copy, "DST");
    gone.add(quantize);
    joined.set(copy, {
      ...quantize,
      fields: { ...quantize.fields, DST: dst, OUTER: planes.outer, AXIS: planes.axis, INNER: planes.inner, BLOCK: 1, TRANSPOSED: 1 },
      writes: [dst.region],
      ...nodesOf(quantize, copy),
    });
  }
  if (joined.size === 0) return lowered;
  return { ...lowered, steps: lowered.steps.filter((step) => !gone.has(step)).map((step) => joined.get(step) ?? step) };
}

/** The sizes of a copy from [outer][axis][inner] to [outer][inner][axis], or null. */
function planesToPixels(copy: Step): { readonly outer: number; readonly axis: number; readonly inner: number } | null {
  const dimensions = [0, 1, 2, 3, 4, 5]
    .map((i) => ({ size: numberOf(copy, `DIM${i}`), src: numberOf(copy, `SRC_STRIDE${i}`), dst: numberOf(copy, `DST_STRIDE${i}`) }))
    .filter(({ size }) => size > 1);
  const [inner, axis] = dimensions.slice(-2);
  if (!inner || !axis || dimensions.length > 3) return null;
  if (inner.src !== 1 || inner.dst !== axis.size || axis.src !== inner.size || axis.dst !== 1) return null;
  const outer = dimensions.length === 3 ? dimensions[0]! : { size: 1, src: 0, dst: 0 };
  const planes = axis.size * inner.size;
  if (outer.size > 1 && (outer.src !== planes || outer.dst !== planes)) return null;
  return { outer: outer.size, axis: axis.size, inner: inner.size };
}
