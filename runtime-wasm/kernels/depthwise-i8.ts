export function depthwiseI8(step: usize, data: usize): void {
  unreachable();
}
