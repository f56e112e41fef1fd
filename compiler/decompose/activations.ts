/** The activations that LSTM, GRU and RNN name, with the parameters that some of them take in turn. */
import { badAttribute } from "../errors.ts";
import { numbersAttribute } from "../ir/attributes.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Composer } from "./composer.ts";

/** A function of each element. */
export type Activation = (c: Composer, x: Value) => Value;

interface Kind {
  readonly alpha?: number;
  readonly beta?: number;
  readonly make: (alpha: number, beta: number) => Activation;
}

const plain = (op: string): Kind => ({ make: () => (c, x) => c.op(op, [x]) });

/** By the name in lower case, with the defaults of the parameters that it takes. */
const KINDS: Readonly<Record<string, Kind>> = {
  relu: plain("Relu"),
  tanh: plain("Tanh"),
  sigmoid: plain("Sigmoid"),
  softsign: plain("Softsign"),
  softplus: plain("Softplus"),
  affine: { alpha: 1, beta: 0, make: (alpha, beta) => (c, x) => c.add(c.scale(x, alpha), c.scalar(beta)) },
  leakyrelu: { alpha: 0.01, make: (alpha) => (c, x) => c.op("LeakyRelu", [x], { alpha }) },
  thresholdedrelu: { alpha: 1, make: (alpha) => (c, x) => c.op("ThresholdedRelu", [x], { alpha }) },
  scaledtanh: { alpha: 1, beta: 1, make: (alpha, beta) => (c, x) => c.scale(c.op("Tanh", [c.scale(x, beta)]), alpha) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, make: (alpha, beta) => (c, x) => c.op("HardSigmoid", [x], { alpha, beta }) },
  elu: { alpha: 1, make: (alpha) => (c, x) => c.op("Elu", [x], { alpha }) },
};

/** The node's activations, of all directions in turn. Errors: `bad-attribute`. */
export function activationsOf(node: Node, defaults: readonly string[]): readonly Activation[] {
  const given = node.attributes["activations"];
  const names = Array.isArray(given) && given.length > 0 ? (given as readonly string[]) : defaults;
  if (names.length !== defaults.length) throw badAttribute(node, "activations", `${defaults.length} names`);
  const alphas = [...numbersAttribute(node, "activation_alpha", [])];
  const betas = [...numbersAttribute(node, "activation_beta", [])];
  return names.map((name) => {
    const key = name.toLowerCase();
    const kind = Object.hasOwn(KINDS, key) ? KINDS[key] : undefined;
    if (!kind) throw badAttribute(node, "activations", `names that ONNX has, not ${name}`);
    const alpha = kind.alpha === undefined ? 0 : (alphas.shift() ?? kind.alpha);
    const beta = kind.beta === undefined ? 0 : (betas.shift() ?? kind.beta);
    return kind.make(alpha, beta);
  });
}
