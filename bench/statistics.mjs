/** The few statistics that the tables give. */

/** The value below which the share `fraction` of `values` lies, interpolated; fraction 0.5 is the median. NaN for no values. */
export function quantile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const position = (sorted.length - 1) * fraction;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}

export function median(values) {
  return quantile(values, 0.5);
}

/** The median over rounds of numerator / denominator, each pair taken in the same round. */
export function medianRatio(numerators, denominators) {
  return median(numerators.map((numerator, round) => numerator / denominators[round]));
}
