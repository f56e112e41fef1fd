/**
 * Encoding NIBBLES: the bytes of a constant, int8 values in −8 … 7 each, two to a byte. Little endian.
 *
 *   uint32      N: bytes that it decodes to
 *   uint8 …     ⌈N/2⌉: value 2i in the low half of byte i, value 2i + 1 in the high half, in two's complement; 0 behind the last value
 */

export const NIBBLES_HEADER_BYTES = 4;

/** Bytes of the stream that decodes to `count` values. */
export function nibblesBytes(count: i32): i32 {
  return NIBBLES_HEADER_BYTES + ((count + 1) >> 1);
}
