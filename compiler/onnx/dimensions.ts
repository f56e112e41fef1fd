/**
 * Binds the dynamic dimensions of a model's inputs to numbers.
 *
 * A size comes from the `shapes` option, by the dimension's name or as `input:axis`; one that stands for a batch and is not given is 1.
 */
import { badShapeOption, invalidModel, type UnboundDimension } from "./errors.ts";
import type { Message } from "./fields.ts";

/** An input as the model declares it: a dimension is its size, or its name ("" where it has none); null where not even the rank is known. */
export interface DeclaredInput {
  readonly name: string;
  readonly dimensions: readonly (number | string)[] | null;
}

/** Shapes by input, what has no size yet (1 in `shapes`) and the batches that were taken to be 1. */
export interface BoundShapes {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly unbound: readonly UnboundDimension[];
  /** Arguments for --shape that would bind what is unbound. */
  readonly flags: readonly string[];
  readonly batches: readonly string[];
}

const MAX_SIZE = 2 ** 31 - 1;

/** Names that exporters and people give to a batch dimension, wherever it stands. */
const BATCH = /^(n|b|bs|bsz|nb|none|\?|.*batch.*)$/i;
/** Names made up for a dimension without a name; first in a shape, they are a batch. */
const MADE_UP = /^(|-1|unk__\d+|s\d+|.*dim_?0|.*_dynamic_axes_1|.*::0)$/i;

/** Whether a key of the `shapes` option stands for a batch: by its name, or as an input's first axis. */
export function isBatchKey(key: string): boolean {
  return BATCH.test(key) || MADE_UP.test(key) || key.endsWith(":0");
}

/** The dimensions of a declared shape; a negative size is no size. */
export function declaredDimensions(shape: Message<"TensorShapeProto"> | undefined): DeclaredInput["dimensions"] {
  if (!shape) return null;
  return shape.dim.map(({ dimValue, dimParam }) => (dimValue !== undefined && dimValue >= 0 ? Number(dimValue) : (dimParam ?? "")));
}

/** Binds all dimensions. Errors: `bad-shape-option`, `invalid-model`. */
export function bindDimensions(inputs: readonly DeclaredInput[], options: Readonly<Record<string, number>>): BoundShapes {
  const { symbols, axes } = readOptions(inputs, options);
  const shapes = new Map<string, readonly number[]>();
  const unbound: UnboundDimension[] = [];
  const flags = new Set<string>();
  const batches = new Set<string>();
  for (const { name, dimensions } of inputs) {
    const given = axes.get(name);
    const rank = dimensions?.length ?? (given ? Math.max(...given.keys()) + 1 : 0);
    if (!dimensions && !given) {
      unbound.push({ input: name, axis: 0, symbol: "the input has no shape at all: give all its axes" });
      flags.add(`${name}:0`);
    }
    const shape = Array.from({ length: rank }, (_, axis): number => {
      const dimension = dimensions ? dimensions[axis]! : "";
      if (typeof dimension === "number") return checkedSize(name, dimension);
      const size = given?.get(axis) ?? (dimension === "" ? undefined : symbols.get(dimension));
      if (size !== undefined) return size;
      if (BATCH.test(dimension) || (axis === 0 && rank > 1 && MADE_UP.test(dimension))) {
        batches.add(dimension === "" ? `${name}:0` : dimension);
        return 1;
      }
      unbound.push({ input: name, axis, symbol: dimension });
      flags.add(dimension === "" ? `${name}:${axis}` : dimension);
      return 1;
    });
    shapes.set(name, shape);
  }
  return { shapes, unbound, flags: [...flags], batches: [...batches] };
}

function checkedSize(input: string, size: number): number {
  if (size > MAX_SIZE) throw invalidModel(`the input "${input}" has a dimension of ${size}`);
  return size;
}

interface Given {
  readonly symbols: ReadonlyMap<string, number>;
  readonly axes: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

function readOptions(inputs: readonly DeclaredInput[], options: Readonly<Record<string, number>>): Given {
  const names = new Set(
    inputs.flatMap(({ dimensions }) => (dimensions ?? []).filter((d): d is string => typeof d === "string" && d !== "")),
  );
  const symbols = new Map<string, number>();
  const axes = new Map<string, Map<number, number>>();
  const setSymbol = (key: string, symbol: string, size: number): void => {
    const before = symbols.get(symbol);
    if (before !== undefined && before !== size) throw badShapeOption(key, `${symbol} would be both ${before} and ${size}`);
    symbols.set(symbol, size);
  };
  for (const [key, size] of Object.entries(options)) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) throw badShapeOption(key, `a size is a whole number from 1, not ${size}`);
    if (names.has(key)) {
      setSymbol(key, key, size);
      continue;
    }
    const { input, axis } = splitKey(key, inputs, names);
    const dimension = input.dimensions ? input.dimensions[axis] : "";
    if (dimension === undefined) throw badShapeOption(key, `"${input.name}" has ${input.dimensions!.length} axes, counted from 0`);
    if (typeof dimension === "number") {
      if (dimension !== size) throw badShapeOption(key, `the model fixes this dimension to ${dimension}; export it with a dynamic one`);
    } else if (dimension !== "") setSymbol(key, dimension, size);
    else axes.set(input.name, (axes.get(input.name) ?? new Map<number, number>()).set(axis, size));
  }
  return { symbols, axes };
}

/** An axis beyond this is no rank that a model has. */
const MAX_RANK = 64;

function splitKey(
  key: string,
  inputs: readonly DeclaredInput[],
  names: ReadonlySet<string>,
): { readonly input: DeclaredInput; readonly axis: number } {
  const colon = key.lastIndexOf(":");
  const input = colon < 0 ? undefined : inputs.find(({ name }) => name === key.slice(0, colon));
  const axis = /^\d{1,2}$/.test(key.slice(colon + 1)) ? Number(key.slice(colon + 1)) : Number.NaN;
  if (!input || !(axis < MAX_RANK)) {
    const known = [...names, ...inputs.map(({ name }) => `${name}:axis`)];
    throw badShapeOption(key, `the model has no such dimension. It has ${known.join(", ") || "no inputs"}.`);
  }
  return { input, axis };
}
