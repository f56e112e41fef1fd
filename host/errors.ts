/**
 * Every error that loading and running a model raises for a fault of its input or surroundings: a stable code, what happened,
 * where, and what to do. Broken invariants throw a plain `Error("unreachable: …")` instead.
 */

/** Further facts for programs: names, expected, got. */
export type Details = Readonly<Record<string, unknown>>;

/** The common form: `code` is stable across versions, the message is for people. */
export class EqmError extends Error {
  readonly code: string;
  readonly details: Details;

  constructor(code: string, message: string, details: Details = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "EqmError";
    this.code = code;
    this.details = details;
  }
}

/** The bytes are no .eqm that can be run. `offset` is the byte at fault, undefined where a plan did not come from a file. */
export class FormatError extends EqmError {
  readonly offset: number | undefined;

  constructor(code: FormatCode, message: string, offset: number | undefined, details: Details = {}) {
    super(code, offset === undefined ? message : `${message} (byte ${offset})`, details);
    this.name = "FormatError";
    this.offset = offset;
  }
}

/** What can be wrong with the bytes of a .eqm. */
export type FormatCode =
  | "not-eqm"
  | "newer-version"
  | "other-layouts"
  | "truncated"
  | "trailing-bytes"
  | "bad-header"
  | "bad-section"
  | "bad-padding"
  | "hash-mismatch"
  | "bad-varint"
  | "bad-metadata"
  | "bad-constants"
  | "bad-plan"
  | "bad-step"
  | "bad-golden"
  | "memory-mismatch"
  | "too-much-memory";

/** What was given to `run`, `preprocess` or an option does not fit the model. */
export class InputError extends EqmError {
  constructor(code: InputCode, message: string, details: Details = {}) {
    super(code, message, details);
    this.name = "InputError";
  }
}

/** What can be wrong with the arguments of a call. */
export type InputCode =
  | "missing-input"
  | "unknown-input"
  | "unknown-output"
  | "wrong-dtype"
  | "wrong-length"
  | "wrong-shape"
  | "no-plan"
  | "ambiguous-shape"
  | "no-states"
  | "bad-image"
  | "bad-spec"
  | "no-preprocess"
  | "bad-source"
  | "bad-option";

/** The model could not be fetched, or this machine cannot hold or run it. */
export class LoadError extends EqmError {
  constructor(code: LoadCode, message: string, details: Details = {}, cause?: unknown) {
    super(code, message, details, cause);
    this.name = "LoadError";
  }
}

/** Why a model could not be loaded although its bytes may be sound. */
export type LoadCode =
  | "http-status"
  | "html-instead"
  | "file-url"
  | "fetch-failed"
  | "no-simd"
  | "no-build"
  | "missing-steps"
  | "wasm-refused"
  | "out-of-memory"
  | "other-build"
  | "worker-failed";

/** A run stopped, or the model is gone. */
export class RunError extends EqmError {
  constructor(code: RunCode, message: string, details: Details = {}, cause?: unknown) {
    super(code, message, details, cause);
    this.name = "RunError";
  }
}

/** Why a run stopped. */
export type RunCode = "disposed" | "unknown-step" | "unknown-packing" | "index-out-of-range" | "trap" | "no-worker" | "worker-failed";

/** The first four bytes are not "EQM1". */
export function notEqm(firstBytes: string): FormatError {
  return new FormatError("not-eqm", `This is not a .eqm file: it starts with ${firstBytes}. Compile the model with \`eqm compile\`.`, 0);
}

/** The file says a later version of the format. */
export function newerVersion(version: number, offset: number): FormatError {
  return new FormatError("newer-version", `The file is of format version ${version}, this eqm reads version 1: update eqm.`, offset, {
    version,
  });
}

/** The plan was written for other step layouts. */
export function otherLayouts(offset: number, expected: number, got: number): FormatError {
  return new FormatError(
    "other-layouts",
    "The file was compiled by another version of eqm, with steps that this one does not know or lays out differently: compile it again, or update eqm.",
    offset,
    { expected, got },
  );
}

/** The file ends early. */
export function truncated(offset: number, expectedBytes: number, gotBytes: number): FormatError {
  return new FormatError(
    "truncated",
    `The file is cut off: ${gotBytes} of ${expectedBytes} bytes are there. Copy or download it again.`,
    offset,
    {
      expected: expectedBytes,
      got: gotBytes,
    },
  );
}

/** A stored hash is not that of the bytes. */
export function hashMismatch(what: string, offset: number): FormatError {
  return new FormatError("hash-mismatch", `The ${what} is damaged: its hash does not match. Copy or download the file again.`, offset, {
    what,
  });
}

/** A run was asked of a disposed model. */
export function disposed(): RunError {
  return new RunError("disposed", "The model has been disposed of: load it again.");
}

/** WebAssembly gave no memory of that size. */
export function outOfMemory(bytes: number, cause: unknown): LoadError {
  return new LoadError("out-of-memory", `The model needs ${bytes} bytes of memory, which this machine does not give.`, { bytes }, cause);
}
