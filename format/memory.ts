/**
 * The one WebAssembly memory of a loaded model.
 *
 *   0            RESERVED  kernel constants (written by the runtime's `init`) and the kernels' small scratch
 *   PLAN         plan words, int32 each: every step, [opcode, length, fields…], one after the other
 *   data         constants (packed), then the arena: activations and kernel scratch
 *   data + end   GUARD_BYTES that kernels may read past a tensor's end, never write
 *
 * `data` = dataAddress(planWords), a multiple of 64. Every address word of a step is an offset from `data`: constants lie in
 * [0, constantsBytes), the arena in [constantsBytes, constantsBytes + arenaBytes). While loading, the arena's place holds
 * each constant in turn: the canonical bytes of one that is packed, and where it is coded, behind them what decoding takes; the coded
 * bytes of one that is not packed (COPY), and what decoding takes. `stagingBytes` is the most that one constant needs. The coded bytes of a
 * constant that is packed lie at its address until they are decoded; COPY constants go, or are decoded, straight to their address.
 */

export const PLAN_ADDRESS = 1024;
export const ALIGNMENT = 64;
export const GUARD_BYTES = 128;
export const PAGE_BYTES = 65536;

/** Address of the data region for a plan of `planWords` words. */
export function dataAddress(planWords: i32): i32 {
  return (PLAN_ADDRESS + planWords * 4 + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
