/**
 * What files rely on stays: numbers of opcodes, packings, types, encodings and operations may be added, none may change or go.
 * test/golden/format-numbers.txt holds those that are known; UPDATE=1 adds the new ones.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import { allLayouts, layoutsChecksum } from "../../host/layouts.ts";

const GOLDEN = new URL("../golden/format-numbers.txt", import.meta.url);
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** The numbers that stand in files, as `file NAME=value`; of a step's file those behind its words. */
function numbers(): string[] {
  const constants = (path: string, text: string) =>
    [...text.matchAll(/^export const (\w+) = (.+);$/gm)].map(([, name, value]) => `${path} ${name}=${value}`);
  const steps = readdirSync(new URL("../../format/steps", import.meta.url)).map((name) => `format/steps/${name}`);
  return [
    ...["opcodes", "packings", "dtypes", "entropy", "nibbles", "blocks", "groups", "file", "plan"].flatMap((name) =>
      constants(`format/${name}.ts`, read(`format/${name}.ts`)),
    ),
    ...steps.flatMap((path) => constants(path, read(path).replace(/^[\s\S]*?^export const WORDS = .*$/m, ""))),
  ].sort();
}

describe("the numbers that stand in files", () => {
  it("are those that they were", () => {
    const now = numbers();
    if (process.env["UPDATE"]) writeFileSync(GOLDEN, `${now.join("\n")}\n`);
    const known = readFileSync(GOLDEN, "utf8").trim().split("\n");
    expect(known.length).toBeGreaterThan(100);
    expect(known.filter((line) => !now.includes(line))).toEqual([]);
  });

  it("are one to each opcode", () => {
    expect([...allLayouts().keys()].sort((a, b) => a - b)).toEqual(Object.values(Opcode).sort((a, b) => a - b));
  });
});

describe("the checksum of a plan's layouts", () => {
  const step = (opcode: number) => new Int32Array([opcode, 2]);

  it("tells of the steps that are there, not of their order or number", () => {
    const one = layoutsChecksum([step(Opcode.COPY), step(Opcode.FILL)]);
    expect(layoutsChecksum([step(Opcode.FILL), step(Opcode.COPY), step(Opcode.FILL)])).toBe(one);
    expect(layoutsChecksum([step(Opcode.COPY)])).not.toBe(one);
  });

  it("does not exist for a step that nobody knows", () => {
    expect(layoutsChecksum([step(Opcode.COPY), step(4711)])).toBeUndefined();
  });
});
