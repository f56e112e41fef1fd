/** Which preprocessing specification applies: --preprocess, else what the .eqm carries, else the file beside the model. */
import { existsSync } from "node:fs";
import type { JsonValue } from "../../../host/json.ts";
import { checkPreprocessSpec, type PreprocessSpec } from "../../../host/preprocess-spec.ts";
import { badFile } from "../errors.ts";
import { readJson } from "./file.ts";

/** Reads and checks a specification. @throws CompileError `unreadable` or `bad-file` */
export function readPreprocessSpec(path: string): PreprocessSpec {
  return checkPreprocessSpec(readJson(path) as JsonValue, (problem) => {
    throw badFile(path, `the preprocessing specification ${problem}.`);
  });
}

/** model.preprocess.json beside model.onnx; undefined where there is none. */
export function preprocessFileBeside(modelPath: string): string | undefined {
  const path = modelPath.replace(/\.(onnx|eqm)$/i, "").concat(".preprocess.json");
  return existsSync(path) ? path : undefined;
}
