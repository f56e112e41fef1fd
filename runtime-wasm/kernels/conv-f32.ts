export function convF32(step: usize, data: usize): void {
  unreachable();
}
