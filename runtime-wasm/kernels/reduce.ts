export function reduce(step: usize, data: usize): void {
  unreachable();
}
