/** Parsers of option values. Each throws a usage error that says what is allowed, before any work starts. */
import { MAX_THREADS } from "../../host/sharing.ts";
import { isPattern, PATTERNS, type Pattern } from "../prune/pattern.ts";
import { notInThisVersion, wrongUsage } from "./errors.ts";

/**
 * One of `allowed`.
 *
 * @param later values that the interface knows and this version does not
 */
export function parseChoice<T extends string>(option: string, value: string, allowed: readonly T[], later: readonly string[] = []): T {
  const found = allowed.find((choice) => choice === value);
  if (found !== undefined) return found;
  if (later.includes(value)) throw notInThisVersion(`${option} ${value}`, `Choose ${listOf(allowed)}.`);
  throw wrongUsage(`${option} ${value}: it must be ${listOf(allowed)}.`);
}

/** A whole number in [least, most]. */
export function parseWhole(option: string, value: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < least || number > most) {
    const range =
      most === Number.MAX_SAFE_INTEGER ? (least === Number.MIN_SAFE_INTEGER ? "" : ` of at least ${least}`) : ` in ${least} to ${most}`;
    throw wrongUsage(`${option} ${value}: it must be a whole number${range}.`);
  }
  return number;
}

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9 };

/** A number of bytes, 30KB, 1.5MB or 30000; KB is 1000 bytes. */
export function parseBytes(option: string, value: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?([KMG]?B)?$/i.exec(value) ?? [];
  const bytes = digits === "" ? Number.NaN : Math.floor(Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw wrongUsage(`${option} ${value}: it must be a size, as in 30KB, 1.5MB or 30000.`);
  return bytes;
}

const COUNT_UNITS: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9 };

/** A count, 5M, 12.5k or 5000000. */
export function parseCount(option: string, value: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?([KMG]?)$/i.exec(value) ?? [];
  const count = digits === "" ? Number.NaN : Math.floor(Number(digits) * (COUNT_UNITS[unit.toUpperCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(count) || count < 1) throw wrongUsage(`${option} ${value}: it must be a count, as in 5M, 12.5k or 5000000.`);
  return count;
}

const TIME_UNITS: Readonly<Record<string, number>> = { "": 1, us: 1e-3, ms: 1, s: 1e3 };

/** Milliseconds, 2ms, 0.5, 800us or 1s. */
export function parseMs(option: string, value: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?(us|ms|s)?$/i.exec(value) ?? [];
  const ms = digits === "" ? Number.NaN : Number(digits) * (TIME_UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (!(ms > 0)) throw wrongUsage(`${option} ${value}: it must be a time, as in 2ms, 800us or 1.5.`);
  return ms;
}

/** A finite number. */
export function parseReal(option: string, value: string): number {
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) throw wrongUsage(`${option} ${value}: it must be a number.`);
  return number;
}

/** A number between 0 and 1, neither of both. */
export function parseFraction(option: string, value: string): number {
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (!(number > 0 && number < 1)) throw wrongUsage(`${option} ${value}: it must be a number above 0 and below 1.`);
  return number;
}

/** `--pattern`: a name, or N:M. */
export function parsePattern(value: string): Pattern {
  if (!isPattern(value)) throw wrongUsage(`--pattern ${value}: it must be ${listOf([...PATTERNS, "N:M, as in 2:4"])}.`);
  return value;
}

/** `--threads`: from 1 to MAX_THREADS. */
export function parseThreads(value: string): number {
  const threads = parseWhole("--threads", value, 1);
  if (threads > MAX_THREADS) throw wrongUsage(`--threads ${threads}: it must be at most ${MAX_THREADS}.`);
  return threads;
}

/**
 * `--shape NAME=DIM,DIM …`: sizes by symbolic dimension, or by `input:axis`.
 *
 * @throws CompileError fault "usage": no "=", no whole number, a name or a size twice
 */
export function parseShapes(values: readonly string[]): Readonly<Record<string, readonly number[]>> {
  const shapes = new Map<string, readonly number[]>();
  for (const value of values) {
    const at = value.lastIndexOf("=");
    const name = value.slice(0, at);
    if (at <= 0 || at === value.length - 1)
      throw wrongUsage(`--shape ${value}: write NAME=DIM, as in --shape batch=1 or --shape input:2=224.`);
    const sizes = value.slice(at + 1).split(",");
    for (const size of sizes) checkSize(value, size);
    if (shapes.has(name)) throw wrongUsage(`--shape: ${name} is given twice; write its sizes as ${name}=1,4.`);
    if (new Set(sizes.map(Number)).size !== sizes.length) throw wrongUsage(`--shape ${value}: a size stands twice.`);
    shapes.set(name, sizes.map(Number));
  }
  return Object.fromEntries(shapes);
}

function checkSize(value: string, size: string): void {
  if (!/^\d{1,10}$/.test(size) || Number(size) < 1 || Number(size) > 2 ** 31 - 1)
    throw wrongUsage(`--shape ${value}: a size is a whole number from 1 to ${2 ** 31 - 1}.`);
}

/** `NAME=FILE` or `FILE` of `--input`; a file whose own name holds "=" is written with its input's name. */
export function parseInputs(values: readonly string[]): readonly { readonly name: string | undefined; readonly path: string }[] {
  return values.map((value) => {
    const at = value.indexOf("=");
    if (at === 0 || at === value.length - 1 || value === "")
      throw wrongUsage(`--input ${value}: write NAME=FILE, or a FILE alone for a model with one input.`);
    return at < 0 ? { name: undefined, path: value } : { name: value.slice(0, at), path: value.slice(at + 1) };
  });
}

/**
 * `--state OUTPUT=INPUT …`: which input takes an output in the next run, by the output's name. A name that holds "=" itself is for the API.
 *
 * @throws CompileError fault "usage": no "=", an output twice
 */
export function parseStates(values: readonly string[]): Readonly<Record<string, string>> {
  const states = new Map<string, string>();
  for (const value of values) {
    const [output, input, ...more] = value.split("=");
    if (!output || !input || more.length > 0) throw wrongUsage(`--state ${value}: write OUTPUT=INPUT, as in --state hn=h0.`);
    if (states.has(output)) throw wrongUsage(`--state: ${output} is given twice.`);
    states.set(output, input);
  }
  return Object.fromEntries(states);
}

function listOf(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join("") : `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
}
