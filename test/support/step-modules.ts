/** Every step's layout by opcode, read from the text of format/steps/: names of the words, named values, the header comment. */
import { readdirSync, readFileSync } from "node:fs";
import * as Opcode from "../../format/opcodes.ts";

/** A layout file as a table. */
export interface StepModule {
  readonly name: string;
  readonly opcode: number;
  /** Names of the words from index 2 on. */
  readonly fields: readonly string[];
  /** Named values of some of the words. */
  readonly values: readonly NamedValue[];
  /** The file's header comment, without its frame. */
  readonly comment: string;
}

/** One `export const`. */
export interface NamedValue {
  readonly name: string;
  readonly value: number;
}

const FORMAT = new URL("../../format/", import.meta.url);

/** The header comment of a file in format/, without its frame. */
export function headerComment(file: string): string {
  const text = /^\/\*\*\n?(.*?)\*\//s.exec(readFileSync(new URL(file, FORMAT), "utf8"))?.[1] ?? "";
  return text
    .split("\n")
    .map((line) => line.replace(/^ \* ?/, "").trimEnd())
    .join("\n")
    .trim();
}

/** The integer constants of a file in format/, in their order. */
export function constantsOf(file: string): NamedValue[] {
  const text = readFileSync(new URL(file, FORMAT), "utf8");
  return [...text.matchAll(/^export const (\w+) = (-?\w+);$/gm)].map((match) => ({ name: match[1]!, value: Number(match[2]) }));
}

/** All steps, ascending by opcode. */
export function stepModules(): readonly StepModule[] {
  const files = readdirSync(new URL("steps/", FORMAT)).filter((file) => file.endsWith(".ts"));
  const modules = files.map((file): StepModule => {
    const name = file.replace(/\.ts$/, "").toUpperCase().replaceAll("-", "_");
    const opcode = (Opcode as Readonly<Record<string, number>>)[name];
    if (opcode === undefined) throw new Error(`format/steps/${file} has no opcode ${name}`);
    const constants = constantsOf(`steps/${file}`);
    const end = constants.findIndex((constant) => constant.name === "WORDS");
    const fields = constants.slice(0, end);
    if (constants[end]?.value !== end + 2 || fields.some(({ value }, i) => value !== i + 2))
      throw new Error(`format/steps/${file} does not count its words from 2 to WORDS`);
    return {
      name,
      opcode,
      fields: fields.map((field) => field.name),
      values: constants.slice(end + 1),
      comment: headerComment(`steps/${file}`),
    };
  });
  return modules.sort((a, b) => a.opcode - b.opcode);
}
