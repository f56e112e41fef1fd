/**
 * Every error that the compiler raises for a fault of its input: a stable code, what happened, where, and what to do.
 * Broken invariants throw a plain `Error("unreachable: …")` instead.
 */
import type { Node } from "./ir/graph.ts";

/** Who is at fault decides the command line's exit code. */
export type Fault = "input" | "usage" | "quality" | "interrupted";

/** A fault of the input, with a stable code. */
export class CompileError extends Error {
  readonly code: string;
  readonly fault: Fault;
  /** Further facts for programs: node, op, offset, expected, got. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}, fault: Fault = "input") {
    super(message);
    this.name = "CompileError";
    this.code = code;
    this.fault = fault;
    this.details = details;
  }
}

function at(node: Pick<Node, "op" | "name">): string {
  return `${node.op} "${node.name}"`;
}

/** An attribute has another kind than ONNX says. */
export function badAttribute(node: Node, name: string, expected: string): CompileError {
  return new CompileError(
    "bad-attribute",
    `${at(node)}: the attribute ${name} must be ${expected}. The model is malformed; export it again.`,
    {
      node: node.name,
      op: node.op,
      attribute: name,
    },
  );
}

/** Operands do not fit the operator: wrong rank, shapes that do not broadcast, an axis out of range. */
export function badOperands(node: Node, problem: string): CompileError {
  return new CompileError("bad-operands", `${at(node)}: ${problem}`, { node: node.name, op: node.op });
}

/** One operator, type or attribute that eqm does not have. */
export interface Unsupported {
  readonly node: string;
  readonly op: string;
  readonly reason: string;
}

/** All that a model asks for and eqm does not have, in one error. */
export function unsupported(list: readonly Unsupported[]): CompileError {
  const lines = list.map(({ node, op, reason }) => `  ${op} "${node}": ${reason}`);
  return new CompileError(
    "unsupported",
    `The model uses ${list.length === 1 ? "something" : `${list.length} things`} that eqm does not support:\n${lines.join("\n")}\nReplace these operators in the exporter, or cut the model before them (eqm inspect lists them without compiling).`,
    { unsupported: list },
  );
}

/** A value has to be known while compiling and is not. */
export function notConstant(node: Node, input: string): CompileError {
  return new CompileError(
    "not-constant",
    `${at(node)}: ${input} has to be known when compiling, but it is computed from the model's inputs. Bind the dynamic dimensions with --shape, or make it a constant in the exporter.`,
    { node: node.name, op: node.op, input },
  );
}
