export function binaryI8(step: usize, data: usize): void {
  unreachable();
}
