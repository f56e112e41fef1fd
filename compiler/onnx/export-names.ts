/** Names in an exported file: outputs keep the names that the model's users know, every other name is unique. */
import type { Graph, Value } from "../ir/graph.ts";

/** An output that is a copy of another value. */
export interface Copy {
  readonly from: Value;
  readonly to: string;
}

/** Names of a graph's values and nodes. */
export class ExportNames {
  /** Outputs that need an Identity: an input or constant, or a value that is an output twice. */
  readonly copies: readonly Copy[];
  private readonly names = new Map<Value, string>();
  private readonly values: Set<string>;
  private readonly nodes = new Set<string>();

  constructor(graph: Graph) {
    const inputs = new Set(graph.inputs.map(({ name }) => name));
    this.values = new Set([...inputs, ...graph.outputNames]);
    for (const input of graph.inputs) this.names.set(input, input.name);
    const copies: Copy[] = [];
    graph.outputs.forEach((value, i) => {
      const name = graph.outputNames[i]!;
      if (value.name === name && !this.names.has(value)) this.names.set(value, name);
      else if (value.producer && !this.names.has(value)) this.names.set(value, name);
      else if (this.names.get(value) !== name) copies.push({ from: value, to: name });
    });
    this.copies = copies;
  }

  /** The name of a value. */
  of(value: Value): string {
    const known = this.names.get(value);
    if (known !== undefined) return known;
    const name = this.freshValue(value.name);
    this.names.set(value, name);
    return name;
  }

  /** A name that no value has: `base`, or `base.1`, …. */
  freshValue(base: string): string {
    return fresh(base, this.values);
  }

  /** A name that no node has. */
  freshNode(base: string): string {
    return fresh(base, this.nodes);
  }
}

function fresh(base: string, taken: Set<string>): string {
  let name = base;
  for (let i = 1; taken.has(name); i++) name = `${base}.${i}`;
  taken.add(name);
  return name;
}
