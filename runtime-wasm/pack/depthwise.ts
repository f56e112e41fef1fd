/** The int8 depthwise packings: channels, canonically outermost, become the lanes. */

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

/**
 * [C][9] int8 to 192 bytes for each 8 channels, zero padded. For each kernel column x, int16 lanes:
 *
 *   w0x w1x of channels 0–3 | w0x w1x of channels 4–7 | w2x 0 of channels 0–3 | w2x 0 of channels 4–7
 */
export function packDepthwise3x3I8(src: usize, dst: usize, channels: i32): void {
  memory.fill(dst, 0, ((channels + 7) & ~7) * 24);
  for (let c = 0; c < channels; c++) {
    const lanes = dst + <usize>((c >> 3) * 192 + (c & 7) * 4);
    for (let x = 0; x < 3; x++) {
      store<i16>(lanes + x * 64, load<i8>(src + x));
      store<i16>(lanes + x * 64, load<i8>(src + x, 3), 2);
      store<i16>(lanes + x * 64, load<i8>(src + x, 6), 32);
    }
    src += 9;
  }
}
