/** How far a contestant's outputs are from the reference's: a fast wrong answer must not pass for a fast one. */

/**
 * @param {Record<string, ArrayLike<number>>} reference outputs by name
 * @param {Record<string, ArrayLike<number>>} outputs
 * @returns {{ sqnrDb: number | null, maxRelativeError: number }} over all outputs: the worst signal-to-noise ratio (null when there is no noise)
 *   and the worst max|Δ| / max|reference|
 * @throws {Error} when names or lengths differ, or a value is not finite where the reference's is
 */
export function agreementWith(reference, outputs) {
  let sqnrDb = Number.POSITIVE_INFINITY;
  let maxRelativeError = 0;
  for (const [name, expected] of Object.entries(reference)) {
    const actual = outputs[name];
    if (actual?.length !== expected.length) {
      throw new Error(`output ${name}: ${actual?.length ?? "no"} values where the reference has ${expected.length}`);
    }
    let signal = 0;
    let noise = 0;
    let maxError = 0;
    let maxReference = 0;
    for (let i = 0; i < expected.length; i++) {
      const error = Number(actual[i]) - Number(expected[i]);
      signal += Number(expected[i]) ** 2;
      noise += error ** 2;
      maxError = Math.max(maxError, Math.abs(error));
      maxReference = Math.max(maxReference, Math.abs(Number(expected[i])));
    }
    if (!Number.isFinite(noise) && Number.isFinite(signal)) throw new Error(`output ${name}: not finite where the reference is`);
    if (noise > 0) sqnrDb = Math.min(sqnrDb, 10 * Math.log10(signal / noise));
    if (maxError > 0) maxRelativeError = Math.max(maxRelativeError, maxError / maxReference);
  }
  return { sqnrDb: Number.isFinite(sqnrDb) ? sqnrDb : null, maxRelativeError };
}
