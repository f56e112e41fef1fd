/** The runtime's instructions. A step in a plan is [opcode, length in words, fields…]; the fields stand in steps/. */

export const CONV_I8 = 1;
export const DEPTHWISE_I8 = 2;
export const MATMUL_I8 = 3;
export const BINARY_I8 = 4;
export const TABLE_I8 = 5;
export const POOL = 6;
export const REDUCE = 7;
export const QUANTIZE = 8;
export const DEQUANTIZE = 9;
export const SOFTMAX = 10;
export const COPY = 11;
export const FILL = 12;
export const GATHER = 13;
export const RESAMPLE = 14;
export const CONV_F32 = 15;
export const DEPTHWISE_F32 = 16;
export const MATMUL_F32 = 17;
export const BINARY = 18;
export const UNARY = 19;
export const CAST = 20;
export const PACK = 21;
export const COMPARE = 22;
export const SELECT = 23;
export const LAYER_NORM = 24;
