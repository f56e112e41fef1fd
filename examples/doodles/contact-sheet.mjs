/**
 * Writes samples.png: eight pictures of the validation split for each class, a column each in label order, in 216 colours.
 *
 *     node contact-sheet.mjs
 */
import { writeFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { SIZE } from "./camera.mjs";
import { CLASSES, synthesise } from "./synthesise.mjs";

const ROWS = 8;
const LEVELS = 6;

/** @param {string} kind four letters @param {Uint8Array} body */
function chunk(kind, body) {
  const out = Buffer.alloc(12 + body.length);
  out.writeUInt32BE(body.length, 0);
  out.write(kind, 4, "latin1");
  out.set(body, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length);
  return out;
}

const { images } = synthesise("validation", 0, ROWS * CLASSES.length);
const [width, height] = [CLASSES.length * SIZE, ROWS * SIZE];
// Each line of a PNG begins with its filter: 0, none.
const lines = new Uint8Array((1 + width) * height);
for (let y = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    const image = Math.floor(y / SIZE) * CLASSES.length + Math.floor(x / SIZE);
    const at = 3 * ((image * SIZE + (y % SIZE)) * SIZE + (x % SIZE));
    const [red, green, blue] = images.subarray(at, at + 3).map((value) => Math.round((value * (LEVELS - 1)) / 255));
    lines[y * (1 + width) + 1 + x] = (red * LEVELS + green) * LEVELS + blue;
  }
}
const header = Buffer.alloc(13);
header.writeUInt32BE(width, 0);
header.writeUInt32BE(height, 4);
header.set([8, 3], 8); // eight bits each, into a palette
const palette = Uint8Array.from(
  { length: 3 * LEVELS ** 3 },
  (_, i) => (255 / (LEVELS - 1)) * (Math.floor(i / 3 / LEVELS ** (2 - (i % 3))) % LEVELS),
);
const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const body = deflateSync(lines, { level: 9 });
const file = [signature, chunk("IHDR", header), chunk("PLTE", palette), chunk("IDAT", body), chunk("IEND", new Uint8Array())];
writeFileSync(new URL("samples.png", import.meta.url), Buffer.concat(file));
