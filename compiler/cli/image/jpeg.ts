/**
 * JPEG by libjpeg (mozjpeg, as WebAssembly), so that a model sees the pixels that it was trained and measured with.
 *
 * libjpeg makes a picture of almost anything and warns; here a warning is an error, unless it is about something that changes no
 * pixel. It prints the first warning only, so whether the file is whole is checked apart from it.
 */
import createCodec, { type JpegCodec } from "@jsquash/jpeg/codec/dec/mozjpeg_dec.js";
import { base64 } from "../../../build/mozjpeg.ts";
import type { Fail, Image } from "./image.ts";
import { type RgbaPixels, withoutAlpha } from "./rgba-pixels.ts";

const END_OF_IMAGE = 0xd9;
const HARMLESS = /extraneous bytes before marker|unknown JFIF revision/;

let codec: Promise<JpegCodec> | undefined;
/** What libjpeg printed. */
const messages: string[] = [];

/** Decodes to RGB. `fail` is called for anything damaged, cut off, unsupported, or of more than `maxPixels`. */
export async function decodeJpeg(bytes: Uint8Array, maxPixels: number, fail: Fail): Promise<Image> {
  checkSegments(bytes, maxPixels, fail);
  codec ??= openCodec();
  const { decode } = await codec;
  messages.length = 0;
  let pixels: RgbaPixels | null = null;
  try {
    pixels = decode(bytes, false);
  } catch (error) {
    codec = undefined;
    if (!isExit(error)) throw error;
  }
  if (pixels === null) return fail(`cannot be decoded: ${messages.at(-1) ?? "libjpeg does not say why"}`);
  const warning = messages.find((message) => !HARMLESS.test(message));
  if (warning !== undefined) fail(`is damaged: ${warning}`);
  return withoutAlpha(pixels, 3);
}

function openCodec(): Promise<JpegCodec> {
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  const print = (message: string): void => void messages.push(message.trim());
  return createCodec({
    print,
    printErr: print,
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(module, imports);
      done(instance);
      return instance.exports;
    },
  });
}

/** libjpeg's way to give up: exit(1), a C++ exception (a number) where memory ran out, or a trap. */
function isExit(error: unknown): boolean {
  return (
    typeof error === "number" || error instanceof WebAssembly.RuntimeError || (error as { readonly name?: unknown }).name === "ExitStatus"
  );
}

/** Walks over the segments up to the end of the image, and checks the size that the frame claims. */
function checkSegments(bytes: Uint8Array, maxPixels: number, fail: Fail): void {
  const word = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  for (let at = 2; ; ) {
    const start = nextSegment(bytes, at, fail);
    const marker = bytes[start - 1] as number;
    if (marker === END_OF_IMAGE) return;
    const length = word(start);
    if (length < 2 || start + length > bytes.length) fail("is cut off");
    if (isFrame(marker)) {
      const [height, width, components] = [word(start + 3), word(start + 5), bytes[start + 7]];
      if (width === 0 || height === 0) fail("has no size");
      if (width * height > maxPixels) fail(`has more than ${maxPixels} pixels`);
      if (components === 4) fail("has the four colours of print (CMYK), which are not read; convert it to RGB");
    }
    at = start + length;
  }
}

/** Where the segment behind the next marker begins; stuffed bytes, restart and other markers that stand alone are passed over. */
function nextSegment(bytes: Uint8Array, from: number, fail: Fail): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 1)) {
    const marker = bytes[at + 1] as number;
    const standsAlone = marker < 2 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8);
    if (!standsAlone) return at + 2;
  }
  return fail("is cut off");
}

/** SOF0 to SOF15; the codes between them that are none are DHT, JPG and DAC. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
