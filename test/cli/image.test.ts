/** Pictures: the JPEG decoder against the pixels that libjpeg-turbo gave for the same files (fixtures/jpeg/expected.json, by Pillow). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { decodeImage, isImageFile } from "../../compiler/cli/image/image.ts";

const folder = new URL("./fixtures/jpeg/", import.meta.url);
const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as Readonly<Record<string, { readonly width: number; readonly height: number; readonly sha256: string }>>;
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.jpg`, folder)));

describe("JPEG", () => {
  it.each(Object.keys(expected))("decodes %s to libjpeg's pixels, bit for bit", (name) => {
    const { width, height, channels, data } = decodeImage(fixture(name), name);
    expect({ width, height, sha256: createHash("sha256").update(data).digest("hex") }).toEqual(expected[name]);
    expect(channels).toBe(3);
  });

  it("refuses every truncation of a file, baseline and progressive", () => {
    for (const name of ["420", "420-progressive", "restart"]) {
      const bytes = fixture(name);
      for (let end = 2; end < bytes.length - 2; end++) {
        expect(() => decodeImage(bytes.subarray(0, end), "x.jpg"), `${name} cut at ${end}`).toThrow(/^x\.jpg: the JPEG /);
      }
    }
  });

  it("survives every damaged byte: pixels of the same size, or an error that names the file", () => {
    const bytes = fixture("420-progressive");
    for (let at = 2; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ 0x55;
      try {
        const { data, width, height } = decodeImage(damaged, "x.jpg");
        expect(data.length).toBe(width * height * 3);
      } catch (error) {
        expect((error as Error).message).toMatch(/^x\.jpg: the JPEG /);
      }
    }
  });

  it("refuses a header that claims more pixels than are read", () => {
    const bytes = fixture("420").slice();
    const frame = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xc0);
    bytes.fill(0xff, frame + 5, frame + 9);
    expect(() => decodeImage(bytes, "x.jpg")).toThrow("x.jpg: the JPEG has more than 100000000 pixels.");
  });
});

function png(width: number, height: number, bitDepth: number, colourType: number, rows: readonly number[]): Uint8Array {
  const chunk = (type: string, data: Uint8Array): number[] => {
    const body = [...new TextEncoder().encode(type), ...data];
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc(body));
    return [...length, ...body, ...check];
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = bitDepth;
  header[9] = colourType;
  return Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, ...chunk("IHDR", header), ...chunk("IDAT", deflateSync(Uint8Array.from(rows))), ...chunk("IEND", new Uint8Array())]);
}

function crc(bytes: readonly number[]): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let i = 0; i < 8; i++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ 0xffffffff) >>> 0;
}

describe("PNG", () => {
  it("decodes grey and RGB to RGBA", () => {
    expect([...decodeImage(png(2, 1, 8, 0, [0, 10, 20]), "x.png").data]).toEqual([10, 10, 10, 255, 20, 20, 20, 255]);
    expect([...decodeImage(png(1, 2, 8, 2, [0, 1, 2, 3, 0, 4, 5, 6]), "x.png").data]).toEqual([1, 2, 3, 255, 4, 5, 6, 255]);
  });

  it("refuses damage, truncation and sizes that are only claimed", () => {
    const good = png(2, 1, 8, 0, [0, 10, 20]);
    expect(() => decodeImage(good.subarray(0, 40), "x.png")).toThrow(/^x\.png: the PNG cannot be decoded: /);
    expect(() => decodeImage(png(2, 2, 8, 0, [0, 10, 20]), "x.png")).toThrow(/^x\.png: the PNG cannot be decoded: /);
    expect(() => decodeImage(png(65535, 65535, 8, 0, [0]), "x.png")).toThrow("x.png: the PNG has more than 100000000 pixels.");
  });
});

it("tells images by their content, and says what is neither", () => {
  expect(decodeImage(fixture("444"), "misnamed.png").width).toBe(17);
  expect(() => decodeImage(new TextEncoder().encode("GIF89a"), "x.jpg")).toThrow("x.jpg: it is neither a JPEG nor a PNG.");
  expect(() => decodeImage(new Uint8Array(), "x.jpg")).toThrow("x.jpg: it is neither a JPEG nor a PNG.");
  expect(["a.JPG", "b.jpeg", "c.png", "._c.png", "d.gif", "jpg"].filter(isImageFile)).toEqual(["a.JPG", "b.jpeg", "c.png"]);
});
