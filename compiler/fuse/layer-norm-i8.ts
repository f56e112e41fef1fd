/**
 * A layer normalization whose result is quantized takes over the conversions and the sum around it: its rows are in the cache.
 *
 *   (DEQUANTIZE q → a);  (BINARY ADD a, b → X);  LAYER_NORM X → Y;  QUANTIZE Y → Z     =     LAYER_NORM_I8 → Z, (X, Y)
 *
 * X and Y remain where something else reads them. What does not fit stays a step of its own: a scale that is not one for all or no constant,
 * a sum that repeats an operand or has limits, readers or writers in between; without a QUANTIZE all of it. Declines where the mean or the
 * deviation is a result of its own.
 */
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Binary from "../../format/steps/binary.ts";
import * as LayerNormI8 from "../../format/steps/layer-norm-i8.ts";
import { floatBits, type Lowered, type Reference, type Region, type Step } from "../lower/lowered.ts";
import { isContiguous } from "./compute-in-place.ts";
import { nodesOf, numberOf, portRegions, referenceOf, type Use, usesOf } from "./uses.ts";

/** Applies the rule everywhere. */
export function fuseLayerNorms(lowered: Lowered): Lowered {
  const ports = portRegions(lowered);
  const regions = [...lowered.regions];
  let steps = lowered.steps;
  for (const step of lowered.steps) {
    if (step.opcode !== Opcode.LAYER_NORM) continue;
    const scratch: Region = { id: regions.length, bytes: LayerNormI8.scratchBytes(numberOf(step, "COUNT")), constant: null };
    const fused = joined(step, new Surroundings(steps, ports), scratch);
    if (!fused) continue;
    regions.push(scratch);
    steps = fused;
  }
  return steps === lowered.steps ? lowered : { ...lowered, steps, regions };
}

/** The steps with `norm` and what it takes over as one step in its place; null where nothing quantizes its result. */
function joined(norm: Step, around: Surroundings, scratch: Region): readonly Step[] | null {
  const count = numberOf(norm, "ROWS") * numberOf(norm, "COUNT");
  const [src, floats] = [referenceOf(norm, "SRC"), referenceOf(norm, "DST")];
  const isGiven = (name: string): boolean => typeof norm.fields[name] === "object";
  const isSource = (name: string): boolean => isGiven(name) && referenceOf(norm, name).region === src.region;
  if (["MEAN", "INVERSE"].some(isGiven) || ["DST", "SCALE", "BIAS"].some(isSource)) return null;
  const quantize = around
    .readersOf(floats)
    .find((step) => isConversion(step, Opcode.QUANTIZE, count) && numberOf(step, "TRANSPOSED") === 0 && around.isOnlyWriter(step));
  if (!quantize || !around.isOnlyWriter(norm)) return null;
  const sum = around.sourceOf(norm, src, (step) => isPlainSum(step, count));
  const isSumRead = sum !== null && !around.isReadOnlyBy(src, norm);
  const operands = sum ? [referenceOf(sum, "A"), referenceOf(sum, "B")] : [src];
  const isTwice = operands[0]!.region === operands[1]?.region;
  const dequantizes = operands.map((reference) =>
    !isTwice && around.isReadOnlyBy(reference, sum ?? norm)
      ? around.sourceOf(norm, reference, (step) => isConversion(step, Opcode.DEQUANTIZE, count), sum)
      : null,
  );
  const int8At = dequantizes.findIndex((step) => step !== null);
  const dequantize = int8At < 0 ? null : dequantizes[int8At]!;
  const main = Math.max(int8At, 0);
  const dst = referenceOf(quantize, "DST");
  const { SCALE, BIAS, ROWS, COUNT, EPSILON, CENTRED } = norm.fields;
  const fields: Step["fields"] = {
    SRC: dequantize ? referenceOf(dequantize, "SRC") : operands[main]!,
    ADDEND: operands[1 - main] ?? -1,
    SUM: isSumRead ? src : -1,
    DST: around.isReadOnlyBy(floats, quantize) ? -1 : floats,
    DST_I8: dst,
    SCALE: SCALE!,
    BIAS: BIAS!,
    ROWS: ROWS!,
    COUNT: COUNT!,
    EPSILON: EPSILON!,
    CENTRED: CENTRED!,
    SRC_SCALE: dequantize?.fields.SCALE ?? -1,
    SRC_ZERO: dequantize?.fields.ZERO ?? -1,
    OUT_SCALE: quantize.fields.SCALE!,
    OUT_ZERO: quantize.fields.ZERO!,
    SCRATCH: { region: scratch, offsetBytes: 0 },
  };
  const writes = [fields.DST, fields.SUM, dst, fields.SCRATCH].flatMap((field) => (typeof field === "object" ? [field.region] : []));
  const gone = [dequantize, sum, quantize].filter((step) => step !== null);
  const step: Step = { opcode: Opcode.LAYER_NORM_I8, layout: LayerNormI8, fields, writes, scratch, ...nodesOf(norm, ...gone) };
  return around.steps.filter((each) => !gone.includes(each)).map((each) => (each === norm ? step : each));
}

/** Whether a step converts `count` int8 under one scale, which is a constant as is the zero point. */
function isConversion(step: Step, opcode: number, count: number): boolean {
  if (step.opcode !== opcode || numberOf(step, "DTYPE") !== INT8) return false;
  const isConstant = ["SCALE", "ZERO"].every((name) => typeof step.fields[name] === "number" || referenceOf(step, name).region.constant);
  const isOne = ["SCALE_OUTER", "SCALE_AXIS", "SCALE_INNER"].every((name) => numberOf(step, name) === 0);
  return isConstant && isOne && ["OUTER", "AXIS", "INNER"].reduce((all, name) => all * numberOf(step, name), 1) === count;
}

/** Whether a step adds two tensors of `count` float32, element by element, without limits. */
function isPlainSum(step: Step, count: number): boolean {
  if (step.opcode !== Opcode.BINARY || numberOf(step, "OP") !== Binary.ADD || numberOf(step, "DTYPE") !== FLOAT32) return false;
  const isOpen = numberOf(step, "MIN") === floatBits(-Infinity) && numberOf(step, "MAX") === floatBits(Infinity);
  const size = [0, 1, 2, 3, 4, 5].reduce((all, i) => all * numberOf(step, `DIM${i}`), 1);
  return isOpen && size === count && isContiguous(step, "A") && isContiguous(step, "B");
}

/** Who touches what, and when. */
class Surroundings {
  readonly steps: readonly Step[];
  private readonly ports: ReadonlySet<Region>;
  private readonly uses: ReadonlyMap<Region, readonly Use[]>;

  constructor(steps: readonly Step[], ports: ReadonlySet<Region>) {
    this.steps = steps;
    this.ports = ports;
    this.uses = usesOf(steps);
  }

  private usesOf({ region }: Reference): readonly Use[] {
    return this.uses.get(region) ?? [];
  }

  /** Steps that read exactly what lies at `reference`. */
  readersOf(reference: Reference): readonly Step[] {
    return this.usesOf(reference)
      .filter((use) => !use.isWrite && use.reference.offsetBytes === reference.offsetBytes)
      .map(({ step }) => step);
  }

  /** Whether nothing but `reader` reads a region, and nobody sees it from outside. */
  isReadOnlyBy(reference: Reference, reader: Step): boolean {
    return !this.ports.has(reference.region) && this.usesOf(reference).every(({ step, isWrite }) => isWrite || step === reader);
  }

  /** Whether no other step writes to the region that `step` writes. */
  isOnlyWriter(step: Step): boolean {
    return this.usesOf(referenceOf(step, "DST")).every((use) => !use.isWrite || use.step === step);
  }

  /**
   * The step for which `fits` holds that alone makes what lies at `place`, where it can as well be done when it is `reader`'s turn: until then
   * nobody but `joining` reads the result or writes what it is made of; or null.
   */
  sourceOf(reader: Step, place: Reference, fits: (step: Step) => boolean, joining: Step | null = null): Step | null {
    const source = this.usesOf(place).find(({ isWrite }) => isWrite)?.step;
    if (!source || !fits(source) || !this.isOnlyWriter(source)) return null;
    if (referenceOf(source, "DST").offsetBytes !== place.offsetBytes) return null;
    const between = this.steps.slice(this.steps.indexOf(source) + 1, this.steps.indexOf(reader)).filter((step) => step !== joining);
    const touched = Object.values(source.fields).flatMap((field) => (typeof field === "object" ? [field.region] : []));
    const isQuiet = touched.every((region) =>
      this.uses.get(region)!.every(({ step, isWrite }) => !between.includes(step) || !(isWrite || region === place.region)),
    );
    return isQuiet ? source : null;
  }
}
