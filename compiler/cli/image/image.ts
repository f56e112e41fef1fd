/** Images of the two formats that cameras and data sets use, as interleaved bytes. */
import { badFile } from "../errors.ts";
import { decodeJpeg } from "./jpeg.ts";
import { decodePng, PNG_SIGNATURE } from "./png.ts";

/** An image: `data` is [height, width, channels], 0..255; 1 channel is grey, 3 RGB, 4 RGB and alpha. */
export interface Image {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** Called with what is wrong with a file ("is cut off"); must throw. */
export type Fail = (problem: string) => never;

/** More pixels than this are refused before anything is allocated for them. */
export const MAX_PIXELS = 100_000_000;

/** Whether a file name is one that `decodeImage` should be asked about. */
export function isImageFile(name: string): boolean {
  return /\.(jpe?g|png)$/i.test(name) && !/(^|[/\\])\._/.test(name);
}

/**
 * A JPEG or PNG, told apart by its first bytes. The orientation in EXIF is not applied, alpha is left out.
 *
 * @throws CompileError `bad-file`: neither format, damaged, cut off, a variant that is not read, more than MAX_PIXELS
 */
export async function decodeImage(bytes: Uint8Array, path: string): Promise<Image> {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    return await decodeJpeg(bytes, MAX_PIXELS, (problem) => {
      throw badFile(path, `the JPEG ${problem}.`);
    });
  }
  if (PNG_SIGNATURE.every((byte, at) => bytes[at] === byte)) {
    return decodePng(bytes, MAX_PIXELS, (problem) => {
      throw badFile(path, `the PNG ${problem}.`);
    });
  }
  throw badFile(path, "it is neither a JPEG nor a PNG.");
}
