/** What the runtime's exported functions return. 0 is success; the host turns the rest into typed errors. */

export const OK = 0;
/** The plan holds an opcode that this build does not have. */
export const UNKNOWN_STEP = 1;
/** A constant names a packing that this build does not have. */
export const UNKNOWN_PACKING = 2;
/** An index read from a tensor (Gather) lies outside its axis. */
export const INDEX_OUT_OF_RANGE = 3;
/** The coded bytes of a constant are not sound. */
export const BAD_STREAM = 4;
/** Weights that claim to be pair-safe are not. */
export const NOT_PAIR_SAFE = 5;
/** Weights that claim to be of four bits are not. */
export const NOT_FOUR_BITS = 6;
/** What is not zero of sparse weights is not as much as their constant says. */
export const OTHER_BLOCKS = 7;
/** Weights that claim to be run-safe are not. */
export const NOT_RUN_SAFE = 8;
