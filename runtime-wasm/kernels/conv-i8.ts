export function convI8(step: usize, data: usize): void {
  unreachable();
}
