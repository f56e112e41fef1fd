/**
 * Carries a model's quantization, and the weights that pruning and rounding chose, over to the same model for other sizes of its dynamic dimensions:
 * a three-way merge by the names of values.
 *
 *   base ── changed ────▶ ours        what pruning and quantizing did to a node's operands, and nothing else
 *    │
 *    └───── other sizes ──▶ theirs    what the sizes did: shapes, folded shape arithmetic, moves that are no-ops in one of the two
 *
 * An activation that ours reads through QuantizeLinear and DequantizeLinear is read so here, with the same scale and zero point; a constant that ours
 * changed is ours, one that the sizes changed is theirs. Nothing is guessed: where both changed, or a node that computes is in one of them only, it is an error.
 */
import { newArray, type Tensor } from "../../host/tensor.ts";
import { CompileError } from "../errors.ts";
import type { Attribute, Graph, Node, Value } from "../ir/graph.ts";
import { onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { roundHalfEven } from "../lower/rescale.ts";
import { inferShapes } from "../passes/infer-shapes.ts";
import { keepsParameters } from "./scope.ts";

/** The two forms of the model that the merge starts from. */
export interface Origin {
  /** Float32, as it was before `changed` was made of it. */
  readonly base: Graph;
  /** Pruned, quantized. */
  readonly changed: Graph;
}

/**
 * Quantizes `theirs`, a float32 graph of the same model for other sizes (the caller's last use of it unquantized), as `changed` is, with its weights. `sizes`
 * name both, for errors. Throws CompileError `structure-differs`.
 */
export function transplantQuantization({ base, changed }: Origin, theirs: Graph, sizes: string): void {
  const merge = new Merge(base, changed, theirs, sizes);
  for (const node of [...theirs.nodes]) merge.node(node);
  merge.outputs();
  // Pruning may have taken channels out.
  inferShapes(theirs);
}

class Merge {
  private readonly base: ReadonlyMap<string, Node>;
  private readonly ours: ReadonlyMap<string, Node>;
  private readonly quantized: Graph;
  private readonly graph: Graph;
  private readonly sizes: string;
  /** The DequantizeLinear that ours put behind a value, by the value's name. */
  private readonly forms: ReadonlyMap<string, Node>;
  /** Dequantized values made here, by what they are made from. */
  private readonly made = new Map<string, Value>();

  constructor(base: Graph, quantized: Graph, graph: Graph, sizes: string) {
    this.base = byOutput(base);
    this.ours = byOutput(quantized);
    this.quantized = quantized;
    this.graph = graph;
    this.sizes = sizes;
    const forms = new Map<string, Node>();
    for (const node of quantized.nodes) {
      const value = this.activationOf(node);
      if (value) forms.set(value.name, node);
    }
    this.forms = forms;
  }

  node(node: Node): void {
    const key = node.outputs[0]!.name;
    const base = this.base.get(key);
    const ours = this.ours.get(key);
    if (!base && !ours) return this.moved(node);
    if (!base || !ours) throw this.differs(node, "quantizing changed what it computes");
    for (const other of [base, ours])
      if (other.op !== node.op || other.inputs.length !== node.inputs.length)
        throw this.differs(node, `it is ${other.op} "${other.name}" there`);
    this.attributes(node, base, ours);
    for (const i of node.inputs.keys()) this.operand(node, i, base.inputs[i] ?? null, ours.inputs[i] ?? null);
  }

  /** A node for these sizes alone. It may move elements: they stay in the form that ours has them in. */
  private moved(node: Node): void {
    if (!keepsParameters(node)) throw this.differs(node, "it is not there");
    const form = this.forms.get(node.inputs[0]?.name ?? "");
    if (form) this.graph.setInput(node, 0, this.dequantized(requiredInput(node, 0), form, node));
  }

  private attributes(node: Node, base: Node, ours: Node): void {
    const changed: Record<string, Attribute | undefined> = {};
    for (const name of new Set([...Object.keys(base.attributes), ...Object.keys(ours.attributes)])) {
      if (isSame(ours.attributes[name], base.attributes[name])) continue;
      if (!isSame(node.attributes[name], base.attributes[name])) throw this.differs(node, `its ${name} differs, and quantizing changed it`);
      changed[name] = ours.attributes[name];
    }
    this.graph.setAttributes(node, changed);
  }

  private operand(node: Node, index: number, base: Value | null, ours: Value | null): void {
    const value = node.inputs[index] ?? null;
    if (!value || !ours || !base) {
      if (value || ours || base) throw this.differs(node, `operand ${index} is left out in one of them`);
      return;
    }
    const form = ours.producer && this.isOurs(ours.producer) ? ours.producer : null;
    if (form && this.activationOf(form)) return this.graph.setInput(node, index, this.dequantized(value, form, node));
    if (form?.inputs[0]?.constant) return this.graph.setInput(node, index, this.constant(node, index, value, base, form));
    if (form) throw this.differs(node, "quantizing put another node before it");
    if (!ours.constant || (base.constant && isSame(ours.constant, base.constant))) return;
    if (!value.constant || !base.constant || !isSame(value.constant, base.constant))
      throw this.differs(node, `operand ${index} differs, and quantizing changed it`);
    this.graph.setInput(node, index, this.graph.addConstant(ours.name, ours.constant));
  }

  /** A node that quantizing added. */
  private isOurs(node: Node): boolean {
    return !this.base.has(node.outputs[0]!.name);
  }

  /** What a QuantizeLinear and DequantizeLinear of ours, of which `node` is the latter, stand behind. */
  private activationOf(node: Node): Value | null {
    const quantize = node.op === "DequantizeLinear" && this.isOurs(node) ? requiredInput(node, 0).producer : null;
    return quantize?.op === "QuantizeLinear" && this.isOurs(quantize) ? requiredInput(quantize, 0) : null;
  }

  /** `value` behind a QuantizeLinear and a DequantizeLinear with the parameters of `form`, placed before `reader`; one for all that read it so. */
  private dequantized(value: Value, form: Node, reader: Node | undefined): Value {
    const quantize = requiredInput(form, 0).producer!;
    const [scale, zero] = [requiredInput(form, 1), form.inputs[2] ?? null];
    const key = `${value.name}\n${scale.constant!.data}\n${zero?.constant?.data}`;
    const known = this.made.get(key);
    if (known) return known;
    const parameters = [scale, ...(zero ? [zero] : [])].map((parameter) => this.graph.addConstant(parameter.name, parameter.constant!));
    const { shape } = typeOf(value);
    const sources = value.producer?.sources ?? [];
    const quantized = this.graph.add(
      {
        op: "QuantizeLinear",
        name: `${value.name}.Q`,
        inputs: [value, ...parameters],
        attributes: quantize.attributes,
        sources,
        outputs: [{ name: `${value.name}.quantized`, type: { dtype: typeOf(onlyOutput(quantize)).dtype, shape } }],
      },
      reader,
    );
    const result = onlyOutput(
      this.graph.add(
        {
          op: "DequantizeLinear",
          name: `${value.name}.DQ`,
          inputs: [onlyOutput(quantized), ...parameters],
          attributes: form.attributes,
          sources,
          outputs: [{ name: `${value.name}.dequantized`, type: { dtype: "float32", shape } }],
        },
        reader,
      ),
    );
    this.made.set(key, result);
    return result;
  }

  /** A constant operand as ours has it quantized, or, where the sizes decide what it holds, theirs with the same scale and zero point. */
  private constant(node: Node, index: number, value: Value, base: Value, form: Node): Value {
    if (!value.constant || !base.constant) throw this.differs(node, `operand ${index} is constant in one of them`);
    const same = isSame(value.constant, base.constant);
    const key = `${onlyOutput(form).name}\n${same ? "" : value.name}`;
    const known = this.made.get(key);
    if (known) return known;
    const [stored, scale, zero] = form.inputs.map((operand) => operand?.constant ?? null);
    const tensor = same ? stored! : quantizedLike(value.constant, stored!, scale!, zero ?? null);
    if (!tensor) throw this.differs(node, `operand ${index} holds other weights`);
    const constants = [tensor, scale!, ...(zero ? [zero] : [])].map((operand, i) => this.graph.addConstant(form.inputs[i]!.name, operand));
    const result = onlyOutput(
      this.graph.add(
        {
          op: "DequantizeLinear",
          name: form.name,
          inputs: constants,
          attributes: form.attributes,
          sources: form.sources,
          outputs: [{ name: onlyOutput(form).name, type: { dtype: "float32", shape: tensor.shape } }],
        },
        node,
      ),
    );
    this.made.set(key, result);
    return result;
  }

  /** Outputs that ours dequantizes are dequantized. */
  outputs(): void {
    const { outputs, outputNames } = this.graph;
    const next = outputs.map((value, i) => {
      const form = this.quantized.outputs[i]?.producer;
      return form && this.activationOf(form) ? this.dequantized(value, form, undefined) : value;
    });
    this.graph.setOutputs(next, outputNames);
  }

  private differs(node: Node, how: string): CompileError {
    const name = node.sources[0] ?? node.name;
    return new CompileError(
      "structure-differs",
      `The plans of ${this.sizes} differ at ${node.op} "${name}": ${how}. Give the larger sizes first, or compile them to files of their own, or in float32.`,
      { node: name, op: node.op, sizes: this.sizes },
    );
  }
}

/** Values are named uniquely: a node is known by its first. */
function byOutput(graph: Graph): ReadonlyMap<string, Node> {
  return new Map(graph.nodes.map((node) => [node.outputs[0]!.name, node]));
}

/** A float32 operand in int8 with one scale for all, as `stored` is; null where `stored` is of another form. */
function quantizedLike(values: Tensor, stored: Tensor, scale: Tensor, zero: Tensor | null): Tensor | null {
  if (values.dtype !== "float32" || stored.dtype !== "int8" || scale.data.length !== 1 || (zero && zero.data.length !== 1)) return null;
  const [unit, offset] = [Number(scale.data[0]), Number(zero?.data[0] ?? 0)];
  const data = newArray("int8", values.data.length);
  for (let i = 0; i < data.length; i++)
    data[i] = Math.max(-128, Math.min(127, roundHalfEven(Math.fround((values.data as Float32Array)[i]! / unit)) + offset));
  return { dtype: "int8", shape: values.shape, data };
}

function isSame(a: Attribute | undefined, b: Attribute | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || typeof a !== "object" || typeof b !== "object") return false;
  if ("data" in a && "data" in b) return a.dtype === b.dtype && isSameList(a.shape, b.shape) && isSameData(a.data, b.data);
  return !("data" in a) && !("data" in b) && isSameList(a, b);
}

function isSameData(a: Tensor["data"], b: Tensor["data"]): boolean {
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length) return true;
  return isSameList(a as ArrayLike<unknown>, b as ArrayLike<unknown>);
}

function isSameList(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
