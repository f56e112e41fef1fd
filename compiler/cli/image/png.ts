/**
 * PNG (ISO/IEC 15948) by the Rust crate png, as WebAssembly: every colour type, bit depth and interlacing. Alpha is left out, 16 bits
 * become their upper 8, colour profiles and gamma are not applied: the pixels that training pipelines see.
 *
 * The crate passes over wrong checksums and says nothing of causes, so chunks and sizes are checked here first.
 */
import { crc32 } from "node:zlib";
import { decode, initSync } from "@jsquash/png/codec/pkg/squoosh_png.js";
import { base64 } from "../../../build/rust-png.ts";
import type { Fail, Image } from "./image.ts";
import { type RgbaPixels, withoutAlpha } from "./rgba-pixels.ts";

/** Bytes that every PNG starts with. */
export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Chunks that no decoder may pass over. */
const CRITICAL = ["IHDR", "PLTE", "IDAT", "IEND"];
/** Bit of a chunk's first letter: it may be passed over. */
const ANCILLARY = 32;
/** Bit of the colour type: not grey. */
const COLOUR = 2;

let ready = false;

/** Decodes to grey or RGB. `fail` is called for anything damaged, cut off, or of more than `maxPixels`. */
export function decodePng(bytes: Uint8Array, maxPixels: number, fail: Fail): Image {
  const { colourType } = checkChunks(bytes, maxPixels, fail);
  if (!ready) initSync(new WebAssembly.Module(Buffer.from(base64, "base64")));
  ready = true;
  const pixels = attempt(bytes);
  if (pixels === undefined) return fail("is damaged: its header does not hold, or its pixels cannot be unpacked or are too few");
  return withoutAlpha(pixels, (colourType & COLOUR) === 0 ? 1 : 3);
}

function attempt(bytes: Uint8Array): RgbaPixels | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError || (error instanceof Error && error.message.includes("unwrap_throw"))) return undefined;
    throw error;
  }
}

function checkChunks(bytes: Uint8Array, maxPixels: number, fail: Fail): { readonly colourType: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let colourType: number | undefined;
  for (let at = PNG_SIGNATURE.length; ; ) {
    if (at + 12 > bytes.length) return fail("is cut off");
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) return fail("is cut off");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      return fail(`is damaged: the checksum of ${JSON.stringify(type)} does not hold`);
    if ((colourType === undefined) !== (type === "IHDR")) return fail("has no header, or two");
    if (type === "IHDR") {
      if (length !== 13) return fail("has a broken header");
      const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (width === 0 || height === 0) fail("has no size");
      if (width * height > maxPixels) fail(`has more than ${maxPixels} pixels`);
      colourType = bytes[at + 17] as number;
    }
    if (type === "IEND") return { colourType: colourType as number };
    if (((bytes[at + 4] as number) & ANCILLARY) === 0 && !CRITICAL.includes(type))
      return fail(`has the unknown part ${JSON.stringify(type)}`);
    at += 12 + length;
  }
}
