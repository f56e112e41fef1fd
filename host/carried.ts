/** What the entry `eqm` carries: builds of the runtime with every step, in base64. */
export { base64 as plain } from "../build/plain.ts";
export { base64 as relaxed } from "../build/relaxed.ts";

/** Opcodes of steps that the builds do not have. */
export const MISSING_STEPS: ReadonlySet<number> = new Set();
