export function matmulF32(step: usize, data: usize): void {
  unreachable();
}
