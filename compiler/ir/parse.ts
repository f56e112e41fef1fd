/**
 * Reads the text form of text.ts back into a graph, for goldens: graph in, graph out.
 *
 * The text leaves out two things. Nodes are named after their first output, and come from an ONNX node of that name. Large
 * constants stand there as name and type only; `fill` makes their elements, once per name, so that a name used twice is a
 * shared constant. Blank lines and lines that begin with # are skipped.
 */
import { DTYPES, type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { type Attribute, Graph, type Value, type ValueType } from "./graph.ts";

/** Makes the elements of a constant of which the text says only name and type. */
export type Fill = (name: string, type: ValueType) => Tensor;

/**
 * The graph that `text` describes, types included where it gives them. Without `fill` a large constant is an error.
 * Errors: `Error` with the line's number, for this is no input that users write.
 */
export function parseGraph(text: string, fill: Fill = noFill): Graph {
  const graph = new Graph("text");
  const reader = new Reader(graph, fill);
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    reader.begin(line, i + 1);
    reader.line();
  });
  if (graph.outputs.length === 0) throw new Error("the text has no line of outputs");
  return graph;
}

function noFill(name: string): Tensor {
  throw new Error(`the elements of ${name} are not in the text`);
}

const NAME = /[^\s,()<>]+/y;
const TYPE = new RegExp(`(${DTYPES.join("|")})\\[([\\d,]*)\\]`, "y");
const NUMBER = /NaN|-?Infinity|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;

class Reader {
  private readonly graph: Graph;
  private readonly fill: Fill;
  private readonly values = new Map<string, Value>();
  private readonly filled = new Map<string, Value>();
  private text = "";
  private at = 0;
  private number = 0;

  constructor(graph: Graph, fill: Fill) {
    this.graph = graph;
    this.fill = fill;
  }

  begin(text: string, number: number): void {
    this.text = text;
    this.at = 0;
    this.number = number;
  }

  line(): void {
    if (this.take("input ")) this.input();
    else if (this.take("output ")) this.outputs();
    else this.node();
    if (this.text.slice(this.at).trim() !== "") throw this.problem("the line goes on");
  }

  private input(): void {
    const name = this.match(NAME, "a name")[0];
    this.expect(" ");
    const type = this.type();
    if (!type) throw this.problem("an input needs a type");
    this.values.set(name, this.graph.addInput(name, type));
  }

  private outputs(): void {
    const outputs: Value[] = [];
    const names: string[] = [];
    do {
      const value = this.operand();
      if (!value) throw this.problem("an output cannot be omitted");
      outputs.push(value);
      names.push(this.take(" as ") ? this.match(NAME, "a name")[0] : value.name);
    } while (this.take(", "));
    this.graph.setOutputs(outputs, names);
  }

  private node(): void {
    const outputs: { readonly name: string; readonly type: ValueType | null }[] = [];
    do {
      this.expect("%");
      const name = this.match(NAME, "a name")[0];
      this.expect(" ");
      outputs.push({ name, type: this.type() });
    } while (this.take(", "));
    this.expect(" = ");
    const op = this.match(NAME, "an operator")[0];
    this.expect("(");
    const inputs: (Value | null)[] = [];
    if (!this.take(")")) {
      do inputs.push(this.operand());
      while (this.take(", "));
      this.expect(")");
    }
    const attributes: Record<string, Attribute> = {};
    let channelsLast = false;
    while (this.take(" ")) {
      if (this.take("channelsLast")) {
        channelsLast = true;
        continue;
      }
      const key = this.match(/\w+(?==)/y, "an attribute")[0];
      this.expect("=");
      attributes[key] = this.attribute();
    }
    const name = outputs[0]!.name;
    const node = this.graph.add({ op, name, inputs, attributes, sources: [name], channelsLast, outputs });
    outputs.forEach((output, i) => {
      const value = node.outputs[i]!;
      if (value.name !== output.name) throw this.problem(`two values are named ${output.name}`);
      this.values.set(output.name, value);
    });
  }

  private operand(): Value | null {
    if (this.take("_")) return null;
    if (this.take("%")) {
      const name = this.match(NAME, "a name")[0];
      const value = this.values.get(name);
      if (!value) throw this.problem(`%${name} is not defined above`);
      return value;
    }
    if (!this.take("<")) return this.graph.addConstant("constant", this.tensor());
    const name = this.match(NAME, "a name")[0];
    this.expect(" ");
    const type = this.type();
    this.expect(">");
    if (!type) throw this.problem("a constant needs a type");
    let value = this.filled.get(name);
    if (!value) {
      value = this.graph.addConstant(name, this.fill(name, type));
      this.filled.set(name, value);
    }
    return value;
  }

  private attribute(): Attribute {
    if (this.text[this.at] === "{") return this.tensor();
    if (this.text[this.at] === '"') return this.string();
    if (!this.take("[")) return Number(this.match(NUMBER, "a value")[0]);
    if (this.take("]")) return [];
    const items: (number | string)[] = [];
    do items.push(this.text[this.at] === '"' ? this.string() : Number(this.match(NUMBER, "a value")[0]));
    while (this.take(","));
    this.expect("]");
    return items as readonly number[] | readonly string[];
  }

  private string(): string {
    return JSON.parse(this.match(STRING, "a string")[0]) as string;
  }

  private tensor(): Tensor {
    this.expect("{");
    const items: string[] = [];
    if (!this.take("}")) {
      do items.push(this.match(NUMBER, "a number")[0]);
      while (this.take(","));
      this.expect("}");
    }
    const type = this.type();
    if (!type) throw this.problem("a constant needs a type");
    const { dtype, shape } = type;
    if (elementCount(shape) !== items.length) throw this.problem(`${items.length} elements for ${dtype}[${shape}]`);
    if (dtype === "int64") return { dtype, shape, data: BigInt64Array.from(items, BigInt) };
    const data = newArray(dtype, items.length);
    data.set(items.map(Number));
    return { dtype, shape, data };
  }

  /** Null for `?`. */
  private type(): ValueType | null {
    if (this.take("?")) return null;
    const [, dtype, dims] = this.match(TYPE, "a type");
    return { dtype: dtype as DType, shape: dims === "" ? [] : dims!.split(",").map(Number) };
  }

  private take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  private expect(literal: string): void {
    if (!this.take(literal)) throw this.problem(`expected "${literal}"`);
  }

  private match(pattern: RegExp, what: string): RegExpExecArray {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) throw this.problem(`expected ${what}`);
    this.at = pattern.lastIndex;
    return found;
  }

  private problem(what: string): Error {
    return new Error(`line ${this.number}, column ${this.at + 1}: ${what}: ${this.text}`);
  }
}
