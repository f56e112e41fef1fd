/**
 * The golden vector of a file: pseudo-random inputs that everyone can make again, and the hashes of what they lead to. Whether
 * a machine runs the model right is then a matter of comparing hashes.
 */

import type { Inspectable } from "./inspection.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { digestText, type Scanner } from "./scanner.ts";
import { stepResult } from "./step-result.ts";
import type { DType, TypedArray } from "./tensor.ts";

/** The range of one input, in the order of the model's inputs: real numbers, integers for integer inputs. */
export interface GoldenRange {
  readonly low: number;
  readonly high: number;
}

/** The GOLDEN section. Hashes are XXH64, 16 hexadecimal digits. */
export interface Golden {
  /** Which generator made the inputs; 1 is the only one. */
  readonly generator: 1;
  readonly ranges: readonly GoldenRange[];
  /** Of the bytes of all inputs, in their order. */
  readonly inputs: string;
  /** Of the bytes of all outputs, in their order. */
  readonly outputs: string;
  /** Of what each step wrote, "" for a step whose result is a build's own (PACK). */
  readonly steps: readonly string[];
}

/** Checks and copies a golden vector. Calls `fail`, which must throw, with what is wrong and where. */
export function readGolden(json: JsonValue, fail: (where: string, problem: string) => never): Golden {
  const root: JsonObject = isJsonObject(json) ? json : fail("golden", "is not an object");
  if (root["generator"] !== 1) fail("generator", "is not known to this version: update eqm");
  const ranges = (Array.isArray(root["ranges"]) ? (root["ranges"] as readonly JsonValue[]) : fail("ranges", "is not a list")).map(
    (range, i) => {
      const low = isJsonObject(range) ? range["low"] : undefined;
      const high = isJsonObject(range) ? range["high"] : undefined;
      if (typeof low !== "number" || typeof high !== "number" || low > high) return fail(`ranges[${i}]`, "is no range");
      return { low, high };
    },
  );
  const steps = Array.isArray(root["steps"]) ? (root["steps"] as readonly JsonValue[]) : fail("steps", "is not a list");
  return {
    generator: 1,
    ranges,
    inputs: hashText(root["inputs"], "inputs", fail),
    outputs: hashText(root["outputs"], "outputs", fail),
    steps: steps.map((step, i) => (step === "" ? "" : hashText(step, `steps[${i}]`, fail))),
  };
}

/** Which plan of the file a golden vector in it belongs to; the first one, 0, unless it says. */
export function goldenPlan(json: JsonValue, fail: (where: string, problem: string) => never): number {
  const plan = isJsonObject(json) ? json["plan"] : undefined;
  if (plan === undefined) return 0;
  return typeof plan === "number" && Number.isInteger(plan) && plan > 0 ? plan : fail("plan", "is no further plan's number");
}

/** What stands in the file for the golden vector of plan `plan`; the mirror of `readGolden` and `goldenPlan`. */
export function goldenJson(golden: Golden, plan: number): object {
  return plan === 0 ? golden : { ...golden, plan };
}

function hashText(json: JsonValue | undefined, where: string, fail: (where: string, problem: string) => never): string {
  return typeof json === "string" && /^[0-9a-f]{16}$/.test(json) ? json : fail(where, "is no hash of 16 hexadecimal digits");
}

/** What a type's integers may be in a golden range; int64 as far as float64 counts. */
const INTEGER_RANGES: Readonly<Record<Exclude<DType, "float32">, GoldenRange>> = {
  int8: { low: -128, high: 127 },
  uint8: { low: 0, high: 255 },
  bool: { low: 0, high: 1 },
  int32: { low: -2147483648, high: 2147483647 },
  int64: { low: Number.MIN_SAFE_INTEGER, high: Number.MAX_SAFE_INTEGER },
};

/** Whether inputs of `dtype` can be drawn from a range. */
export function rangeHolds({ low, high }: GoldenRange, dtype: DType): boolean {
  if (!(low <= high)) return false;
  if (dtype === "float32") return Number.isFinite(Math.fround(low)) && Number.isFinite(Math.fround(high));
  const whole = INTEGER_RANGES[dtype];
  return Number.isInteger(low) && Number.isInteger(high) && low >= whole.low && high <= whole.high;
}

/**
 * Generator 1: fills `array`, the input of number `index`, from `range`. Each element takes one step of xorshift32 (Marsaglia 2003:
 * 13, 17, 5), started from 0x9e3779b9 + index, and u = state / 2³² in float64; a float32 is low + (high − low)·u, an integer
 * low + ⌊(high − low + 1)·u⌋, at most high.
 */
export function fillGolden(array: TypedArray, index: number, { low, high }: GoldenRange): void {
  let state = (0x9e3779b9 + index) | 0;
  const draw = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
  if (array instanceof Float32Array) {
    for (let i = 0; i < array.length; i++) array[i] = low + (high - low) * draw();
    return;
  }
  for (let i = 0; i < array.length; i++) {
    const integer = Math.min(low + Math.floor((high - low + 1) * draw()), high);
    array[i] = array instanceof BigInt64Array ? BigInt(integer) : integer;
  }
}

/** A golden vector, and the outputs that make it worthless. */
export interface GoldenRun {
  readonly golden: Golden;
  /** Names of outputs whose elements, more than one, are all the same. */
  readonly constantOutputs: readonly string[];
  /** Names of outputs that hold a NaN, whose bits an engine may choose. */
  readonly nanOutputs: readonly string[];
}

/** Runs a model on golden inputs, one step at a time. `ranges` must hold for the inputs' types. Throws RunError. */
export function runGolden(model: Inspectable, ranges: readonly GoldenRange[], scanner: Scanner): GoldenRun {
  const inputs = [...model.inputs.values()];
  for (const [i, input] of inputs.entries()) fillGolden(input, i, ranges[i]!);
  const inputsHash = hashAll(inputs, scanner);
  const steps = model.plan.steps.map((words, i) => {
    model.runSteps(i, i + 1);
    const result = stepResult(words, model);
    return result ? digestText(scanner.digest(result)) : "";
  });
  const outputs = [...model.outputs];
  return {
    golden: { generator: 1, ranges, inputs: inputsHash, outputs: hashAll([...model.outputs.values()], scanner), steps },
    constantOutputs: outputs.filter(([, data]) => data.length > 1 && allEqual(data)).map(([name]) => name),
    nanOutputs: outputs.filter(([, data]) => data instanceof Float32Array && data.some(Number.isNaN)).map(([name]) => name),
  };
}

/** What a machine made of a golden vector. */
export interface GoldenVerdict {
  readonly holds: boolean;
  /** Whether this machine drew the same inputs. */
  readonly inputsHold: boolean;
  readonly outputsHold: boolean;
  /** The first step whose result differs. */
  readonly firstWrongStep?: number;
}

/** Runs a model on its golden inputs and compares. Throws RunError. */
export function verifyGolden(model: Inspectable, golden: Golden, scanner: Scanner): GoldenVerdict {
  const { golden: own } = runGolden(model, golden.ranges, scanner);
  const wrong = golden.steps.findIndex((hash, i) => hash !== own.steps[i]);
  const inputsHold = own.inputs === golden.inputs;
  const outputsHold = own.outputs === golden.outputs;
  return { holds: inputsHold && outputsHold && wrong < 0, inputsHold, outputsHold, ...(wrong >= 0 && { firstWrongStep: wrong }) };
}

function hashAll(arrays: readonly TypedArray[], scanner: Scanner): string {
  scanner.begin();
  for (const { buffer, byteOffset, byteLength } of arrays) scanner.update(new Uint8Array(buffer, byteOffset, byteLength));
  return digestText(scanner.end());
}

function allEqual(data: TypedArray): boolean {
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return false;
  return true;
}
