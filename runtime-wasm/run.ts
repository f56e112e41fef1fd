/**
 * The interpreter: walks the steps of a plan and calls one kernel for each.
 *
 * The builds of `eqm/core` have the steps of int8 convolutional networks only: CORE is a constant of asconfig.json, and build.mjs reads here which
 * steps it leaves out.
 *
 * Kernels are functions of their own, called from here once per step, so that an engine compiles and optimises each by itself.
 */
import * as Opcode from "../format/opcodes.ts";
import { LENGTH } from "../format/plan.ts";
import { OK, UNKNOWN_STEP } from "../format/status.ts";
import { binary } from "./kernels/binary.ts";
import { binaryI8 } from "./kernels/binary-i8.ts";
import { cast } from "./kernels/cast.ts";
import { compare } from "./kernels/compare.ts";
import { convF32 } from "./kernels/conv-f32.ts";
import { convI8 } from "./kernels/conv-i8.ts";
import { copy } from "./kernels/copy.ts";
import { cumulate } from "./kernels/cumulate.ts";
import { depthwiseF32 } from "./kernels/depthwise-f32.ts";
import { depthwiseI8 } from "./kernels/depthwise-i8.ts";
import { dequantize } from "./kernels/dequantize.ts";
import { fill } from "./kernels/fill.ts";
import { gather } from "./kernels/gather.ts";
import { layerNorm } from "./kernels/layer-norm.ts";
import { layerNormI8 } from "./kernels/layer-norm-i8.ts";
import { matmulF32 } from "./kernels/matmul-f32.ts";
import { matmulI8 } from "./kernels/matmul-i8.ts";
import { nonZero } from "./kernels/non-zero.ts";
import { pool } from "./kernels/pool.ts";
import { quantize } from "./kernels/quantize.ts";
import { reduce } from "./kernels/reduce.ts";
import { resample } from "./kernels/resample.ts";
import { scatter } from "./kernels/scatter.ts";
import { select } from "./kernels/select.ts";
import { softmax } from "./kernels/softmax.ts";
import { suppress } from "./kernels/suppress.ts";
import { tableI8 } from "./kernels/table-i8.ts";
import { topK } from "./kernels/top-k.ts";
import { unary } from "./kernels/unary.ts";
import { packStep } from "./pack/pack.ts";
import { word } from "./words.ts";

/** Runs the steps from address `plan` to `end`; addresses in steps are offsets from `data`. Returns a status. */
export function run(plan: usize, end: usize, data: usize): i32 {
  let step = plan;
  while (step < end) {
    switch (load<i32>(step)) {
      case Opcode.CONV_I8: convI8(step, data); break;
      case Opcode.DEPTHWISE_I8: depthwiseI8(step, data); break;
      case Opcode.MATMUL_I8: if (CORE) return UNKNOWN_STEP; matmulI8(step, data); break;
      case Opcode.BINARY_I8: binaryI8(step, data); break;
      case Opcode.TABLE_I8: tableI8(step, data); break;
      case Opcode.POOL: pool(step, data); break;
      case Opcode.REDUCE: reduce(step, data); break;
      case Opcode.QUANTIZE: quantize(step, data); break;
      case Opcode.DEQUANTIZE: dequantize(step, data); break;
      case Opcode.SOFTMAX: softmax(step, data); break;
      case Opcode.COPY: copy(step, data); break;
      case Opcode.FILL: fill(step, data); break;
      case Opcode.GATHER: {
        const status = gather(step, data);
        if (status != OK) return status;
        break;
      }
      case Opcode.RESAMPLE: resample(step, data); break;
      case Opcode.CONV_F32: convF32(step, data); break;
      case Opcode.DEPTHWISE_F32: depthwiseF32(step, data); break;
      case Opcode.MATMUL_F32: if (CORE) return UNKNOWN_STEP; matmulF32(step, data); break;
      case Opcode.BINARY: binary(step, data); break;
      case Opcode.UNARY: unary(step, data); break;
      case Opcode.CAST: if (CORE) return UNKNOWN_STEP; cast(step, data); break;
      case Opcode.PACK: if (CORE) return UNKNOWN_STEP; packStep(step, data); break;
      case Opcode.COMPARE: if (CORE) return UNKNOWN_STEP; compare(step, data); break;
      case Opcode.SELECT: if (CORE) return UNKNOWN_STEP; select(step, data); break;
      case Opcode.LAYER_NORM: if (CORE) return UNKNOWN_STEP; layerNorm(step, data); break;
      case Opcode.TOP_K: if (CORE) return UNKNOWN_STEP; topK(step, data); break;
      case Opcode.SCATTER: {
        if (CORE) return UNKNOWN_STEP;
        const status = scatter(step, data);
        if (status != OK) return status;
        break;
      }
      case Opcode.CUMULATE: if (CORE) return UNKNOWN_STEP; cumulate(step, data); break;
      case Opcode.NON_ZERO: if (CORE) return UNKNOWN_STEP; nonZero(step, data); break;
      case Opcode.SUPPRESS: if (CORE) return UNKNOWN_STEP; suppress(step, data); break;
      case Opcode.LAYER_NORM_I8: if (CORE) return UNKNOWN_STEP; layerNormI8(step, data); break;
      default: return UNKNOWN_STEP;
    }
    step += <usize>(word(step, LENGTH) << 2);
  }
  return OK;
}
