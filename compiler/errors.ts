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
      reason: `the attribute ${name} must be ${expected}; export it again`,
      attribute: name,
    },
  );
}

/** Operands do not fit the operator: wrong rank, shapes that do not broadcast, an axis out of range. */
export function badOperands(node: Node, problem: string): CompileError {
  return new CompileError("bad-operands", `${at(node)}: ${problem}`, { node: node.name, op: node.op, reason: problem });
}

/** One thing that stops a model from being compiled: an operator, type or attribute that eqm does not have, or a fault of a node. */
export interface Unsupported {
  readonly node: string;
  readonly op: string;
  readonly reason: string;
  /** What it is where it is not that eqm lacks something: `bad-operands`, `bad-attribute`, `not-constant`, `unbound-dimensions`. */
  readonly code?: string;
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

/** Codes of faults that belong to one node each, which are collected. */
const OF_NODES: readonly string[] = ["bad-operands", "bad-attribute", "not-constant"];

/** The problems that an error names, or null where it is another kind of error. */
export function problemsOf({ code, details }: CompileError): readonly Unsupported[] | null {
  if (Array.isArray(details["unsupported"])) return details["unsupported"] as readonly Unsupported[];
  if (!OF_NODES.includes(code)) return null;
  return [{ node: String(details["node"]), op: String(details["op"]), reason: String(details["reason"]), code }];
}

/**
 * Errors that `problemsOf` takes apart as one, with all of their problems. One error alone stays what it is; several have their common code, or
 * `unsupported`.
 */
export function together(errors: readonly CompileError[]): CompileError {
  const [first, ...others] = errors;
  if (others.length === 0) return first!;
  const problems = errors.flatMap((error) => problemsOf(error) ?? []);
  if (problems.every(({ code }) => code === undefined)) return unsupported(problems);
  const code = others.every((error) => error.code === first!.code) ? first!.code : "unsupported";
  const lines = problems.map(({ node, op, reason }) => `  ${op} "${node}": ${reason}`);
  return new CompileError(
    code,
    `The model has ${problems.length} problems that keep it from being compiled:\n${lines.join("\n")}\nChange these in the exporter, or cut the model before them (eqm inspect lists them without compiling).`,
    { unsupported: problems },
  );
}

/** A value has to be known while compiling and is not. */
export function notConstant(node: Node, input: string): CompileError {
  return new CompileError(
    "not-constant",
    `${at(node)}: ${input} has to be known when compiling, but it is computed from the model's inputs. Bind the dynamic dimensions with --shape, or make it a constant in the exporter.`,
    {
      node: node.name,
      op: node.op,
      reason: `${input} has to be known when compiling, but it is computed from the model's inputs; bind the dynamic dimensions with --shape, or make it a constant in the exporter`,
      input,
    },
  );
}
