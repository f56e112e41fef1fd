/** The int8 depthwise packings: channels, canonically outermost, become the lanes. */
import { DEPTHWISE_3X3_BYTES } from "../../format/packings.ts";

/** [C][T] int8 to [⌈C/8⌉][T][8] int16, zero padded. */
export function packDepthwiseI8(src: usize, dst: usize, channels: i32, taps: i32): void {
  for (let c = 0; c < channels; c += 8) {
    const lanes = min(8, channels - c);
    for (let t = 0; t < taps; t++) {
      v128.store(dst, i64x2.splat(0));
      for (let i = 0; i < lanes; i++) store<i16>(dst + (i << 1), load<i8>(src + <usize>((c + i) * taps + t)));
      dst += 16;
    }
  }
}

/** [C][9] int8 to 224 bytes for each 8 channels, zero padded: seven pairs of weights in int16 lanes, channels 0–3, then 4–7 (format/packings.ts). */
export function packDepthwise3x3I8(src: usize, dst: usize, channels: i32): void {
  memory.fill(dst, 0, ((channels + 7) & ~7) * DEPTHWISE_3X3_BYTES);
  for (let c = 0; c < channels; c++) {
    const lanes = dst + <usize>((c >> 3) * 8 * DEPTHWISE_3X3_BYTES + (c & 7) * 4);
    const low0 = <i16>load<i8>(src, 6);
    const low1 = <i16>load<i8>(src, 7);
    const low2 = <i16>load<i8>(src, 8);
    storePair(lanes, load<i8>(src), load<i8>(src, 3));
    storePair(lanes + 32, load<i8>(src, 1), load<i8>(src, 4));
    storePair(lanes + 64, load<i8>(src, 2), load<i8>(src, 5));
    storePair(lanes + 96, low0, low1);
    storePair(lanes + 128, low2, 0);
    storePair(lanes + 160, 0, low0);
    storePair(lanes + 192, low1, low2);
    src += 9;
  }
}

function storePair(lane: usize, first: i16, second: i16): void {
  store<i16>(lane, first);
  store<i16>(lane, second, 2);
}
