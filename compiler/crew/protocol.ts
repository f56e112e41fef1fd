/** What is said between the compiler and its workers. */
import { fromPlain, type PlainError, toPlain } from "../../host/worker-protocol.ts";
import { CompileError, type Fault } from "../errors.ts";

/** To a worker. The first one carries the runtime. */
export type Order =
  | { readonly begin: WebAssembly.Module }
  | { readonly id: number; readonly open: string; readonly job: number; readonly init: unknown }
  | { readonly id: number; readonly job: number; readonly input: unknown }
  | { readonly id: number; readonly close: number };

/** From a worker: it has begun, or what became of an order. */
export type Report =
  | { readonly ready: true }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failed: PlainFault };

/** An error as structured clone carries it. */
export interface PlainFault extends PlainError {
  readonly fault?: Fault;
}

/** An error to send. */
export function plainFault(error: unknown): PlainFault {
  if (!(error instanceof CompileError)) return toPlain(error);
  const { name, message, code, details, fault } = error;
  return { name, message, code, details, fault };
}

/** The error that was sent, of its own class again. */
export function faultOf(plain: PlainFault): Error {
  const { message, code = "", details, fault } = plain;
  return fault ? new CompileError(code, message, details, fault) : fromPlain(plain);
}
