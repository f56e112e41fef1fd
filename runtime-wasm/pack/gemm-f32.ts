/** GEMM_F32: one group [N][K] float32 to [⌈N/8⌉][K][8], zero padded. */

/** Packs one group of `outputs` rows of `depth` values. */
export function packGemmF32(src: usize, dst: usize, outputs: i32, depth: i32): void {
  const pitch = <usize>depth << 2;
  for (let n = 0; n < outputs; n += 8) {
    const rows = min(8, outputs - n);
    const column = src + <usize>n * pitch;
    for (let k = 0; k < depth; k++) {
      let p = column + (<usize>k << 2);
      for (let i = 0; i < rows; i++) {
        store<f32>(dst + (i << 2), load<f32>(p));
        p += pitch;
      }
      for (let i = rows; i < 8; i++) store<f32>(dst + (i << 2), 0);
      dst += 32;
    }
  }
}
