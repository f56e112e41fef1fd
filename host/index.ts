/** The entry `eqm`: runs .eqm files. It depends on nothing and carries its WebAssembly inline. */
export type { PlanDescription, TensorDescription } from "./description.ts";
export { actualShape } from "./description.ts";
export { EqmError, FormatError, InputError, LoadError, RunError } from "./errors.ts";
export type { LoadOptions, LoadStage } from "./load.ts";
export { load } from "./load.ts";
export type { Metadata } from "./metadata.ts";
export type { Features, Inputs, Model, Outputs, RunOptions } from "./model.ts";
export type { Batch, Image } from "./preprocess.ts";
export { preprocess } from "./preprocess.ts";
export type { PreprocessSpec } from "./preprocess-spec.ts";
export type { Source } from "./source.ts";
export type { States, Stream, WorkerStream } from "./stream.ts";
export type { DType, Tensor, TypedArray } from "./tensor.ts";
export type { Warmup, WarmupOptions } from "./warmup.ts";
export type { WorkerLike, WorkerModel } from "./worker-model.ts";
