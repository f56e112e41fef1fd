/**
 * Random small quantized graphs, made layer by layer with their values known, so that every scale fits what is there. Each layer
 * reads int8 values through DequantizeLinear and writes one through QuantizeLinear.
 */
import { type Attribute, Graph, type Node, typeOf, type Value } from "../../compiler/ir/graph.ts";
import { evaluateNode, inferNode } from "../../compiler/ops/index.ts";
import { type Parameters, parametersOf } from "../../compiler/quantize/ranges.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../passes/evaluation.ts";

/** A kind of layer; `step` says by how much a quantized value may be off, and how often. */
export type Family = keyof typeof FAMILIES;

/** What a graph is made with. */
export interface Options {
  /** Scales are powers of two: all arithmetic but division and functions is exact then. */
  readonly isDyadic: boolean;
  readonly layers: number;
}

/** A graph with its input and the family that each quantized value comes from. */
export interface Int8Graph {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly families: ReadonlyMap<string, string>;
  /** Quantized values that lowering may hold in another order. */
  readonly reordered: ReadonlySet<string>;
}

interface Quantized {
  /** The dequantized form. */
  readonly value: Value;
  readonly tensor: Tensor;
  readonly parameters: Parameters;
  readonly isReordered: boolean;
}

class Maker {
  readonly graph = new Graph("random");
  readonly inputs = new Map<string, Tensor>();
  readonly families = new Map<string, string>();
  readonly reordered = new Set<string>();
  readonly random: () => number;
  readonly isDyadic: boolean;
  private readonly tensors = new Map<Value, Tensor>();
  private count = 0;
  private readonly made: Quantized[] = [];

  constructor(seed: number, isDyadic: boolean) {
    this.random = randomNumbers(seed * 7919 + 13);
    this.isDyadic = isDyadic;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  constant(tensor: Tensor): Value {
    return this.graph.addConstant("k", tensor);
  }

  floats(shape: readonly number[], spread = 1): Tensor {
    return { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, () => (this.random() * 2 - 1) * spread) };
  }

  integers(...values: number[]): Value {
    return this.constant({ dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  /** Adds a node with one result and computes it. */
  node(
    op: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    name = `v${this.count++}`,
  ): Value {
    const node = this.graph.add({ op, name, inputs, attributes, sources: [name], outputs: [{ name }] });
    inferNode(node).forEach((type, i) => this.graph.setType(node.outputs[i]!, type));
    const tensor = evaluateNode(
      node,
      inputs.map((value) => value && this.tensor(value)),
    )[0]!;
    this.tensors.set(node.outputs[0]!, tensor);
    return node.outputs[0]!;
  }

  tensor(value: Value): Tensor {
    return value.constant ?? this.tensors.get(value)!;
  }

  /** Gives a node a clamp, as fusing an activation does; before its result is computed by anyone else. */
  clamp(value: Value): Value {
    const data = this.tensor(value).data as Float32Array;
    const top = data.reduce((a, b) => Math.max(a, b), 0);
    const node: Node = value.producer!;
    const [clampMin, clampMax] = this.pick([
      [0, undefined],
      [0, Math.fround(top * 0.6)],
      [Math.fround(-top * 0.3), undefined],
    ] as const);
    this.graph.setAttributes(node, { clampMin, clampMax: clampMax === 0 ? undefined : clampMax });
    this.tensors.set(
      value,
      evaluateNode(
        node,
        node.inputs.map((input) => input && this.tensor(input)),
      )[0]!,
    );
    return value;
  }

  scalar(x: number): Value {
    return this.constant({ dtype: "float32", shape: [], data: Float32Array.of(x) });
  }

  zero(x: number): Value {
    return this.constant({ dtype: "int8", shape: [], data: Int8Array.of(x) });
  }

  dyadic(scale: number): number {
    return this.isDyadic ? 2 ** Math.ceil(Math.log2(scale)) : Math.fround(scale);
  }

  parametersFor(tensor: Tensor): Parameters {
    const data = tensor.data as Float32Array;
    const low = data.reduce((a, b) => Math.min(a, b), 0);
    const high = data.reduce((a, b) => Math.max(a, b), 0);
    // Now and then a range that clips.
    const cut = this.pick([1, 1, 0.8]);
    const { scale, zeroPoint } = parametersOf(high > low ? { low: low * cut, high: high * cut } : { low: 0, high: 1 });
    return { scale: this.dyadic(scale), zeroPoint };
  }

  /** Quantizes a result and dequantizes it. */
  quantize(value: Value, family: string, parameters = this.parametersFor(this.tensor(value)), isReordered = false): Quantized {
    const pair = [this.scalar(parameters.scale), this.zero(parameters.zeroPoint)];
    const q = this.node("QuantizeLinear", [value, ...pair], {}, `q${this.count++}`);
    this.families.set(q.name, family);
    if (isReordered) this.reordered.add(q.name);
    const back = this.node("DequantizeLinear", [q, ...pair]);
    const made = { value: back, tensor: this.tensor(back), parameters, isReordered };
    this.made.push(made);
    return made;
  }

  input(shape: readonly number[]): Quantized {
    const name = `x${this.count++}`;
    const value = this.graph.addInput(name, { dtype: "float32", shape });
    const tensor = this.floats(shape, this.pick([0.5, 2, 7]));
    if (this.chance(0.3)) (tensor.data as Float32Array).forEach((x, i, all) => (all[i] = Math.abs(x)));
    this.inputs.set(name, tensor);
    this.tensors.set(value, tensor);
    return this.quantize(value, "input");
  }

  /** Int8 weights behind DequantizeLinear: by channel of `axis`, or with one scale for all. */
  weights(shape: readonly number[], axis: number): { readonly value: Value; readonly scales: readonly number[] } {
    const byChannel = this.chance(0.7);
    const count = byChannel ? shape[axis]! : 1;
    const scales = Array.from({ length: count }, () => this.dyadic((0.2 + this.random()) / 127));
    const data = Int8Array.from({ length: elementCount(shape) }, () => Math.round(this.random() * 254) - 127);
    const q = this.constant({ dtype: "int8", shape, data });
    const scale = this.constant({ dtype: "float32", shape: byChannel ? [count] : [], data: Float32Array.from(scales) });
    const zero = this.chance(0.5) ? [this.constant({ dtype: "int8", shape: byChannel ? [count] : [], data: new Int8Array(count) })] : [];
    return { value: this.node("DequantizeLinear", [q, scale, ...zero], byChannel ? { axis } : {}), scales };
  }

  /** A bias of int32 in the layer's units, or none. */
  bias(x: Quantized, scales: readonly number[], channels: number): Value | null {
    if (this.chance(0.25)) return null;
    const units = Float32Array.from({ length: channels }, (_, c) =>
      Math.fround(Math.fround(x.parameters.scale) * scales[scales.length === 1 ? 0 : c]!),
    );
    const data = Int32Array.from({ length: channels }, () => Math.round((this.random() * 2 - 1) * 5000));
    const q = this.constant({ dtype: "int32", shape: [channels], data });
    return this.node("DequantizeLinear", [q, this.constant({ dtype: "float32", shape: [channels], data: units })], { axis: 0 });
  }

  /** A value of this shape: made before, constant, or a new input. */
  partner(shape: readonly number[]): Quantized {
    const known = this.made.filter(({ tensor }) => `${tensor.shape}` === `${shape}`);
    if (known.length > 1 && this.chance(0.5)) return this.pick(known);
    return this.input(shape);
  }

  constantOperand(shape: readonly number[]): Value {
    const tensor = this.floats(shape, 2);
    const { scale, zeroPoint } = this.parametersFor(tensor);
    const data = Int8Array.from(tensor.data as Float32Array, (x) => Math.max(-128, Math.min(127, Math.round(x / scale) + zeroPoint)));
    return this.node("DequantizeLinear", [this.constant({ dtype: "int8", shape, data }), this.scalar(scale), this.zero(zeroPoint)]);
  }
}

type Layer = (maker: Maker, x: Quantized) => Quantized | null;

function conv(isDepthwise: boolean): Layer {
  return (m, x) => {
    const [, channels, ...spatial] = typeOf(x.value).shape as readonly [number, number, ...number[]];
    if (spatial.length < 1 || spatial.length > 2 || (isDepthwise && channels < 2)) return null;
    const group = isDepthwise ? channels : m.pick([1, 1, 2].filter((g) => channels % g === 0));
    const outputs = isDepthwise ? channels : group * m.pick([1, 3, 8, 17]);
    const kernel = isDepthwise && m.chance(0.5) ? spatial.map(() => 3) : spatial.map(() => m.pick([1, 2, 3]));
    const strides = m.chance(0.5) ? spatial.map(() => 1) : spatial.map(() => m.pick([1, 2]));
    const dilations = spatial.map(() => m.pick([1, 1, 1, 2]));
    const pads = [...kernel.map((k) => m.pick([0, k >> 1, k - 1])), ...kernel.map((k) => m.pick([0, k >> 1]))];
    if (spatial.some((d, i) => d + pads[i]! + pads[spatial.length + i]! < (kernel[i]! - 1) * dilations[i]! + 1)) return null;
    const weights = m.weights([outputs, channels / group, ...kernel], 0);
    const y = m.node("Conv", [x.value, weights.value, m.bias(x, weights.scales, outputs)], { group, strides, dilations, pads });
    return m.quantize(m.chance(0.4) ? m.clamp(y) : y, isDepthwise ? "depthwise" : "conv");
  };
}

const FAMILIES = {
  conv: conv(false),
  depthwise: conv(true),
  gemm: (m, x) => {
    const { shape } = typeOf(x.value);
    if (shape.length !== 2) return null;
    const outputs = m.pick([1, 5, 16, 19]);
    const transB = m.pick([0, 1]);
    const weights = m.weights(transB ? [outputs, shape[1]!] : [shape[1]!, outputs], transB ? 0 : 1);
    const y = m.node("Gemm", [x.value, weights.value, m.bias(x, weights.scales, outputs)], { transB });
    return m.quantize(m.chance(0.4) ? m.clamp(y) : y, "gemm");
  },
  matmul: (m, x) => {
    const { shape } = typeOf(x.value);
    if (shape.length < 2) return null;
    const weights = m.weights([shape[shape.length - 1]!, m.pick([1, 4, 9])], 1);
    return m.quantize(m.node("MatMul", [x.value, weights.value]), "matmul");
  },
  "matmul of activations": (m, x) => {
    const { shape } = typeOf(x.value);
    if (shape.length < 2) return null;
    const depth = shape[shape.length - 1]!;
    const batch = m.chance(0.5) ? shape.slice(0, -2) : [];
    return m.quantize(m.node("MatMul", [x.value, m.partner([...batch, depth, m.pick([1, 3, 8])]).value]), "matmul of activations");
  },
  add: binary("Add"),
  sub: binary("Sub"),
  mul: binary("Mul"),
  div: binary("Div"),
  prelu: binary("PRelu"),
  "max pool": (m, x) => pool(m, x, "MaxPool"),
  "average pool": (m, x) => pool(m, x, "AveragePool"),
  "global pool": (m, x) => (typeOf(x.value).shape.length < 3 ? null : m.quantize(m.node("GlobalAveragePool", [x.value]), "global pool")),
  mean: (m, x) => {
    const rank = typeOf(x.value).shape.length;
    const first = Math.floor(m.random() * rank);
    const axes = Array.from({ length: 1 + Math.floor(m.random() * (rank - first)) }, (_, i) => first + i);
    if (axes.length === rank) return null;
    return m.quantize(m.node("ReduceMean", [x.value, m.integers(...axes)], { keepdims: 1 }), "mean");
  },
  concat: (m, x) => {
    const { shape } = typeOf(x.value);
    const axis = Math.floor(m.random() * shape.length);
    const other = m.partner(shape);
    // All ends of a Concat have the same parameters: the other operand is quantized anew.
    const same = m.quantize(other.value, "requantize", x.parameters);
    return m.quantize(m.node("Concat", m.chance(0.5) ? [x.value, same.value] : [same.value, x.value], { axis }), "concat", x.parameters);
  },
  "resize nearest": (m, x) => resize(m, x, "nearest"),
  "resize linear": (m, x) => resize(m, x, "linear"),
  table: (m, x) => {
    const op = m.pick(["Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Erf", "eqm:Silu", "Abs", "Neg", "Relu"]);
    return m.quantize(m.node(op, [x.value]), "table");
  },
  softmax: (m, x) =>
    m.quantize(m.node("Softmax", [x.value], { axis: m.pick([-1, typeOf(x.value).shape.length - 2].filter((a) => a !== 0)) }), "softmax"),
  movement: (m, x) => {
    const { shape } = typeOf(x.value);
    const rank = shape.length;
    const kind = m.pick(["Transpose", "Slice", "Pad", "Unsqueeze", "Tile"]);
    const y =
      kind === "Transpose"
        ? m.node(kind, [x.value], { perm: shape.map((_, i) => (i === 0 ? 0 : rank - i)) })
        : kind === "Slice"
          ? m.node(kind, [x.value, m.integers(0), m.integers(Math.max(1, shape[rank - 1]! - 1)), m.integers(rank - 1)])
          : kind === "Pad"
            ? m.node(kind, [
                x.value,
                m.integers(...shape.map((_, i) => (i === rank - 1 ? 1 : 0)), ...shape.map(() => 1)),
                m.scalar(m.pick([0, x.parameters.scale / 2, 1.3])),
              ])
            : kind === "Unsqueeze"
              ? m.node("Squeeze", [m.node(kind, [x.value, m.integers(0)]), m.integers(0)])
              : m.node(kind, [x.value, m.integers(...shape.map((_, i) => (i === 0 ? 2 : 1)))]);
    return elementCount(typeOf(y).shape) > 4000 ? null : m.quantize(y, "movement", x.parameters);
  },
  flatten: (m, x) => {
    const { shape } = typeOf(x.value);
    if (shape.length < 3) return null;
    return m.quantize(m.node("Flatten", [x.value]), "flatten", x.parameters, true);
  },
} as const satisfies Readonly<Record<string, Layer>>;

function binary(op: string): Layer {
  return (m, x) => {
    const { shape } = typeOf(x.value);
    const other = m.pick([shape, shape.map((d, i) => (i === 1 ? d : 1)), shape.slice(-1), [], shape.map((d) => (m.chance(0.5) ? d : 1))]);
    const operand = m.chance(0.5) || op === "Div" || op === "PRelu" ? m.constantOperand(other) : m.partner(other).value;
    const y = op === "PRelu" || op === "Div" || m.chance(0.5) ? m.node(op, [x.value, operand]) : m.node(op, [operand, x.value]);
    // Division by a quantized zero: nothing that a range could hold.
    if (op === "Div" && !(m.tensor(y).data as Float32Array).every(Number.isFinite)) return null;
    return m.quantize(m.chance(0.3) && op !== "PRelu" ? m.clamp(y) : y, op.toLowerCase());
  };
}

function pool(m: Maker, x: Quantized, op: "MaxPool" | "AveragePool"): Quantized | null {
  const spatial = typeOf(x.value).shape.slice(2);
  if (spatial.length < 1) return null;
  const kernel = spatial.map(() => m.pick([1, 2, 3]));
  const pads = [...kernel.map((k) => m.pick([0, k - 1])), ...kernel.map((k) => m.pick([0, k - 1]))];
  if (spatial.some((d, i) => d + pads[i]! + pads[spatial.length + i]! < kernel[i]!)) return null;
  const attributes = { kernel_shape: kernel, strides: spatial.map(() => m.pick([1, 2])), pads };
  const extra: Readonly<Record<string, number>> = op === "AveragePool" ? { count_include_pad: m.pick([0, 1]), ceil_mode: 0 } : {};
  const y = m.node(op, [x.value], { ...attributes, ...extra });
  return m.quantize(y, op === "MaxPool" ? "max pool" : "average pool", op === "MaxPool" ? x.parameters : undefined);
}

function resize(m: Maker, x: Quantized, mode: string): Quantized | null {
  const { shape } = typeOf(x.value);
  if (shape.length < 3) return null;
  const scales = m.constant({
    dtype: "float32",
    shape: [shape.length],
    data: Float32Array.from(shape, (_, i) => (i < 2 ? 1 : m.pick([1, 2, 1.5]))),
  });
  const coordinate_transformation_mode = m.pick(
    mode === "nearest" ? ["asymmetric", "half_pixel"] : ["asymmetric", "half_pixel", "align_corners"],
  );
  const y = m.node("Resize", [x.value, null, scales], {
    mode,
    coordinate_transformation_mode,
    ...(mode === "nearest" && { nearest_mode: "floor" }),
  });
  return elementCount(typeOf(y).shape) > 6000 ? null : m.quantize(y, `resize ${mode}`, x.parameters);
}

/** The names of all families. */
export const FAMILY_NAMES = Object.keys(FAMILIES) as readonly Family[];

/** A graph of `layers` layers; the last that fits is of `family`, the ones before of any. Null where none fits. */
export function randomInt8Graph(seed: number, family: Family, { isDyadic, layers }: Options): Int8Graph | null {
  const m = new Maker(seed, isDyadic);
  const channels = m.pick([1, 2, 4, 6, 16]);
  const batch = m.pick([1, 1, 2]);
  const shape = m.pick([
    [batch, channels, m.pick([4, 7, 9]), m.pick([5, 8])],
    [batch, channels, m.pick([4, 7, 9]), m.pick([5, 8])],
    [batch, channels, m.pick([9, 16])],
    [m.pick([1, 3]), m.pick([4, 33])],
  ]);
  let x = m.input(family === "gemm" && shape.length !== 2 ? [m.pick([1, 3]), m.pick([4, 33])] : shape);
  for (let i = 1; i < layers; i++) {
    const next = x.isReordered ? FAMILIES.gemm(m, x) : FAMILIES[m.pick(FAMILY_NAMES)](m, x);
    if (next && elementCount(next.tensor.shape) > 0) x = next;
  }
  const last = x.isReordered ? FAMILIES.gemm(m, x) : FAMILIES[family](m, x);
  if (!last) return null;
  const end = last.isReordered ? FAMILIES.gemm(m, last)! : last;
  m.graph.setOutputs([end.value]);
  return { graph: m.graph, inputs: m.inputs, families: m.families, reordered: m.reordered };
}
