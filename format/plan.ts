/**
 * A PLAN section: zigzag LEB128 varints, one for each word.
 *
 *   [constantsBytes, arenaBytes, stagingBytes, stepCount, planWords, step…]
 *
 * A step is [opcode, length, fields…]; `length` counts all its words. Fields are int32; a float32 stands as its bits.
 */

export const CONSTANTS_BYTES = 0;
export const ARENA_BYTES = 1;
export const STAGING_BYTES = 2;
export const STEP_COUNT = 3;
export const PLAN_WORDS = 4;
export const PLAN_HEADER_WORDS = 5;

/** The first words of every step. */
export const OPCODE = 0;
export const LENGTH = 1;
