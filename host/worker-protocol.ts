/** What a model's two sides say to each other when it runs in a worker, and how errors cross over whole. */
import type { BuildName } from "./builds.ts";
import type { PlanDescription } from "./description.ts";
import {
  type Details,
  EqmError,
  type FormatCode,
  FormatError,
  type InputCode,
  InputError,
  type LoadCode,
  LoadError,
  type RunCode,
  RunError,
} from "./errors.ts";
import type { Metadata } from "./metadata.ts";
import type { Features, Inputs, Outputs } from "./model.ts";
import type { Warmup, WarmupOptions } from "./warmup.ts";

/** What goes for the load in the worker. */
export interface WorkerLoadOptions {
  readonly threads: number;
  readonly fastFloat: boolean;
  readonly build?: BuildName;
}

/** To the worker. Answers carry the request's `id`. */
export type Request =
  | { readonly id: number; readonly load: Uint8Array; readonly options: WorkerLoadOptions }
  | { readonly id: number; readonly run: Inputs }
  | { readonly id: number; readonly warmup: WarmupOptions };

/** What the worker tells of a model that it loaded. */
export interface LoadedInWorker {
  readonly metadata: Metadata;
  readonly plans: readonly PlanDescription[];
  readonly features: Features;
  readonly memoryBytes: number;
}

/** From the worker. */
export type Answer =
  | { readonly id: number; readonly loaded: LoadedInWorker }
  | { readonly id: number; readonly outputs: Outputs }
  | { readonly id: number; readonly warmup: Warmup }
  | { readonly id: number; readonly error: PlainError };

/** An error as structured clone carries it. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly details?: Details;
  readonly offset?: number;
}

/** An error to send. */
export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message } = error;
  if (!(error instanceof EqmError)) return { name, message };
  return { name, message, code: error.code, details: error.details, ...(error instanceof FormatError && { offset: error.offset }) };
}

/** The error that was sent, of its own class again. */
export function fromPlain({ name, message, code = "", details, offset }: PlainError): Error {
  switch (name) {
    case "FormatError": {
      const suffix = offset === undefined ? "" : ` (byte ${offset})`;
      return new FormatError(code as FormatCode, message.slice(0, message.length - suffix.length), offset, details);
    }
    case "InputError":
      return new InputError(code as InputCode, message, details);
    case "LoadError":
      return new LoadError(code as LoadCode, message, details);
    case "RunError":
      return new RunError(code as RunCode, message, details);
    default:
      return new Error(message);
  }
}
