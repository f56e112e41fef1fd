export function depthwiseF32(step: usize, data: usize): void {
  unreachable();
}
