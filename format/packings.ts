/**
 * How a constant is laid out in memory at load time. The file holds every constant in its canonical order; the runtime packs
 * it once into the layout its kernels read. All builds use the same packed size, so addresses do not depend on the build.
 *
 *   row of the constants table: [packing, fileOffset, fileBytes, address, packedBytes, encoding, p0, p1, p2]
 *
 * COPY            canonical = packed.
 * GEMM_I8         canonical int8 [G][N][S][L]: G groups (told by the size), N outputs a group, S segments of L values each
 *                 (p0 = N, p1 = S, p2 = L). Each group is packed by itself, one after the other:
 *                 [⌈N/8⌉][K/2][8 outputs][2 k]
 *                 K = gemmDepth(S, L): each segment padded to an even length, the whole to a multiple of 4, with zeros.
 * GEMM_PAIR_SAFE_I8 canonical = GEMM_I8's, with p1 and p2 for which pairsFit, and with weights that are pair-safe: of each pair
 *                 |w0| + |w1| ≤ PAIR_LIMIT. A pair are the values 2i and 2i + 1 of a segment, the last of an odd one and a zero:
 *                 two adjacent values in packed order. Packing refuses other weights, in every build. Packed, for all groups:
 *                           plain:   as GEMM_I8
 *                           relaxed: [⌈N/8⌉][K/4][8 outputs][4 k]
 *                 and behind them int32 [G][⌈N/8⌉·8], what the build adds to each output's accumulator (plain: unused).
 * GEMM_RUN_SAFE_I8 canonical and packed = GEMM_PAIR_SAFE_I8's, with p1 and p2 for which runsFit (and so pairsFit), and with weights that are run-safe: of each run of up
 *                 to four of an output the positive ones add up to at most RUN_LIMIT, and so do the magnitudes of the negative ones. The values at
 *                 packed depths 8i, 8i + 1, 8i + 4, 8i + 5 are a run, and the other four of the eight: what meets in one int16 sum of two steps
 *                 of the pair dot. Packing refuses other weights, in every build.
 * GEMM_I4         canonical = GEMM_I8's, with p1 and p2 for which pairsFit, and with values of four bits: −8 … 7. Packing refuses others,
 *                 in every build. Packed, for all groups, [G][⌈N/8⌉] panels of i4PanelBytes(K) bytes:
 *                           K/4 steps of 16 bytes: two weights in each
 *                           int32 [8]: what the build adds to each output's accumulator (plain: unused)
 *                           uint8 [⌈K/32⌉]: how many steps each run has whose sums int16 holds (plain: unused), and room to a multiple of 16
 * GEMM_BLOCKS_1_I8, GEMM_BLOCKS_2_I8  canonical = GEMM_I8's, its zeros included, with rows of K = p1 = S·L values (p0 = N). Of each eight outputs only
 *                 columns (or, for 2, pairs of columns 2i and 2i + 1) are kept in which not all weights are 0; quads hold four columns of
 *                 eight outputs each. p2 = Q: all quads; packing counts them and refuses a constant that says another number, in
 *                 every build. Packed:
 *                           [G][⌈N/8⌉] heads of BLOCKS_HEAD_BYTES: int32 bytes from the head to its quads' weights, int32 quads, int32 bytes from the
 *                           head to its quads' places, int32 how many of its quads, from the first, are run-safe two by two (plain: 0),
 *                           int32 [8]: what the build adds to each output's accumulator (plain: unused)
 *                           weights [Q][32] int8: plain [2 pairs][8 outputs][2 columns], relaxed [8 outputs][4 columns]
 *                           places [Q][4] (for 2: [Q][2]) uint32: where a column (or pair) stands in an A panel, in bytes
 *                 Columns stand in quads so that each two of them are pair-safe (runtime-wasm/pack/gemm-blocks-i8.ts says in what order). Two quads
 *                 are run-safe where of each output the first halves of both are a run that is within RUN_LIMIT, and the second halves.
 * GEMM_SCATTERED_I8 canonical = GEMM_BLOCKS_1_I8's, K below 65536. Of each output only weights are kept that are not 0, ascending, two at a time, the
 *                 last of an odd number with a zero in its own column; p2: all pairs, proved likewise. Packed, the same in all builds:
 *                           [G·N] heads: int32 pairs before it, int32 pairs
 *                           pairs: int16 [2] weights, uint16 [2] columns
 * GEMM_F32        canonical float32 [G][N][K] (p0 = N, p1 = K); packed [G][⌈N/8⌉][K][8], zero padded.
 * DEPTHWISE_I8    canonical int8 [C][T], T = taps in row-major order (p0 = C, p1 = T);
 *                 packed int16 [⌈C/8⌉][T][8], zero padded.
 * DEPTHWISE_3X3_I8 canonical int8 [C][9] (p0 = C); packed int16, 224 bytes for each 8 channels: seven interleaved pairs of weights
 *                 (channels 0–3, then 4–7) for row and column, w00 w10 · w01 w11 · w02 w12 · w20 w21 · w22 0 · 0 w20 · w21 w22.
 * DEPTHWISE_F32   canonical float32 [C][T] (p0 = C, p1 = T); packed [T][⌈C/4⌉·4], zero padded.
 * CHANNELS_32     canonical int32 or float32 [N] (p0 = N); packed [⌈N/8⌉·8], zero padded: biases and scales.
 */

export const COPY = 0;
export const GEMM_I8 = 1;
export const GEMM_F32 = 2;
export const DEPTHWISE_I8 = 3;
export const DEPTHWISE_3X3_I8 = 4;
export const DEPTHWISE_F32 = 5;
export const CHANNELS_32 = 6;
export const GEMM_PAIR_SAFE_I8 = 7;
export const GEMM_I4 = 8;
export const GEMM_BLOCKS_1_I8 = 9;
export const GEMM_BLOCKS_2_I8 = 10;
export const GEMM_SCATTERED_I8 = 11;
export const GEMM_RUN_SAFE_I8 = 12;

/**
 * The most that the magnitudes of a pair of pair-safe weights may add up to: 255 times it fits into int16, so that no reading of
 * the relaxed dot product's second operand saturates.
 */
export const PAIR_LIMIT = 128;

/**
 * The most that the positive weights of one int16 accumulator of a run may add up to, and the most that the negative ones may: 255 times
 * it fits, and 128 times the one and 127 times the other do, so that no reading of the relaxed dot product's second operand leaves int16. Eight steps of
 * four-bit weights always fit.
 */
export const RUN_LIMIT = 128;

/** Columns of GEMM_BLOCKS_1_I8 that wait for another one they are pair-safe with, at most. */
export const WAITING_COLUMNS = 8;

/** Bytes of the head of eight outputs of GEMM_BLOCKS_1_I8 and GEMM_BLOCKS_2_I8. */
export const BLOCKS_HEAD_BYTES = 48;

/** Bytes of a channel of DEPTHWISE_3X3_I8. */
export const DEPTHWISE_3X3_BYTES = 28;

/** Words of one row of the constants table, in this order. */
export const PACKING = 0;
export const FILE_OFFSET = 1;
export const FILE_BYTES = 2;
export const ADDRESS = 3;
export const PACKED_BYTES = 4;
export const ENCODING = 5;
export const P0 = 6;
export const P1 = 7;
export const P2 = 8;
export const ROW_WORDS = 9;

/**
 * Encodings of a constant's bytes in the file: as they are, entropy coded (entropy.ts), two values of four bits to a byte (nibbles.ts), blocks
 * that are not zero (blocks.ts), or small codes with a factor for each group of columns (groups.ts).
 */
export const RAW = 0;
export const RANS = 1;
export const NIBBLES = 2;
export const BLOCKS = 3;
export const GROUPED = 4;

/** Depth of a packed int8 GEMM of `segments` segments of `length` values: even segments, a multiple of 4 in all. */
export function gemmDepth(segments: i32, length: i32): i32 {
  return (segments * ((length + 1) & ~1) + 3) & ~3;
}

/** Whether a GEMM of `segments` segments of `length` values may be pair-safe: each segment starts at a multiple of 4 of the packed depth. */
export function pairsFit(segments: i32, length: i32): boolean {
  return segments == 1 || ((length + 1) & ~1 & 3) == 0;
}

/** Whether a GEMM of `segments` segments of `length` values may be run-safe: each segment starts at a multiple of 8 of the packed depth. */
export function runsFit(segments: i32, length: i32): boolean {
  return segments == 1 || (length & 7) == 0;
}

/** Which run of an output the value at a place of the packed depth belongs to, of GEMM_RUN_SAFE_I8. */
export function runOf(place: i32): i32 {
  return (place >> 3) * 2 + ((place >> 1) & 1);
}

/** Whether a packing is of dense weights of which the relaxed build adds up the products of pairs in int16. */
export function isPaired(packing: i32): boolean {
  return packing == GEMM_PAIR_SAFE_I8 || packing == GEMM_RUN_SAFE_I8;
}

/** Bytes of a panel of GEMM_I4: eight outputs of a packed depth of `depth`. */
export function i4PanelBytes(depth: i32): i32 {
  return i4RunsOffset(depth) + ((((depth + 31) >> 5) + 15) & ~15);
}

/** Where the lengths of runs stand in a panel of GEMM_I4. */
export function i4RunsOffset(depth: i32): i32 {
  return (depth << 2) + 32;
}

/** Bytes of the head of an output of GEMM_SCATTERED_I8, and of a pair of its weights. */
export const SCATTERED_HEAD_BYTES = 8;
export const SCATTERED_PAIR_BYTES = 8;

/** Rows of GEMM_SCATTERED_I8 have fewer values than this. */
export const SCATTERED_COLUMNS = 65536;

/** Whether a packing is of sparse weights: p0 = N, p1 = K, p2 = what is not zero. */
export function isSparse(packing: i32): boolean {
  return packing == GEMM_BLOCKS_1_I8 || packing == GEMM_BLOCKS_2_I8 || packing == GEMM_SCATTERED_I8;
}

/** Bytes of a quad of GEMM_BLOCKS_1_I8 or GEMM_BLOCKS_2_I8: weights and places. */
export function quadBytes(packing: i32): i32 {
  return packing == GEMM_BLOCKS_1_I8 ? 48 : 40;
}

/** Groups in a canonical constant of `fileBytes` for the GEMM packings (a row has p1·p2 values; p1 for GEMM_F32 and of blocks). */
export function packedGroups(packing: i32, fileBytes: i32, p0: i32, p1: i32, p2: i32): i32 {
  const group = packing == GEMM_F32 ? p0 * p1 * 4 : isSparse(packing) ? p0 * p1 : p0 * p1 * p2;
  return group > 0 ? fileBytes / group : 0;
}

/** Bytes of a packed constant, or -1 for an unknown packing. `fileBytes` is the canonical size, of whole groups. */
export function packedBytes(packing: i32, fileBytes: i32, p0: i32, p1: i32, p2: i32): i32 {
  if (packing == COPY) return fileBytes;
  if (packing == GEMM_I8) return packedGroups(packing, fileBytes, p0, p1, p2) * ((p0 + 7) & ~7) * gemmDepth(p1, p2);
  if (isPaired(packing)) return packedGroups(packing, fileBytes, p0, p1, p2) * ((p0 + 7) & ~7) * (gemmDepth(p1, p2) + 4);
  if (packing == GEMM_I4) return packedGroups(packing, fileBytes, p0, p1, p2) * ((p0 + 7) >> 3) * i4PanelBytes(gemmDepth(p1, p2));
  if (packing == GEMM_SCATTERED_I8)
    return packedGroups(packing, fileBytes, p0, p1, p2) * p0 * SCATTERED_HEAD_BYTES + p2 * SCATTERED_PAIR_BYTES;
  if (isSparse(packing))
    return packedGroups(packing, fileBytes, p0, p1, p2) * ((p0 + 7) >> 3) * BLOCKS_HEAD_BYTES + p2 * quadBytes(packing);
  if (packing == GEMM_F32) return packedGroups(packing, fileBytes, p0, p1, p2) * ((p0 + 7) & ~7) * p1 * 4;
  if (packing == DEPTHWISE_I8) return ((p0 + 7) & ~7) * p1 * 2;
  if (packing == DEPTHWISE_3X3_I8) return ((p0 + 7) & ~7) * DEPTHWISE_3X3_BYTES;
  if (packing == DEPTHWISE_F32) return ((p0 + 3) & ~3) * p1 * 4;
  if (packing == CHANNELS_32) return ((p0 + 7) & ~7) * 4;
  return -1;
}

/**
 * Whether `fileBytes` canonical bytes and these parameters make a constant: positive sizes that agree with one another, unused
 * parameters 0, and a packed size below 2³¹. Computed in float64, so that hostile parameters cannot overflow.
 */
export function packingHolds(packing: number, fileBytes: number, p0: number, p1: number, p2: number): boolean {
  if (fileBytes <= 0) return false;
  if (packing == COPY) return p0 == 0 && p1 == 0 && p2 == 0;
  if (p0 <= 0 || p1 < 0 || p2 < 0) return false;
  if (packing == GEMM_I8 || packing == GEMM_I4 || isPaired(packing)) {
    if (p1 == 0 || p2 == 0 || fileBytes % (p0 * p1 * p2) != 0) return false;
    if (packing == GEMM_RUN_SAFE_I8 ? !runsFit(p1, p2) : packing != GEMM_I8 && !pairsFit(p1, p2)) return false;
    return (fileBytes / (p0 * p1 * p2)) * (p0 + 7) * (p1 * (p2 + 1) + 7) < 2147483648;
  }
  if (isSparse(packing)) {
    if (p1 == 0 || fileBytes % (p0 * p1) != 0) return false;
    if (packing == GEMM_SCATTERED_I8) {
      const outputs = fileBytes / p1;
      return (
        p1 < SCATTERED_COLUMNS &&
        p2 <= outputs * Math.ceil(p1 / 2) &&
        outputs * SCATTERED_HEAD_BYTES + p2 * SCATTERED_PAIR_BYTES < 2147483648
      );
    }
    const heads = (fileBytes / (p0 * p1)) * Math.ceil(p0 / 8);
    return p2 <= heads * Math.ceil(p1 / 2) && heads * BLOCKS_HEAD_BYTES + p2 * quadBytes(packing) < 2147483648;
  }
  if (packing == GEMM_F32) {
    if (p1 == 0 || p2 != 0 || fileBytes % (p0 * p1 * 4) != 0) return false;
    return (fileBytes / (p0 * p1 * 4)) * (p0 + 7) * p1 * 4 < 2147483648;
  }
  if (p2 != 0) return false;
  if (packing == DEPTHWISE_I8) return p1 > 0 && fileBytes == p0 * p1 && (p0 + 7) * p1 * 2 < 2147483648;
  if (packing == DEPTHWISE_3X3_I8) return p1 == 0 && fileBytes == p0 * 9 && (p0 + 7) * DEPTHWISE_3X3_BYTES < 2147483648;
  if (packing == DEPTHWISE_F32) return p1 > 0 && fileBytes == p0 * p1 * 4 && (p0 + 3) * p1 * 4 < 2147483648;
  return packing == CHANNELS_32 && p1 == 0 && fileBytes == p0 * 4 && (p0 + 7) * 4 < 2147483648;
}
