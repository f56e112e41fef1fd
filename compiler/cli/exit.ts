/** From an error to what the user reads and to the exit code. */
import { CommanderError } from "commander";
import { EqmError, LoadError, RunError } from "../../host/errors.ts";
import { CompileError, type Fault } from "../errors.ts";
import { systemReason } from "./errors.ts";

const EXIT_CODES: Readonly<Record<Fault, number>> = { input: 1, usage: 2, quality: 3, interrupted: 130 };
const OWN_FAULT = 4;

/** Codes of the host that no input can cause. */
const OWN_CODES: readonly string[] = ["other-build", "unknown-step", "unknown-packing", "trap", "disposed"];

/** What is told about an error. */
export interface Verdict {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Already on the screen. */
  readonly printed: boolean;
}

/** Judges whatever a command threw. */
export function judge(error: unknown): Verdict {
  if (error instanceof CommanderError) {
    return {
      exitCode: error.exitCode === 0 ? 0 : EXIT_CODES.usage,
      code: error.code.replace(/^commander\./, ""),
      message: error.message,
      details: {},
      printed: true,
    };
  }
  if (error instanceof CompileError)
    return { exitCode: EXIT_CODES[error.fault], code: error.code, message: error.message, details: error.details, printed: false };
  if (error instanceof EqmError) {
    const isOwn = (error instanceof LoadError || error instanceof RunError) && OWN_CODES.includes(error.code);
    return {
      exitCode: isOwn ? OWN_FAULT : EXIT_CODES.input,
      code: error.code,
      message: error.message,
      details: error.details,
      printed: false,
    };
  }
  const reason = systemReason(error);
  const message = error instanceof Error ? error.message : String(error);
  if (reason !== undefined)
    return { exitCode: EXIT_CODES.input, code: "system", message: `${reason}: ${message}`, details: {}, printed: false };
  return {
    exitCode: OWN_FAULT,
    code: "own-fault",
    message: `a fault of eqm itself, please report it: ${message}\nEQM_DEBUG=1 prints where it happened.`,
    details: {},
    printed: false,
  };
}
