/**
 * Einsum: each operand in the order of all letters, one product over those that stay, and the sum over those that go.
 *
 * Two operands whose letters are batch, rows, columns and sums are one MatMul.
 */
import { elementCount } from "../../host/tensor.ts";
import { stringAttribute } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import { type Composer, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** An operand with one letter for each axis, none twice. */
interface Labelled {
  readonly value: Value;
  readonly letters: string;
}

/** Letters that stand for the axes of "...", innermost last. */
const ELLIPSIS = "0123456789";

function spread(term: string, rank: number): string {
  const named = term.replace("...", "").length;
  return term.includes("...") ? term.replace("...", ELLIPSIS.slice(ELLIPSIS.length - (rank - named))) : term;
}

/** A letter that stands twice means the diagonal. */
function withoutRepeats(c: Composer, { value, letters }: Labelled): Labelled {
  const first = [...letters].findIndex((letter, i) => letters.indexOf(letter) !== i);
  if (first < 0) return { value, letters };
  const earlier = letters.indexOf(letters[first]!);
  const shape = shapeOf(value);
  const size = shape[first]!;
  const others = shape.map((_, i) => i).filter((i) => i !== earlier && i !== first);
  const moved = c.transpose(value, [earlier, first, ...others]);
  const rest = others.map((i) => shape[i]!);
  const flat = c.reshape(moved, [size * size, ...rest]);
  const places = c.numbers(
    Array.from({ length: size }, (_, i) => i * (size + 1)),
    [size],
    "int64",
  );
  return withoutRepeats(c, { value: c.gather(flat, places), letters: letters[earlier]! + others.map((i) => letters[i]!).join("") });
}

/** Axes in the order of `letters`; those that the operand lacks are 1. */
function arranged(c: Composer, { value, letters: own }: Labelled, letters: string): Value {
  const present = [...letters].filter((letter) => own.includes(letter));
  const moved = c.transpose(
    value,
    present.map((letter) => own.indexOf(letter)),
  );
  return c.reshape(
    moved,
    [...letters].map((letter) => (own.includes(letter) ? shapeOf(value)[own.indexOf(letter)]! : 1)),
  );
}

/** Sums over the letters that neither `others` nor the result has. */
function reduced(c: Composer, { value, letters }: Labelled, kept: string): Labelled {
  const axes = [...letters].flatMap((letter, i) => (kept.includes(letter) ? [] : [i]));
  if (axes.length === 0) return { value, letters };
  return { value: c.reduce("Sum", value, axes, false), letters: [...letters].filter((letter) => kept.includes(letter)).join("") };
}

/** The product of two operands, summed over the letters that `kept` lacks. */
function product(c: Composer, a: Labelled, b: Labelled, kept: string): Labelled {
  const [left, right] = [reduced(c, a, b.letters + kept), reduced(c, b, a.letters + kept)];
  const both = [...left.letters].filter((letter) => right.letters.includes(letter));
  const batch = both.filter((letter) => kept.includes(letter)).join("");
  const summed = both.filter((letter) => !kept.includes(letter)).join("");
  const rows = [...left.letters].filter((letter) => !both.includes(letter)).join("");
  const columns = [...right.letters].filter((letter) => !both.includes(letter)).join("");
  const sizes = (operand: Labelled, letters: string): number[] =>
    [...letters].map((letter) => shapeOf(operand.value)[operand.letters.indexOf(letter)]!);
  const [m, n, k] = [sizes(left, rows), sizes(right, columns), sizes(left, summed)].map(elementCount) as [number, number, number];
  const x = c.reshape(arranged(c, left, batch + rows + summed), [...sizes(left, batch), m, k]);
  const y = c.reshape(arranged(c, right, batch + summed + columns), [...sizes(right, batch), elementCount(sizes(right, summed)), n]);
  const value = c.op("MatMul", [x, y]);
  const outer = shapeOf(value).slice(0, -2);
  return { value: c.reshape(value, [...outer, ...sizes(left, rows), ...sizes(right, columns)]), letters: batch + rows + columns };
}

/** Einsum of any number of operands. */
export const EINSUM: Decomposition = {
  name: "Einsum",
  build: (c) => {
    const equation = stringAttribute(c.node, "equation", "").replaceAll(" ", "");
    const [terms, declared] = equation.split("->") as [string, string | undefined];
    const given = c.node.inputs.map((_, i) => c.input(i));
    const names = terms.split(",");
    if (names.length !== given.length) throw c.fault(`its equation ${equation} is of ${names.length} operands, not ${given.length}.`);
    const operands = given.map((value, i): Labelled => ({ value, letters: spread(names[i]!, shapeOf(value).length) }));
    operands.forEach(({ value, letters }, i) => {
      if (letters.length !== shapeOf(value).length) throw c.fault(`the term ${names[i]} does not fit [${shapeOf(value).join(", ")}].`);
    });
    const all = operands.map(({ letters }) => letters).join("");
    const dots = ELLIPSIS.slice(
      ELLIPSIS.length - Math.max(0, ...operands.map(({ letters }) => [...letters].filter((l) => ELLIPSIS.includes(l)).length)),
    );
    const once = [...new Set(all)].filter((letter) => !ELLIPSIS.includes(letter) && all.indexOf(letter) === all.lastIndexOf(letter));
    const result = declared === undefined ? dots + once.sort().join("") : declared.replace("...", dots);
    const [first, ...others] = operands.map((operand) => withoutRepeats(c, operand));
    let sum = first!;
    others.forEach((operand, i) => {
      const later = others.slice(i + 1).map(({ letters }) => letters);
      sum = product(c, sum, operand, result + later.join(""));
    });
    sum = reduced(c, sum, result);
    return [arranged(c, sum, result)];
  },
};
