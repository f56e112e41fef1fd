/**
 * The golden vector of a file: pseudo-random inputs that everyone can make again, and the hashes of what they lead to. Whether
 * a machine runs the model right is then a matter of comparing hashes.
 */
import { type JsonObject, type JsonValue, isJsonObject } from "./json.ts";

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
  const ranges = (Array.isArray(root["ranges"]) ? (root["ranges"] as readonly JsonValue[]) : fail("ranges", "is not a list")).map((range, i) => {
    const low = isJsonObject(range) ? range["low"] : undefined;
    const high = isJsonObject(range) ? range["high"] : undefined;
    if (typeof low !== "number" || typeof high !== "number" || low > high) return fail(`ranges[${i}]`, "is no range");
    return { low, high };
  });
  const steps = Array.isArray(root["steps"]) ? (root["steps"] as readonly JsonValue[]) : fail("steps", "is not a list");
  return {
    generator: 1,
    ranges,
    inputs: hashText(root["inputs"], "inputs", fail),
    outputs: hashText(root["outputs"], "outputs", fail),
    steps: steps.map((step, i) => (step === "" ? "" : hashText(step, `steps[${i}]`, fail))),
  };
}

function hashText(json: JsonValue | undefined, where: string, fail: (where: string, problem: string) => never): string {
  return typeof json === "string" && /^[0-9a-f]{16}$/.test(json) ? json : fail(where, "is no hash of 16 hexadecimal digits");
}
