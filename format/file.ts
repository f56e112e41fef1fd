/**
 * The outer form of a .eqm file, version 1. All integers are little endian.
 *
 *   header (HEADER_BYTES), section table (SECTION_BYTES each), sections in ascending order, each at a multiple of
 *   SECTION_ALIGNMENT, gaps filled with zeros, nothing behind the last section.
 */

/** "EQM1" read as a little-endian uint32. */
export const MAGIC = 0x314d5145;
export const VERSION = 1;

/** Header words (uint32 each). */
export const HEADER_MAGIC = 0;
export const HEADER_VERSION = 1;
export const HEADER_FILE_BYTES = 2;
export const HEADER_SECTIONS = 3;
/** The step layouts' checksum (format/abi): a runtime refuses a plan written for other layouts. */
export const HEADER_ABI = 4;
/** Bytes of WebAssembly memory that a loaded model takes, a multiple of 64 KiB, for the single-threaded builds. */
export const HEADER_MEMORY_BYTES = 5;
/** Further bytes for each extra thread; 0 while no step needs any. */
export const HEADER_THREAD_BYTES = 6;
export const HEADER_RESERVED = 7;
/** XXH64 (seed 0) of the header words before it and the whole section table, low word first. */
export const HEADER_HASH_LOW = 8;
export const HEADER_HASH_HIGH = 9;
export const HEADER_WORDS = 10;
export const HEADER_BYTES = 40;

/** Words of one row of the section table. */
export const SECTION_KIND = 0;
export const SECTION_OFFSET = 1;
export const SECTION_LENGTH = 2;
export const SECTION_RESERVED = 3;
/** XXH64 (seed 0) of the section's bytes, low word first. */
export const SECTION_HASH_LOW = 4;
export const SECTION_HASH_HIGH = 5;
export const SECTION_WORDS = 6;
export const SECTION_BYTES = 24;
export const SECTION_ALIGNMENT = 64;
export const MAX_SECTIONS = 64;

/** Section kinds, each at most once but PLAN and GOLDEN; the first four are required. */
export const METADATA = 1;
export const CONSTANTS_TABLE = 2;
export const CONSTANTS = 3;
export const PLAN = 4;
export const GOLDEN = 5;
/** Reserved for tables that entropy-coded constants share. */
export const ENTROPY_TABLES = 6;
/** Reserved for a signature over the header. */
export const SIGNATURE = 7;
