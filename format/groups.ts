/**
 * Encoding GROUPED: int8 weights in rows, of which each group of adjacent columns has a factor of its own: weight = code·factor, and codes are small.
 * Little endian.
 *
 *   uint32      N: bytes that it decodes to, [R][K]: rows of K values
 *   uint32      K
 *   uint32      A: bytes of the factors as they stand here
 *   uint16      M: columns of a group; the last group of a row has those that are left
 *   uint8       encoding of the factors: RAW, RANS (entropy.ts) or NIBBLES (nibbles.ts)
 *   uint8       encoding of the codes, likewise
 *   A bytes     factors [R][⌈K/M⌉], 1 … 15 each, of which 8 is taken away, as int8
 *   the rest    codes [R][K], int8
 *
 * Every product is an int8.
 */

export const GROUPED_HEADER_BYTES = 16;
/** The largest factor. */
export const MOST_FACTOR = 15;
/** What is taken away of factors in the stream, so that they are values of four bits. */
export const FACTOR_OFFSET = 8;
