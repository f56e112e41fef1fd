/**
 * Sizes of dynamic dimensions, one set for each plan: `{ N: [1, 4], T: [50, 100] }` stands for all four combinations, the first sizes first; a list
 * names them one by one. The first set is the one that calibration samples have.
 */
import { CompileError } from "./errors.ts";

/** Sizes by the dimension's name in the model, or as `input:axis`. */
export type Binding = Readonly<Record<string, number>>;

/** What the option `shapes` takes. */
export type Shapes = Readonly<Record<string, number | readonly number[]>> | readonly Binding[];

/** The most plans that one file may have: its table of sections has room for so many, each with a golden vector. */
export const MAX_PLANS = 30;

/** All sets of sizes, at least one. Throws `bad-option` for what is no size, sizes that stand twice, and too many plans. */
export function bindingsOf(shapes: Shapes | undefined): readonly [Binding, ...Binding[]] {
  const all = isList(shapes) ? shapes : product(shapes ?? {});
  const [first, ...others] = all;
  if (!first) throw badShapes("it is an empty list; leave it out where no dimension is to be given a size");
  const names = Object.keys(first).sort().join();
  for (const binding of all) {
    for (const [name, size] of Object.entries(binding)) checkSize(name, size);
    if (Object.keys(binding).sort().join() !== names) throw badShapes("its entries name different dimensions; each has to name all");
  }
  if (all.length > MAX_PLANS) throw badShapes(`it stands for ${all.length} plans, a file holds ${MAX_PLANS} at most`);
  if (new Set(all.map(bindingText)).size !== all.length) throw badShapes("it has the same sizes twice");
  return [first, ...others];
}

/** A binding as people write it, "N=1 T=50". */
export function bindingText(binding: Binding): string {
  return Object.keys(binding)
    .sort()
    .map((name) => `${name}=${binding[name]}`)
    .join(" ");
}

function isList(shapes: Shapes | undefined): shapes is readonly Binding[] {
  return Array.isArray(shapes);
}

/** Every combination; the first name changes slowest. */
function product(shapes: Readonly<Record<string, number | readonly number[]>>): readonly Binding[] {
  return Object.entries(shapes).reduce<readonly Binding[]>(
    (bindings, [name, given]) => {
      const sizes = typeof given === "number" ? [given] : given;
      if (!Array.isArray(sizes) || sizes.length === 0) throw badShapes(`${name} is neither a size nor a list of sizes`);
      return bindings.flatMap((binding) => sizes.map((size: number) => ({ ...binding, [name]: size })));
    },
    [{}],
  );
}

function checkSize(name: string, size: unknown): void {
  if (typeof size === "number" && Number.isInteger(size) && size >= 1) return;
  const details = { option: `shapes.${name}`, got: size, expected: "a positive integer" };
  throw new CompileError(
    "bad-option",
    `The option shapes.${name} is ${JSON.stringify(size)}; it takes a positive integer.`,
    details,
    "usage",
  );
}

function badShapes(problem: string): CompileError {
  return new CompileError("bad-option", `The option shapes: ${problem}.`, { option: "shapes" }, "usage");
}
