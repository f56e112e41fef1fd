import { describe, expect, it } from "vitest";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../ops/operation.ts";
import { runOp } from "../support/one-op.ts";

const SIZES: Readonly<Record<string, number>> = { a: 2, b: 3, c: 4, d: 2, i: 3, j: 5, k: 4 };

/** The sum over all letters that the result lacks, term by term. */
function naive(equation: string, operands: readonly Tensor[]): { readonly shape: readonly number[]; readonly values: readonly number[] } {
  const [left, result] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const letters = [...new Set(`${result}${terms.join("")}`)];
  const shape = [...result].map((letter) => SIZES[letter]!);
  const values = new Array<number>(elementCount(shape)).fill(0);
  const at = new Map<string, number>();
  const place = (names: string): number => [...names].reduce((sum, letter) => sum * SIZES[letter]! + at.get(letter)!, 0);
  const visit = (depth: number): void => {
    if (depth === letters.length) {
      values[place(result)]! += operands.reduce((product, x, i) => product * Number(x.data[place(terms[i]!)]), 1);
      return;
    }
    for (let i = 0; i < SIZES[letters[depth]!]!; i++) {
      at.set(letters[depth]!, i);
      visit(depth + 1);
    }
  };
  visit(0);
  return { shape, values };
}

describe("Einsum", () => {
  it.each([
    "ij->ji",
    "ij->",
    "ii->i",
    "ii->",
    "iji->j",
    "ij,jk->ik",
    "aij,ajk->aik",
    "i,j->ij",
    "i,i->",
    "ij,ij->i",
    "abij,abkj->abik",
    "aibj,ck->abc",
    "ij,jk,kc->ic",
    "ab,bcd,d->ca",
    "iab,ibc,icd->iad",
  ])("%s is the sum term by term", async (equation) => {
    const random = randomNumbers(equation.length);
    const operands = equation
      .split("->")[0]!
      .split(",")
      .map((term): Tensor => {
        const shape = [...term].map((letter) => SIZES[letter]!);
        return { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, () => Math.round(random() * 8 - 4)) };
      });
    const [y] = await runOp("Einsum", operands, { equation });
    const expected = naive(equation, operands);
    expect(y!.shape).toEqual(expected.shape);
    // Small integers: every sum is exact.
    expect([...y!.data].map((v) => Number(v) + 0)).toEqual(expected.values.map((v) => v + 0));
  });

  it("takes an ellipsis for the leading axes, and sorts the letters where no result is named", async () => {
    const x: Tensor = { dtype: "float32", shape: [2, 2, 3], data: Float32Array.from({ length: 12 }, (_, i) => i) };
    const y: Tensor = { dtype: "float32", shape: [2, 3, 1], data: Float32Array.from({ length: 6 }, (_, i) => i) };
    const [product] = await runOp("Einsum", [x, y], { equation: "...ij,...jk->...ik" });
    expect([product!.shape, [...product!.data]]).toEqual([
      [2, 2, 1],
      [5, 14, 86, 122],
    ]);
    const [turned] = await runOp("Einsum", [{ ...x, shape: [4, 3] }], { equation: "ba" });
    expect(turned!.shape).toEqual([3, 4]);
  });
});
