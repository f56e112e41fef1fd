export function unary(step: usize, data: usize): void {
  unreachable();
}
