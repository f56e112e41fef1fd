/** Milliseconds since some moment; an AudioWorklet has no `performance`. */
export function now(): number {
  return (globalThis.performance ?? Date).now();
}
