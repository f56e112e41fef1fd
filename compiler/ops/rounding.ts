/** Rounding to whole numbers. */

/** The whole number nearest to x, half to even; infinities, NaN and the sign of zero stay. */
export function roundHalfEven(x: number): number {
  if (!(x > -4503599627370496 && x < 4503599627370496)) return x;
  // Adding 2⁵² leaves no places for fractions: IEEE addition rounds half to even.
  return x < 0 || Object.is(x, -0) ? -(-x + 4503599627370496 - 4503599627370496) : x + 4503599627370496 - 4503599627370496;
}
