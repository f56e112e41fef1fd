/** Opens what the user calls a model: a .eqm, or an .onnx that is compiled in memory without losing precision. */
import { MAGIC } from "../../format/file.ts";
import { EqmError } from "../../host/errors.ts";
import { type LoadOptions, load } from "../../host/load.ts";
import type { Model } from "../../host/model.ts";
import type { PreprocessSpec } from "../../host/preprocess-spec.ts";
import { starter } from "../../host/starter.node.ts";
import type { Shapes } from "../bindings.ts";
import { CompileError } from "../errors.ts";
import { compile } from "../index.ts";
import { refuseStrangers } from "../onnx/recognise.ts";
import { readBytes } from "./data/file.ts";
import { preprocessFileBeside, readPreprocessSpec } from "./data/preprocess-file.ts";
import { badFile, CommandError } from "./errors.ts";
import { externalDataBeside } from "./external-data.ts";
import { stopSignal } from "./interruption.ts";
import { note } from "./output/note.ts";
import { startProgress } from "./output/progress.ts";

/** A model ready to run, and where it came from. */
export interface OpenModel {
  readonly path: string;
  readonly kind: "eqm" | "onnx";
  readonly bytes: Uint8Array;
  readonly model: Model;
}

/** Which of the two kinds a file is: by its first bytes, by its name where they say nothing. @throws CompileError `bad-file` */
export function modelKind(bytes: Uint8Array, path: string): "eqm" | "onnx" {
  if (bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === MAGIC) return "eqm";
  if (!path.toLowerCase().endsWith(".eqm")) return "onnx";
  try {
    refuseStrangers(bytes);
  } catch (error) {
    if (error instanceof CompileError && typeof error.details["kind"] === "string")
      throw badFile(path, `it is not a .eqm but ${error.details["kind"]}.`);
    throw error;
  }
  return "eqm";
}

/** How a command wants its model loaded: as in LoadOptions. */
export type ModelOptions = Pick<LoadOptions, "fastFloat" | "threads" | "onStage">;

/** Loads a .eqm; where it runs on fewer threads than were asked for, the reason is said on stderr. @throws EqmError */
export async function loadModel(bytes: Uint8Array, options: ModelOptions): Promise<Model> {
  const model = await load(bytes, { ...options, thread: starter });
  if (model.features.threadsReason !== undefined) note(`on one thread: ${model.features.threadsReason}`);
  return model;
}

/**
 * Opens a model.
 *
 * @param shapes sizes of dynamic dimensions, for an .onnx
 * @throws CompileError or EqmError, with the path in the message
 */
export async function openModel(path: string, shapes: Shapes = {}, options: ModelOptions = {}): Promise<OpenModel> {
  const bytes = readBytes(path);
  const kind = modelKind(bytes, path);
  if (kind === "eqm") return { path, kind, bytes, model: await withPath(path, () => loadModel(bytes, options)) };
  const progress = startProgress();
  try {
    const compiled = await withPath(path, () =>
      compile(bytes, {
        precision: "float32",
        shapes,
        externalData: externalDataBeside(path),
        signal: stopSignal,
        onProgress: ({ phase, done, total }) => progress.update(phase, done, total),
      }),
    );
    return { path, kind, bytes, model: await loadModel(compiled.bytes, options) };
  } finally {
    progress.stop();
  }
}

/** Runs `work`; a fault of the model that it throws gets the file's name in front. */
export async function withPath<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    if (error instanceof CompileError) throw new CompileError(error.code, `${path}: ${error.message}`, error.details, error.fault);
    if (error instanceof EqmError) throw new EqmError(error.code, `${path}: ${error.message}`, error.details, error);
    throw error;
  }
}

/** The specification that applies: `option` if given, else the model's own, else the file beside it, which is said on stderr. */
export function preprocessFor(
  option: string | undefined,
  modelPath: string,
  stored: PreprocessSpec | undefined,
): PreprocessSpec | undefined {
  if (option !== undefined) return readPreprocessSpec(option);
  if (stored !== undefined) return stored;
  const beside = preprocessFileBeside(modelPath);
  if (beside === undefined) return undefined;
  note(`preprocessing as ${beside} says.`);
  return readPreprocessSpec(beside);
}
