import { describe, expect, it } from "vitest";
import { decodeBase64, decodePortably } from "../../host/base64.ts";
import { parseJson, writeJson } from "../../host/json.ts";
import { decodeUtf8, encodeUtf8 } from "../../host/utf8.ts";

describe("UTF-8", () => {
  it("agrees with the platform on every code point", () => {
    let text = "";
    for (let c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) if (c < 0xd800 || c >= 0xe000) text += String.fromCodePoint(c);
    const bytes = encodeUtf8(text);
    expect(Buffer.compare(bytes, Buffer.from(text))).toBe(0);
    expect(decodeUtf8(bytes)).toBe(text);
  });

  it.each([
    [[0x80], 0],
    [[0x41, 0xc0, 0xaf], 1],
    [[0xc1, 0xbf], 0],
    [[0xe0, 0x80, 0x80], 0],
    [[0xed, 0xa0, 0x80], 0],
    [[0xf0, 0x8f, 0xbf, 0xbf], 0],
    [[0xf4, 0x90, 0x80, 0x80], 0],
    [[0xf8, 0x88, 0x80, 0x80, 0x80], 0],
    [[0x41, 0x42, 0xe2, 0x82], 2],
    [[0xe2, 0x28, 0xa1], 0],
  ])("names the first byte that is none: %j", (bytes, offset) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBe(offset);
  });

  it("refuses to write a lone surrogate", () => {
    expect(() => encodeUtf8("a\ud800")).toThrow(new RangeError("the text holds a lone surrogate"));
  });
});

describe("canonical JSON", () => {
  it("sorts keys, integer-like ones as texts too, and leaves out what is undefined", () => {
    expect(writeJson({ b: [1, { z: null, a: true }], 10: "x", 9: -0, a: undefined })).toBe('{"10":"x","9":0,"b":[1,{"a":true,"z":null}]}');
  });

  it("reads what it wrote, into objects without a prototype", () => {
    const text = '{"10":{"2":0,"a":1},"9":[],"__proto__":{"x":1},"constructor":[1e+30,0.1]}';
    const value = parseJson(text);
    expect(Object.getPrototypeOf(value)).toBe(null);
    expect(({} as Record<string, unknown>)["x"]).toBe(undefined);
    expect(writeJson(value)).toBe(text);
  });

  it.each([
    '{"a": 1}',
    '{"b":1,"a":2}',
    '{"9":1,"10":2}',
    '{"b":1,"1":2}',
    '{"x":{"b":1,"a":2}}',
    '{"a":1,"a":1}',
    "1.0",
    "1e2",
    '"\\u0041"',
    "",
    "{",
    "[1,]",
    "NaN",
  ])("refuses %s", (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it("refuses what is nested too deeply, and numbers that JSON does not have", () => {
    expect(() => parseJson("[".repeat(66) + "]".repeat(66))).toThrow(new RangeError("JSON is nested deeper than 64"));
    expect(() => parseJson("[".repeat(100_000) + "]".repeat(100_000))).toThrow(RangeError);
    expect(() => writeJson([Number.NaN])).toThrow(new RangeError("JSON cannot hold NaN"));
    expect(() => writeJson({ f: () => 1 })).toThrow(new RangeError("JSON cannot hold a function"));
  });
});

it("decodes base64 of every length", () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 37 + length);
    const text = Buffer.from(bytes).toString("base64");
    expect(Buffer.compare(decodeBase64(text), bytes)).toBe(0);
    expect(Buffer.compare(decodePortably(text), bytes)).toBe(0);
  }
});
