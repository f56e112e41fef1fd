/** What the entry `eqm/core` carries instead of carried.ts: builds with the steps of int8 convolutional networks. */
export { base64 as plain } from "../build/core-plain.ts";
export { base64 as relaxed } from "../build/core-relaxed.ts";
export { MISSING_STEPS } from "../build/core-steps.ts";
