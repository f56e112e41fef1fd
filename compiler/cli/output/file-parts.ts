/** Where the bytes of a .eqm go, for people. */
import type { FileParts } from "../../index.ts";
import { formatBytes } from "./units.ts";

/** One line: weights, other constants, and what stands around them. */
export function fileText({ steps, constants, plan, constantsTable, metadata, golden, header }: FileParts): string {
  const weights = steps.reduce((sum, step) => sum + step.weights, 0);
  const parts: readonly (readonly [string, number])[] = [
    ["weights", weights],
    ["other constants", constants - weights],
    ["plan", plan + constantsTable],
    ["metadata", metadata],
    ["golden vector", golden],
    ["header", header],
  ];
  return parts.flatMap(([name, bytes]) => (bytes === 0 ? [] : [`${name} ${formatBytes(bytes)}`])).join(", ");
}
