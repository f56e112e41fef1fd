/** Lowers BatchNormalization that could not be folded. */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import { emitUnary } from "./elementwise.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { emitBroadcastBinary, emitTranspose, temporary } from "./movement.ts";
import { emitReduce } from "./reduction.ts";

/**
 * BatchNormalization with computed statistics: ((x − μ) / √(σ² + ε)) · γ + β, step by step. With training_mode the statistics are those
 * of the batch, and the running ones are outputs.
 */
export function lowerBatchNorm(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const type = typeOf(x);
  const channels = type.shape[1]!;
  const open = { low: -Infinity, high: Infinity };
  const row = { dtype: "float32", shape: [channels] } as const;
  const column = { dtype: "float32", shape: [channels, ...type.shape.slice(2).map(() => 1)] } as const;
  const scalar = (value: number): { reference: Reference; type: { dtype: "float32"; shape: number[] } } => ({
    reference: builder.constant(0, { dtype: "float32", shape: [], data: Float32Array.of(value) }),
    type: { dtype: "float32", shape: [] },
  });
  const parameter = (index: number): Reference => builder.reference(requiredInput(node, index));
  const src = builder.reference(x);
  let mean = parameter(3);
  let variance = parameter(4);
  const bytes = channels * 4;
  const whole = builder.byteSize(type);
  const binary = (
    op: "ADD" | "SUB" | "MUL" | "DIV",
    a: { reference: Reference; type: typeof type },
    b: { reference: Reference; type: typeof type },
    dst: Reference,
    result: typeof type,
  ): Reference => {
    emitBroadcastBinary(builder, op, a, b, dst, result, open);
    return dst;
  };
  if (numberAttribute(node, "training_mode", 0) !== 0) {
    const perm = [1, 0, ...type.shape.slice(2).map((_, i) => i + 2)];
    const count = elementCount(type.shape) / channels;
    const average = (from: Reference): Reference => {
      const gathered = emitTranspose(builder, from, type, perm);
      const dst = temporary(builder, bytes);
      emitReduce(builder, "MEAN", gathered, dst, [channels, count], [1], "float32", {
        SCALE: 0,
        IN_ZERO: 0,
        OUT_ZERO: 0,
        MIN: floatBits(-Infinity),
        MAX: floatBits(Infinity),
      });
      return dst;
    };
    const batchMean = average(src);
    const centred = binary("SUB", { reference: src, type }, { reference: batchMean, type: column }, temporary(builder, whole), type);
    const squared = binary("MUL", { reference: centred, type }, { reference: centred, type }, temporary(builder, whole), type);
    const batchVariance = average(squared);
    const momentum = numberAttribute(node, "momentum", 0.9);
    const running = (output: Value | undefined, old: Reference, now: Reference): void => {
      if (!output) return;
      const kept = binary("MUL", { reference: old, type: row }, scalar(momentum), temporary(builder, bytes), row);
      const fresh = binary("MUL", { reference: now, type: row }, scalar(1 - momentum), temporary(builder, bytes), row);
      binary("ADD", { reference: kept, type: row }, { reference: fresh, type: row }, builder.define(output), row);
    };
    running(node.outputs[1], mean, batchMean);
    running(node.outputs[2], variance, batchVariance);
    mean = batchMean;
    variance = batchVariance;
  }
  const shiftedVariance = binary(
    "ADD",
    { reference: variance, type: row },
    scalar(numberAttribute(node, "epsilon", 1e-5)),
    temporary(builder, bytes),
    row,
  );
  const deviation = temporary(builder, bytes);
  emitUnary(builder, "SQRT", shiftedVariance, deviation, channels);
  const centred = binary("SUB", { reference: src, type }, { reference: mean, type: column }, temporary(builder, whole), type);
  const normal = binary("DIV", { reference: centred, type }, { reference: deviation, type: column }, temporary(builder, whole), type);
  const scaled = binary("MUL", { reference: normal, type }, { reference: parameter(1), type: column }, temporary(builder, whole), type);
  binary("ADD", { reference: scaled, type }, { reference: parameter(2), type: column }, builder.define(node.outputs[0]!), type);
}
