/**
 * How long a random sweep is. The everyday run tries a part of the seeds, `npm run test:long` (EQM_LONG=1) all of them, in the files that
 * import this one. Only seeds of one and the same test are left out, never a test or a case that has a name.
 */

/** `everyday` in `npm test`, `long` in `npm run test:long`. */
export function sweep(everyday: number, long: number): number {
  return process.env["EQM_LONG"] === "1" ? long : everyday;
}
