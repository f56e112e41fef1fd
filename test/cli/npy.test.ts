/** NumPy's files, against bytes laid out by hand. */
import { describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy, parseNpyHeader } from "../../compiler/cli/data/npy.ts";
import { decodeNpz, encodeNpz } from "../../compiler/cli/data/npz.ts";

function npy(descr: string, fortran: boolean, shape: string, elements: readonly number[], version = 1): Uint8Array {
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }\n`;
  const size = version === 1 ? [dict.length & 255, dict.length >> 8] : [dict.length & 255, dict.length >> 8, 0, 0];
  return Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...size, ...new TextEncoder().encode(dict), ...elements]);
}

function bytesOf(array: ArrayBufferView): number[] {
  return [...new Uint8Array(array.buffer, array.byteOffset, array.byteLength)];
}

describe("reading a .npy", () => {
  it.each([
    ["|u1", [0, 255], Uint8Array.of(0, 255)],
    ["|i1", [0, 255], Int8Array.of(0, -1)],
    ["|b1", [0, 1], Uint8Array.of(0, 1)],
    ["<i2", [1, 0, 255, 255], Int16Array.of(1, -1)],
    [">i2", [0, 1, 255, 255], Int16Array.of(1, -1)],
    ["<u2", [1, 0, 255, 255], Uint16Array.of(1, 65535)],
    ["<i4", bytesOf(Int32Array.of(-5, 6)), Int32Array.of(-5, 6)],
    [">u4", [0, 0, 1, 0, 255, 255, 255, 255], Uint32Array.of(256, 4294967295)],
    ["<i8", bytesOf(BigInt64Array.of(-5n, 6n)), BigInt64Array.of(-5n, 6n)],
    ["<u8", bytesOf(BigUint64Array.of(5n, 6n)), BigUint64Array.of(5n, 6n)],
    ["<f4", bytesOf(Float32Array.of(1.5, -2)), Float32Array.of(1.5, -2)],
    ["<f8", bytesOf(Float64Array.of(0.1, -2)), Float64Array.of(0.1, -2)],
    [
      ">f8",
      bytesOf(Float64Array.of(0.1, -2))
        .slice(0, 8)
        .reverse()
        .concat(bytesOf(Float64Array.of(-2)).reverse()),
      Float64Array.of(0.1, -2),
    ],
    ["<f2", [0x00, 0x3c, 0x01, 0x80], Float32Array.of(1, -(2 ** -24))],
    [">f2", [0x7b, 0xff, 0xfc, 0x00], Float32Array.of(65504, Number.NEGATIVE_INFINITY)],
  ])("reads elements of type %s", (descr, elements, expected) => {
    const { data, shape } = decodeNpy(npy(descr, false, "(2,)", elements), "x.npy");
    expect(data).toEqual(expected);
    expect(shape).toEqual([2]);
  });

  it("turns Fortran order into C order", () => {
    const { data } = decodeNpy(npy("|u1", true, "(2, 3, 2)", [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]), "x.npy");
    expect([...data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it("reads headers of versions 2 and 3, scalars and empty arrays", () => {
    expect(decodeNpy(npy("|u1", false, "()", [7], 2), "x").shape).toEqual([]);
    expect(decodeNpy(npy("|u1", false, "(0, 5)", [], 3), "x").data.length).toBe(0);
  });

  it.each([
    [
      "objects",
      npy("|O", false, "(1,)", [0]),
      "x: its elements are '|O'; eqm reads b1, i1, u1, i2, u2, i4, u4, i8, u8, f2, f4, f8 (no objects, strings or records).",
    ],
    [
      "a file that is cut off",
      npy("<f4", false, "(2,)", [0, 0, 0, 0]),
      "x: its shape asks for 8 bytes of elements, but 4 follow the header; the file is cut off.",
    ],
    [
      "bytes behind the end",
      npy("|u1", false, "(1,)", [0, 0]),
      "x: its shape asks for 1 bytes of elements, but 2 follow the header; the file is too long.",
    ],
    ["another file", new TextEncoder().encode("<!doctype html>"), "x: it is no .npy file."],
    ["a shape beyond counting", npy("|u1", false, "(9999999999, 9999999999)", []), "x: its shape 9999999999×9999999999 is too large."],
    ["a header that is cut off", npy("|u1", false, "(1,)", [0]).subarray(0, 40), "x: the .npy header is cut off."],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeNpy(bytes, "x")).toThrow(expect.objectContaining({ message, fault: "input" }));
  });
});

describe("writing", () => {
  it("writes a .npy that reads back, its elements at a multiple of 64 bytes", () => {
    for (const shape of [[], [3], [1, 3], [3, 1, 1]]) {
      const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i / 3);
      const bytes = encodeNpy("f4", shape, data);
      expect(parseNpyHeader(bytes, "x").offset % 64).toBe(0);
      expect(decodeNpy(bytes, "x")).toEqual({ type: "f4", shape, data });
    }
  });

  it("writes a .npz that reads back, and the same bytes each time", () => {
    const arrays = [
      { name: "a", type: "f4" as const, shape: [2], data: Float32Array.of(1, 2) },
      { name: "b/c", type: "i8" as const, shape: [], data: BigInt64Array.of(-1n) },
    ];
    const bytes = encodeNpz(arrays);
    expect(encodeNpz(arrays)).toEqual(bytes);
    expect([...decodeNpz(bytes, "x")].map(([name, { data }]) => [name, data])).toEqual(arrays.map(({ name, data }) => [name, data]));
  });

  it("refuses a .npz that is cut off or is none", () => {
    const bytes = encodeNpz([{ name: "a", type: "u1", shape: [100], data: new Uint8Array(100) }]);
    for (const end of [0, 3, 50, bytes.length - 30])
      expect(() => decodeNpz(bytes.subarray(0, end), "x")).toThrow(/^x: it (is no sound|holds no)/);
  });
});
