/**
 * Encoding BLOCKS: int8 weights in rows, of which whole blocks of eight rows by one column are zero. A mask says which are not, and only those
 * stand in the stream. Little endian.
 *
 *   uint32      N: bytes that it decodes to, [G][O][K]: groups of O rows of K values
 *   uint32      K
 *   uint32      O
 *   uint32      V: values in blocks that are not zero
 *   uint32      A: bytes of the mask as it stands here
 *   A bytes     mask: for each group, each eight rows of it (fewer at its end) and each column a bit, the lowest of a byte first, 1 where the block is in
 *               the stream; 0 bits to a whole byte
 *   the rest    values: block by block in the order of the mask, of each the values of its rows
 *
 * Mask and values each stand as they are, or as a stream of encoding RANS (entropy.ts), which is then shorter.
 */

export const BLOCKS_HEADER_BYTES = 20;
/** Rows of a block. */
export const BLOCK_ROWS = 8;
