/** Numbers as people read them. KB is 1000 bytes. */

/** Bytes with three significant digits: 999 B, 12.3 KB, 1.20 MB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return withPrefix(bytes, ["KB", "MB", "GB", "TB"]);
}

/** Counts with three significant digits: 999, 12.5 k, 300 M, 2.98 G. */
export function formatCount(count: number): string {
  if (count < 1000) return String(count);
  return withPrefix(count, ["k", "M", "G", "T"]);
}

function withPrefix(value: number, prefixes: readonly string[]): string {
  let scaled = value / 1000;
  let at = 0;
  while (scaled >= 999.5 && at < prefixes.length - 1) {
    scaled /= 1000;
    at++;
  }
  return `${threeDigits(scaled)} ${prefixes[at]}`;
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** Milliseconds: 0.123 ms, 12.3 ms, 1.23 s. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${threeDigits(ms / 1000)} s`;
  return ms >= 0.9995 ? `${threeDigits(ms)} ms` : `${ms.toFixed(3)} ms`;
}

/** A fraction as percent with two decimals. */
export function formatPercent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

/** A shape as 1×3×224×224; a scalar is "scalar". */
export function formatShape(shape: readonly (number | string)[]): string {
  return shape.length === 0 ? "scalar" : shape.join("×");
}

/** A real number with four significant digits. */
export function formatReal(value: number): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}
