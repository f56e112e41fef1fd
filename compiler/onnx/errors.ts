/** Faults of an .onnx: what is wrong, where, and what to do. */
import { CompileError, type Unsupported } from "../errors.ts";

const EXPORT_AGAIN = "The file is damaged or was written wrongly; download or export it again.";

/** The bytes are no well-formed protobuf message of ONNX. `offset` is in bytes from the file's start. */
export function malformedOnnx(problem: string, offset: number): CompileError {
  return new CompileError(
    "malformed-onnx",
    `The .onnx is malformed at byte ${offset}: ${problem}. ${EXPORT_AGAIN} If it is the file of weights that lies beside an .onnx, give the .onnx.`,
    { offset },
  );
}

/** The bytes are something else than an ONNX model; `kind` says what, `advice` what to do. */
export function notOnnx(kind: string, advice: string): CompileError {
  return new CompileError("not-onnx", `This is not an ONNX model but ${kind}. ${advice}`, { kind });
}

/** A cap of the reader is exceeded. */
export function tooLarge(what: string, limit: number, offset: number): CompileError {
  return new CompileError("too-large", `The .onnx has more ${what} than eqm reads (${limit}), at byte ${offset}.`, { what, limit, offset });
}

/** The graph contradicts itself: names defined twice or never, a circle, a missing field. */
export function invalidModel(problem: string, details: Readonly<Record<string, unknown>> = {}): CompileError {
  return new CompileError("invalid-model", `The model is invalid: ${problem}. Check it with onnx.checker and export it again.`, details);
}

/** An opset that import does not know. */
export function unsupportedOpset(version: number, least: number, most: number): CompileError {
  return new CompileError(
    "unsupported-opset",
    `The model uses opset ${version}; eqm reads ${least} to ${most}. Export it with another opset, or convert it with onnx.version_converter.`,
    { version, least, most },
  );
}

/** A tensor's bytes do not fit its type and shape, or hold a value that does not fit the type it is converted to. */
export function badTensor(name: string, problem: string): CompileError {
  return new CompileError("bad-tensor", `The tensor "${name}" ${problem}. ${EXPORT_AGAIN}`, { tensor: name });
}

/** External data that cannot be had, or must not be read. */
export function badExternalData(location: string, problem: string): CompileError {
  return new CompileError("external-data", `The model keeps weights in the file "${location}", ${problem}`, { location });
}

/** An input's dimension that has no value. */
export interface UnboundDimension {
  readonly input: string;
  readonly axis: number;
  /** The dimension's name in the model, or "" where it has none. */
  readonly symbol: string;
}

/** Dimensions that have to be bound with --shape. `flags` are the arguments to give, with N for the number. */
export function unboundDimensions(dimensions: readonly UnboundDimension[], flags: readonly string[]): CompileError {
  const lines = dimensions.map(({ input, axis, symbol }) => `  "${input}" axis ${axis}${symbol ? ` (${symbol})` : ""}`);
  return new CompileError(
    "unbound-dimensions",
    `The model has dimensions without a size:\n${lines.join("\n")}\nGive them one: ${flags.map((flag) => `--shape ${flag}=N`).join(" ")}`,
    { dimensions, flags },
    "usage",
  );
}

/** Dimensions that have to be bound, among a model's other problems. */
export function unboundProblems(dimensions: readonly UnboundDimension[], flags: readonly string[]): readonly Unsupported[] {
  const give = flags.map((flag) => `--shape ${flag}=N`).join(" ");
  return dimensions.map(({ input, axis, symbol }) => ({
    node: input,
    op: "input",
    reason: `axis ${axis}${symbol ? ` (${symbol})` : ""} has no size; give it with ${give}`,
    code: "unbound-dimensions",
  }));
}

/** A `shapes` option that cannot be applied. */
export function badShapeOption(key: string, problem: string): CompileError {
  return new CompileError("bad-shape-option", `--shape ${key}: ${problem}`, { key }, "usage");
}

/** A `constants` option that cannot be applied. */
export function badConstantOption(name: string, problem: string): CompileError {
  return new CompileError("bad-constant-option", `The constant for the input "${name}": ${problem}`, { name }, "usage");
}
