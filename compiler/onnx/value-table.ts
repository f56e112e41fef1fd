/** The values of a model by their names: inputs, constants and outputs of nodes, each with the element type that the model gave it. */
import type { Graph, Value } from "../ir/graph.ts";
import { type ReadConstant, readInitializer } from "./constants.ts";
import type { ExternalData } from "./external-location.ts";
import type { Message } from "./fields.ts";

/** ONNX's element types that the graph represents by another. */
export const CONVERTED_TYPES: ReadonlySet<string> = new Set([
  "FLOAT16",
  "BFLOAT16",
  "DOUBLE",
  "INT16",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT4",
  "UINT4",
]);

/** A value of the graph, or why there is none; `reported` says that the reason is in the list of problems already. */
export type KnownValue = { readonly value: Value; readonly type: string | null } | { readonly refused: string; readonly reported: boolean };

/** Values by name. Initializers enter the graph when they are first asked for. */
export class ValueTable {
  private readonly graph: Graph;
  private readonly externalData: ExternalData | undefined;
  private readonly initializers: Map<string, Message<"TensorProto">>;
  private readonly sparse: ReadonlySet<string>;
  private readonly known = new Map<string, KnownValue>();
  private readonly typeNames = new Map<Value, string>();
  private readonly fileNames: ReadonlySet<string>;
  private readonly prefixes = new Set<string>();

  constructor(proto: Message<"GraphProto">, graph: Graph, externalData: ExternalData | undefined) {
    this.graph = graph;
    this.externalData = externalData;
    this.initializers = new Map(proto.initializer.map((tensor) => [tensor.name!, tensor]));
    this.sparse = new Set(proto.sparseInitializer.map(({ values }) => values!.name!));
    this.fileNames = new Set([
      ...this.initializers.keys(),
      ...this.sparse,
      ...proto.input.map(({ name }) => name!),
      ...proto.node.flatMap(({ output }) => output),
    ]);
  }

  /** Whether the model itself gives the value, also where it stands among the inputs. */
  isInitializer(name: string): boolean {
    return this.initializers.has(name) || this.sparse.has(name);
  }

  /** Adds the initializers of a subgraph, under names of their own. */
  addInitializers(tensors: readonly Message<"TensorProto">[]): void {
    for (const tensor of tensors) this.initializers.set(tensor.name!, tensor);
  }

  /** A name that no name of the file begins with. */
  freshPrefix(base: string): string {
    const isTaken = (prefix: string): boolean => [...this.fileNames].some((name) => name.startsWith(`${prefix}/`));
    let prefix = base;
    for (let i = 1; this.prefixes.has(prefix) || isTaken(prefix); i++) prefix = `${base}.${i}`;
    this.prefixes.add(prefix);
    return prefix;
  }

  /** The value of a name; `order.ts` has checked that it exists and comes before its readers. */
  get(name: string): KnownValue {
    const known = this.known.get(name);
    if (known) return known;
    if (this.sparse.has(name)) return this.set(name, { refused: "a sparse tensor", reported: false });
    const initializer = this.initializers.get(name);
    if (!initializer) throw new Error(`unreachable: ${name} is read before it is produced`);
    return this.setConstant(name, readInitializer(initializer, this.externalData));
  }

  /** Records what a name stands for. */
  set(name: string, value: KnownValue): KnownValue {
    this.known.set(name, value);
    if ("value" in value && value.type !== null) this.typeNames.set(value.value, value.type);
    return value;
  }

  /** Adds a constant of the model to the graph. */
  setConstant(name: string, constant: ReadConstant): KnownValue {
    if ("refused" in constant) return this.set(name, { refused: constant.refused, reported: false });
    return this.set(name, { value: this.graph.addConstant(name, constant.tensor), type: constant.type });
  }

  /** The element type that the model gave an input or constant, "UINT16"; null for other values. */
  typeNameOf(value: Value): string | null {
    return this.typeNames.get(value) ?? null;
  }

  /** A name for a value that the model does not have: no name of the file is taken. */
  freshName(base: string): string {
    let name = base;
    for (let i = 1; this.fileNames.has(name); i++) name = `${base}.${i}`;
    return this.graph.uniqueName(name);
  }

  /** Names of inputs and constants whose element type the graph represents by another, with that type. */
  convertedTypes(): Readonly<Record<string, string>> {
    const converted = Object.create(null) as Record<string, string>;
    for (const [name, known] of this.known) {
      if ("refused" in known || known.type === null) continue;
      if (CONVERTED_TYPES.has(known.type)) converted[name] = known.type;
    }
    return converted;
  }
}
