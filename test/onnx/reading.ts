/** Importing a model that a test makes, and the fault that doing so finds. */
import { CompileError } from "../../compiler/errors.ts";
import { type ImportOptions, importModel } from "../../compiler/onnx/import.ts";
import { type ModelSpec, model, node } from "../support/onnx-model.ts";

/** Imports the model, with every operator taken. */
export function read(spec: ModelSpec, options: ImportOptions = {}) {
  return importModel(model(spec), { supports: () => true, ...options });
}

/** The error that importing the model throws. */
export function fault(spec: ModelSpec, options: ImportOptions = {}): CompileError {
  try {
    read(spec, options);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** A Relu. */
export const relu = (from: string, to: string) => node("Relu", [from], [to]);
