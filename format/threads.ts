/**
 * What further threads on one memory need of it (host/threads/). None of it is in the file.
 */

/** Bytes that each thread's kernels have for their own use, at an address of its own. */
export const KERNEL_SCRATCH_BYTES = 512;
