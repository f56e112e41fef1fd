/** Pictures: JPEGs against the pixels that libjpeg-turbo gave for the same files (fixtures/jpeg/expected.json, by Pillow). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { decodeImage, isImageFile } from "../../compiler/cli/image/image.ts";

const folder = new URL("./fixtures/jpeg/", import.meta.url);
const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as Readonly<
  Record<string, { readonly width: number; readonly height: number; readonly sha256: string }>
>;
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.jpg`, folder)));

describe("JPEG", () => {
  it.each(Object.keys(expected))("decodes %s to libjpeg's pixels, bit for bit", async (name) => {
    const { width, height, channels, data } = await decodeImage(fixture(name), name);
    expect({ width, height, sha256: createHash("sha256").update(data).digest("hex") }).toEqual(expected[name]);
    expect(channels).toBe(3);
  });

  it("refuses every truncation of a file, baseline and progressive", async () => {
    for (const name of ["420", "420-progressive", "restart"]) {
      const bytes = fixture(name);
      for (let end = 2; end < bytes.length; end++) {
        await expect(decodeImage(bytes.subarray(0, end), "x.jpg"), `${name} cut at ${end}`).rejects.toThrow("x.jpg: the JPEG is cut off.");
      }
    }
  });

  it("survives every damaged byte: pixels of the same size, or an error that names the file", async () => {
    const bytes = fixture("420-progressive");
    for (let at = 2; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ 0x55;
      try {
        const { data, width, height } = await decodeImage(damaged, "x.jpg");
        expect(data.length).toBe(width * height * 3);
      } catch (error) {
        expect((error as Error).message).toMatch(/^x\.jpg: the JPEG /);
      }
    }
  });

  it("refuses a header that claims more pixels than are read", async () => {
    const bytes = fixture("420").slice();
    const frame = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xc0);
    bytes.fill(0xff, frame + 5, frame + 9);
    await expect(decodeImage(bytes, "x.jpg")).rejects.toThrow("x.jpg: the JPEG has more than 100000000 pixels.");
  });

  it("says what libjpeg objects to, and decodes the next picture as if nothing had been", async () => {
    const bytes = fixture("420");
    const at = (marker: number) => bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === marker);
    const withoutTables = Uint8Array.from([...bytes.subarray(0, at(0xdb)), ...bytes.subarray(at(0xc0))]);
    await expect(decodeImage(withoutTables, "x.jpg")).rejects.toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^x\.jpg: the JPEG cannot be decoded: Quantization table/),
        fault: "input",
      }),
    );
    const withGap = Uint8Array.from([...bytes.subarray(0, at(0xda) + 100), ...bytes.subarray(-2)]);
    await expect(decodeImage(withGap, "x.jpg")).rejects.toThrow(
      "x.jpg: the JPEG is damaged: Corrupt JPEG data: premature end of data segment.",
    );
    expect((await decodeImage(bytes, "x.jpg")).width).toBe(29);
  });

  it("passes over bytes between the segments, as libjpeg does", async () => {
    const bytes = fixture("420");
    const table = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xdb);
    const padded = Uint8Array.from([...bytes.subarray(0, table), 0, 0, 0, ...bytes.subarray(table)]);
    expect((await decodeImage(padded, "x.jpg")).data).toEqual((await decodeImage(bytes, "x.jpg")).data);
  });

  it("repeats the chroma of 4:4:0 down the columns, where libjpeg-turbo interpolates", async () => {
    const { width, height, data } = await decodeImage(fixture("440"), "x.jpg");
    expect({ width, height, sha256: createHash("sha256").update(data).digest("hex") }).toEqual({
      width: 21,
      height: 43,
      sha256: "fa65d5d8a59145d245db5c41cde55dc6779ae7943c7db7f78b2e05cbd428a720",
    });
  });

  it("refuses the colours of print", async () => {
    await expect(decodeImage(fixture("cmyk"), "x.jpg")).rejects.toThrow(
      "x.jpg: the JPEG has the four colours of print (CMYK), which are not read; convert it to RGB.",
    );
  });
});

function png(
  width: number,
  height: number,
  bitDepth: number,
  colourType: number,
  rows: readonly number[],
  {
    palette,
    transparency,
    interlace = 0,
  }: { readonly palette?: readonly number[]; readonly transparency?: readonly number[]; readonly interlace?: number } = {},
): Uint8Array {
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
  header[12] = interlace;
  const colours = palette === undefined ? [] : chunk("PLTE", Uint8Array.from(palette));
  const alpha = transparency === undefined ? [] : chunk("tRNS", Uint8Array.from(transparency));
  const pixels = deflateSync(Uint8Array.from(rows));
  const halves = [...chunk("IDAT", pixels.subarray(0, 3)), ...chunk("IDAT", pixels.subarray(3))];
  return Uint8Array.from([
    0x89,
    0x50,
    0x4e,
    0x47,
    13,
    10,
    26,
    10,
    ...chunk("IHDR", header),
    ...colours,
    ...alpha,
    ...halves,
    ...chunk("IEND", new Uint8Array()),
  ]);
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
  const DAMAGED = "x.png: the PNG is damaged: its header does not hold, or its pixels cannot be unpacked or are too few.";
  const pixels = async (bytes: Uint8Array): Promise<number[]> => [...(await decodeImage(bytes, "x.png")).data];

  it.each([
    ["1 bit of grey", 3, 1, 1, 0, [0, 0b10100000], {}, [255, 0, 255]],
    ["2 bits of grey", 3, 1, 2, 0, [0, 0b00011011], {}, [0, 85, 170]],
    ["4 bits of grey", 2, 1, 4, 0, [0, 0x1f], {}, [17, 255]],
    ["8 bits of grey", 2, 1, 8, 0, [0, 10, 20], {}, [10, 20]],
    ["16 bits of grey", 1, 1, 16, 0, [0, 0x12, 0xff], {}, [0x12]],
    ["grey and alpha", 1, 1, 8, 4, [0, 9, 0], {}, [9]],
    ["RGB", 1, 2, 8, 2, [0, 1, 2, 3, 0, 4, 5, 6], {}, [1, 2, 3, 4, 5, 6]],
    ["RGB of 16 bits", 1, 1, 16, 2, [0, 1, 9, 2, 9, 3, 9], {}, [1, 2, 3]],
    ["RGB and alpha", 1, 1, 8, 6, [0, 1, 2, 3, 0], {}, [1, 2, 3]],
    ["a palette of 2 bits", 2, 1, 2, 3, [0, 0b01000000], { palette: [1, 2, 3, 4, 5, 6] }, [4, 5, 6, 1, 2, 3]],
    ["a palette with transparent colours", 2, 1, 8, 3, [0, 1, 0], { palette: [1, 2, 3, 4, 5, 6], transparency: [0] }, [4, 5, 6, 1, 2, 3]],
    ["a transparent grey", 2, 1, 8, 0, [0, 7, 8], { transparency: [0, 7] }, [7, 8]],
    ["a transparent colour", 1, 1, 8, 2, [0, 1, 2, 3], { transparency: [0, 1, 0, 2, 0, 3] }, [1, 2, 3]],
    ["the filters", 2, 5, 8, 0, [0, 1, 2, 1, 5, 6, 2, 1, 1, 3, 4, 5, 4, 250, 7], {}, [1, 2, 5, 11, 6, 12, 7, 14, 1, 14]],
    ["Adam7 of 3 by 3", 3, 3, 8, 0, [0, 1, 0, 3, 0, 7, 9, 0, 2, 0, 8, 0, 4, 5, 6], { interlace: 1 }, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["Adam7 of 4 bits", 5, 1, 4, 0, [0, 0x10, 0, 0x50, 0, 0x30, 0, 0x24], { interlace: 1 }, [17, 34, 51, 68, 85]],
  ] as const)("decodes %s", async (_, width, height, depth, type, rows, options, expectedPixels) => {
    expect(await pixels(png(width, height, depth, type, rows, options))).toEqual([...expectedPixels]);
  });

  it("refuses every truncation and every damaged byte", async () => {
    const good = png(
      3,
      3,
      8,
      2,
      Array.from({ length: 30 }, (_, i) => (i % 10 === 0 ? 1 : i)),
    );
    for (let end = 8; end < good.length; end++)
      await expect(pixels(good.subarray(0, end)), `cut at ${end}`).rejects.toThrow(/^x\.png: the PNG is cut off\.$/);
    for (let at = 8; at < good.length; at++) {
      const damaged = good.slice();
      damaged[at] = (damaged[at] as number) ^ 0x20;
      await expect(pixels(damaged), `byte ${at}`).rejects.toThrow(/^x\.png: the PNG /);
    }
  });

  it.each([
    ["too few pixels", png(2, 2, 8, 0, [0, 10, 20]), DAMAGED],
    ["too few pixels in the last row", png(2, 2, 8, 0, [0, 10, 20, 0, 30]), DAMAGED],
    ["more pixels than are read", png(65535, 65535, 8, 0, [0]), "x.png: the PNG has more than 100000000 pixels."],
    ["an unknown filter", png(1, 1, 8, 0, [5, 0]), DAMAGED],
    ["a missing palette", png(1, 1, 8, 3, [0, 0]), DAMAGED],
    ["a colour type that is none", png(1, 1, 8, 5, [0, 2]), DAMAGED],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(decodeImage(bytes, "x.png")).rejects.toThrow(expect.objectContaining({ message, fault: "input" }));
  });
});

it("reads what is too much and colours beyond the palette as libpng does: not at all, and as black", async () => {
  const decode = async (bytes: Uint8Array): Promise<number[]> => [...(await decodeImage(bytes, "x.png")).data];
  expect(await decode(png(1, 1, 8, 0, new Array<number>(5000).fill(0)))).toEqual([0]);
  expect(await decode(png(1, 1, 8, 3, [0, 2], { palette: [1, 2, 3] }))).toEqual([0, 0, 0]);
});

it("tells images by their content, and says what is neither", async () => {
  expect((await decodeImage(fixture("444"), "misnamed.png")).width).toBe(17);
  await expect(decodeImage(new TextEncoder().encode("GIF89a"), "x.jpg")).rejects.toThrow("x.jpg: it is neither a JPEG nor a PNG.");
  await expect(decodeImage(new Uint8Array(), "x.jpg")).rejects.toThrow("x.jpg: it is neither a JPEG nor a PNG.");
  expect(["a.JPG", "b.jpeg", "c.png", "._c.png", "d.gif", "jpg"].filter(isImageFile)).toEqual(["a.JPG", "b.jpeg", "c.png"]);
});
