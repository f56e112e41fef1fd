/** Pixels as the image codecs hand them over, and the way from there to an Image. */
import type { Image } from "./image.ts";

/** What codecs return, as the browser's ImageData does: `data` is [height, width, 4], alpha not premultiplied. */
export interface RgbaPixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Leaves alpha out; of a grey picture (`channels` = 1) red alone stays. */
export function withoutAlpha({ data, width, height }: RgbaPixels, channels: 1 | 3): Image {
  const out = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; to < out.length; from += 4) for (let c = 0; c < channels; c++) out[to++] = data[from + c] as number;
  return { data: out, width, height, channels };
}
