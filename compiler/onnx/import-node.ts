/** One node of a model into the graph: its name, operands and attributes, brought to the newest form. */

import { dtypeBytes, elementCount } from "../../host/tensor.ts";
import type { Unsupported } from "../errors.ts";
import type { Attribute, Graph, Node, Value, ValueType } from "../ir/graph.ts";
import { evaluateNode } from "../ops/index.ts";
import { readAttributes } from "./attributes.ts";
import { readConstantNode } from "./constants.ts";
import { CONTROL_FLOW, importControlFlow } from "./control-flow.ts";
import type { ExternalData } from "./external-location.ts";
import { isDefaultDomain, operatorName } from "./model.ts";
import { replaceTypes } from "./normalise/casts.ts";
import { type Draft, Refusal, type Rewriting } from "./normalise/draft.ts";
import { normalise } from "./normalise/normalise.ts";
import { checkForm, requiredOutputs, signature } from "./operators.ts";
import type { PlacedNode } from "./order.ts";
import { CONVERTED_TYPES, type ValueTable } from "./value-table.ts";

/** What importing a node needs to know and may add to. */
export interface NodeContext {
  readonly graph: Graph;
  readonly values: ValueTable;
  /** Names that a node reads or that are outputs. */
  readonly used: ReadonlySet<string>;
  readonly opset: number;
  /** Opsets of nodes that come from a function with another one. */
  readonly opsets: ReadonlyMap<PlacedNode["proto"], number>;
  readonly supports: (op: string) => boolean;
  /** Types of a node's outputs, or null where they do not follow without folding constants. */
  readonly infer: (node: Node) => readonly ValueType[] | null;
  /** Whether what is known is computed at once: control flow asks for it. */
  readonly folds: boolean;
  readonly problems: Unsupported[];
  readonly notes: Set<string>;
  /** All names that the model gives to nodes, and those taken so far. */
  readonly nodeNames: ReadonlySet<string>;
  readonly takenNodeNames: Set<string>;
  readonly externalData: ExternalData | undefined;
}

/** Adds a node to the graph, or what is wrong with it to the problems. */
export function importNode({ proto, index }: PlacedNode, context: NodeContext): void {
  const op = operatorName(proto);
  const name = nodeName(proto.name ?? "", proto.opType ?? "", index, context);
  const outputs = proto.output.map((output) => (output !== "" && context.used.has(output) ? output : ""));
  try {
    if (op === "Constant") {
      const [output] = outputs;
      if (output) context.values.setConstant(output, readConstantNode(proto.attribute, `Constant "${name}"`, context.externalData));
      return;
    }
    if (CONTROL_FLOW.has(op)) {
      importControlFlow(proto, name, context, importNode);
      return;
    }
    refuseUnknown(op, proto.domain, context);
    const { attributes, refused } = readAttributes(proto.attribute, `${op} "${name}"`, context.externalData);
    if (refused.length > 0) throw new Refusal([...new Set(refused)].join("; "));
    const inputs = proto.input.slice(0, lastGiven(proto.input) + 1).map((input) => operand(input, context));
    addNode({ op, name, inputs, attributes, outputs }, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.message !== "") context.problems.push({ node: name, op, reason: error.message });
    for (const output of outputs) if (output !== "") context.values.set(output, { refused: "", reported: true });
  }
}

/** The node's name, or `Conv_12` where it has none; a second node of the same name gets a number. */
function nodeName(given: string, opType: string, index: number, { nodeNames, takenNodeNames }: NodeContext): string {
  const base = given || `${opType}_${index}`;
  let name = base;
  for (let i = 1; takenNodeNames.has(name) || (name !== given && nodeNames.has(name)); i++) name = `${base}.${i}`;
  takenNodeNames.add(name);
  return name;
}

function refuseUnknown(op: string, domain: string | undefined, { supports, opset }: NodeContext): void {
  if (!isDefaultDomain(domain)) {
    if (!supports(op)) throw new Refusal("operators of this domain are not supported");
  } else if (!supports(op) && signature(op)) {
    throw new Refusal("the operator is not supported");
  } else if (!signature(op) && !BEFORE_NORMALISING.has(op)) {
    throw new Refusal(`ONNX has no such operator in opset ${opset}`);
  }
}

/** Operators that the newest opset does not have; normalise/ turns them into others. */
const BEFORE_NORMALISING: ReadonlySet<string> = new Set(["Upsample", "Scatter"]);

/** Index of the last input that is not left out. */
function lastGiven(names: readonly string[]): number {
  let last = names.length - 1;
  while (last >= 0 && names[last] === "") last--;
  return last;
}

function operand(name: string, { values }: NodeContext): Value | null {
  if (name === "") return null;
  const known = values.get(name);
  if (!("refused" in known)) return known.value;
  // What feeds it has been reported; saying so again for each reader would bury the cause.
  throw new Refusal(known.reported ? "" : `its input "${name}" is ${known.refused}`);
}

function addNode(read: Draft, context: NodeContext): void {
  const { graph, values } = context;
  refuseWidened(read, context);
  const rewriting = rewritingOf(read, context);
  const normal = normalise(read, rewriting);
  const draft = replaceTypes(normal, (type) => context.notes.add(`${type} is computed as float32.`));
  if (draft.op !== read.op && !context.supports(draft.op)) throw new Refusal(`it is computed by ${draft.op}, which is not supported`);
  const kept = droppedOutputs(draft);
  checkForm({ ...draft, outputs: kept });
  const node = graph.add({
    op: draft.op,
    name: draft.name,
    inputs: draft.inputs,
    attributes: draft.attributes,
    sources: [read.name],
    outputs: kept.map((output, i) => ({ name: output || values.freshName(`${draft.name}/output.${i}`) })),
  });
  settled(node, context).forEach((value, i) => {
    if (kept[i]) values.set(kept[i], { value, type: null });
  });
}

/** Outputs without those at the end that are optional and that nobody reads. */
function droppedOutputs({ op, outputs }: Draft): readonly string[] {
  let count = outputs.length;
  while (count > requiredOutputs(op) && outputs[count - 1] === "") count--;
  return outputs.slice(0, count);
}

function rewritingOf(read: Draft, context: NodeContext): Rewriting {
  const { graph, values, opset, supports } = context;
  return {
    opset,
    typeOf: (value) => value.type,
    constant: (role, tensor) => graph.addConstant(values.freshName(`${read.name}/${role}`), tensor),
    before: (op, role, inputs, attributes = {}) => {
      if (!supports(op)) throw new Refusal(`its form of opset ${opset} needs ${op}, which is not supported`);
      const name = `${read.name}/${role}`;
      const node = graph.add({ op, name, inputs, attributes, sources: [read.name], outputs: [{ name: values.freshName(name) }] });
      return settled(node, context)[0]!;
    },
  };
}

/** Inputs whose exact element type decides the result: where it is represented by a wider one, the node is refused. */
const EXACT_INPUTS: Readonly<Record<string, readonly number[]>> = {
  QuantizeLinear: [2],
  QLinearConv: [7],
  QLinearMatMul: [7],
  CastLike: [1],
  BitCast: [0],
  BitShift: [0, 1],
  BitwiseNot: [0],
};

function refuseWidened({ op, inputs }: Draft, { values }: NodeContext): void {
  if (!Object.hasOwn(EXACT_INPUTS, op)) return;
  for (const index of EXACT_INPUTS[op]!) {
    const input = inputs[index];
    const type = input ? values.typeNameOf(input) : null;
    // A cast to floats of another width is one to float32, as Cast has it.
    if (op === "CastLike" && input?.type?.dtype === "float32") continue;
    if (type !== null && CONVERTED_TYPES.has(type))
      throw new Refusal(`its input "${input!.name}" is ${type}, whose range eqm does not keep to`);
  }
}

/** Adds a node in the newest form and gives its only output. */
export function emit(
  context: NodeContext,
  owner: string,
  op: string,
  inputs: readonly (Value | null)[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Value {
  const name = context.values.freshName(`${owner}/${op}`);
  const node = context.graph.add({ op, name, inputs, attributes, sources: [owner], outputs: [{ name }] });
  return settled(node, context)[0]!;
}

/** Results up to this size are folded while reading. */
const FOLDED_BYTES = 2 ** 16;

/** The node's outputs with their types where they follow already; constants where everything is known and control flow may ask for it. */
function settled(node: Node, context: NodeContext): readonly Value[] {
  inferEarly(node, context);
  const { graph, values, folds } = context;
  const isKnown = node.op === "Shape" || node.op === "Size" || node.inputs.every((value) => value === null || value.constant !== null);
  if (!folds || !isKnown || node.outputs.some(({ type }) => !type || elementCount(type.shape) * dtypeBytes(type.dtype) > FOLDED_BYTES))
    return node.outputs;
  if (node.inputs.some((value) => value && !value.type)) return node.outputs;
  const results = evaluateNode(
    node,
    node.inputs.map((value) => value && (value.constant ?? { ...value.type!, data: new Float32Array(0) })),
  );
  graph.remove(node);
  return results.map((tensor) => graph.addConstant(values.freshName(node.name), tensor));
}

/** Sets the types of the node's outputs where they follow already: the rules of old opsets ask for them. */
function inferEarly(node: Node, { graph, infer }: NodeContext): void {
  if (node.inputs.some((value) => value && !value.type)) return;
  infer(node)?.forEach((type, i) => {
    graph.setType(node.outputs[i]!, type);
  });
}
