/** Images of the two formats that cameras and data sets use, as interleaved bytes. */
import { PNG } from "pngjs";
import { badFile } from "../errors.ts";
import { decodeJpeg } from "./jpeg.ts";

/** An image: `data` is [height, width, channels], 0..255; 1 channel is grey, 3 RGB, 4 RGBA. */
export interface Image {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** More pixels than this are refused before anything is allocated for them. */
export const MAX_PIXELS = 100_000_000;

/** Whether a file name is one that `decodeImage` should be asked about. */
export function isImageFile(name: string): boolean {
  return /\.(jpe?g|png)$/i.test(name) && !/(^|[/\\])\._/.test(name);
}

/**
 * A JPEG or PNG, told apart by its first bytes. The orientation in EXIF is not applied.
 *
 * @throws CompileError `bad-file`: neither format, damaged, cut off, a variant that is not read, more than MAX_PIXELS
 */
export function decodeImage(bytes: Uint8Array, path: string): Image {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    return decodeJpeg(bytes, MAX_PIXELS, (problem) => {
      throw badFile(path, `the JPEG ${problem}.`);
    });
  }
  if (bytes.length >= 24 && [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, at) => bytes[at] === byte)) return decodePng(bytes, path);
  throw badFile(path, "it is neither a JPEG nor a PNG.");
}

function decodePng(bytes: Uint8Array, path: string): Image {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (header.getUint32(16) * header.getUint32(20) > MAX_PIXELS) throw badFile(path, `the PNG has more than ${MAX_PIXELS} pixels.`);
  try {
    const { width, height, data } = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return { width, height, channels: 4, data };
  } catch (error) {
    throw badFile(path, `the PNG cannot be decoded: ${error instanceof Error ? error.message : String(error)}.`);
  }
}
