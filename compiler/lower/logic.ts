/** Lowering rules of comparisons, of logic on bool, and of Where. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Binary from "../../format/steps/binary.ts";
import * as Compare from "../../format/steps/compare.ts";
import * as Select from "../../format/steps/select.ts";
import { dtypeBytes, dtypeCode, elementCount } from "../../host/tensor.ts";
import { CompileError } from "../errors.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import type { Reference } from "./lowered.ts";
import { broadcastBlock } from "./movement.ts";
import { broadcastStrides, collapse, sixWords } from "./strides.ts";

const COMPARISONS: Readonly<Record<string, number>> = {
  Equal: Compare.EQUAL,
  Less: Compare.LESS,
  Greater: Compare.GREATER,
  LessOrEqual: Compare.LESS_OR_EQUAL,
  GreaterOrEqual: Compare.GREATER_OR_EQUAL,
  Xor: Compare.NOT_EQUAL,
};

/** Bool is 0 or 1, so that minimum and maximum of bytes are And and Or. */
const LOGIC: Readonly<Record<string, number>> = { And: Binary.MINIMUM, Or: Binary.MAXIMUM };

/** Operators that `lowerLogic` takes. */
export const LOGIC_OPS: readonly string[] = [...Object.keys(COMPARISONS), ...Object.keys(LOGIC), "Not", "Where"];

/** Comparisons, And, Or, Xor, Not and Where. */
export function lowerLogic(builder: Builder, node: Node): void {
  const y = onlyOutput(node);
  const operands = node.inputs.map((_, i) => builder.reference(requiredInput(node, i)));
  const shapes = node.inputs.map((_, i) => typeOf(requiredInput(node, i)).shape);
  const dst = builder.define(y);
  const { shape } = typeOf(y);
  if (elementCount(shape) === 0) return;
  if (node.op === "Where") emitSelect(builder, operands, shapes, dst, shape, dtypeBytes(typeOf(y).dtype));
  else if (node.op === "Not") {
    const zero = builder.constant(Packing.COPY, { dtype: "bool", shape: [], data: new Uint8Array(1) });
    emitCompare(builder, Compare.EQUAL, operands[0]!, zero, dst, dtypeCode("bool"), broadcastBlock(shapes[0]!, [], shape));
  } else if (node.op in LOGIC) {
    builder.step(Opcode.BINARY, Binary, {
      A: operands[0]!,
      B: operands[1]!,
      DST: dst,
      OP: LOGIC[node.op]!,
      DTYPE: dtypeCode("uint8"),
      ...broadcastBlock(shapes[0]!, shapes[1]!, shape),
      MIN: 0,
      MAX: 0,
    });
  } else {
    emitCompare(
      builder,
      COMPARISONS[node.op]!,
      operands[0]!,
      operands[1]!,
      dst,
      dtypeCode(typeOf(requiredInput(node, 0)).dtype),
      broadcastBlock(shapes[0]!, shapes[1]!, shape),
    );
  }
}

function emitCompare(
  builder: Builder,
  op: number,
  a: Reference,
  b: Reference,
  dst: Reference,
  dtype: number,
  block: Readonly<Record<string, number>>,
): void {
  builder.step(Opcode.COMPARE, Compare, { A: a, B: b, DST: dst, OP: op, DTYPE: dtype, ...block });
}

function emitSelect(
  builder: Builder,
  operands: readonly Reference[],
  shapes: readonly (readonly number[])[],
  dst: Reference,
  shape: readonly number[],
  bytes: number,
): void {
  const block = collapse({ dims: shape, strides: shapes.map((operand) => broadcastStrides(operand, shape)) });
  if (!block)
    throw new CompileError(
      "too-many-axes",
      `Where over [${shape}] needs more than six separate axes. Reshape its operands in the exporter.`,
      { shape },
    );
  builder.step(Opcode.SELECT, Select, {
    C: operands[0]!,
    A: operands[1]!,
    B: operands[2]!,
    DST: dst,
    ELEMENT_BYTES: bytes,
    ...sixWords("DIM", block.dims),
    ...sixWords("C_STRIDE", block.strides[0]!),
    ...sixWords("A_STRIDE", block.strides[1]!),
    ...sixWords("B_STRIDE", block.strides[2]!),
  });
}
