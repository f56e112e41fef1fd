/** Promise 2: every one-byte change and every truncation of a file is rejected. */
import { expect, it } from "vitest";
import { FormatError } from "../../host/errors.ts";
import { readEqm } from "../../host/reader.ts";
import { scanner, smallFile } from "../support/small-model.ts";

function rejection(bytes: Uint8Array): FormatError {
  try {
    readEqm(bytes, scanner);
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error("the bytes were accepted");
}

it("rejects every change of one byte, whatever bits it turns", () => {
  const file = smallFile();
  for (let at = 0; at < file.length; at++) {
    const right = file[at]!;
    for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255, 1 + ((at * 7) % 254)]) {
      file[at] = right ^ mask;
      const { offset } = rejection(file);
      expect(offset === undefined ? -1 : offset, `byte ${at} ^ ${mask}`).toBeGreaterThanOrEqual(0);
    }
    file[at] = right;
  }
  expect(readEqm(file, scanner).plan.steps).toHaveLength(3);
});

it("rejects every truncation", () => {
  const file = smallFile();
  const codes = new Set<string>();
  for (let length = 0; length < file.length; length++) codes.add(rejection(file.subarray(0, length)).code);
  expect([...codes].sort()).toEqual(["not-eqm", "truncated"]);
});

it("rejects anything behind the end", () => {
  const file = smallFile();
  for (const more of [1, 63, 64, 4096]) {
    const longer = new Uint8Array(file.length + more);
    longer.set(file);
    expect(rejection(longer)).toMatchObject({ code: "trailing-bytes", offset: file.length });
  }
});

it("rejects two exchanged bytes", () => {
  const file = smallFile();
  for (let at = 0; at + 1 < file.length; at++) {
    if (file[at] === file[at + 1]) continue;
    [file[at], file[at + 1]] = [file[at + 1]!, file[at]!];
    rejection(file);
    [file[at], file[at + 1]] = [file[at + 1]!, file[at]!];
  }
});
