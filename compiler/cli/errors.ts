/** Every fault that the command line itself finds, one function each; faults of the model are in ../errors.ts. */
import { CompileError } from "../errors.ts";

/** A fault that names its own file or option; a CompileError without this name is about the model's contents. */
export class CommandError extends CompileError {}

/** A wrong option, argument or combination of them (exit code 2). */
export function wrongUsage(message: string): CommandError {
  return new CommandError("wrong-usage", message, {}, "usage");
}

/** An option of the interface that this version does not carry out (exit code 2). */
export function notInThisVersion(option: string, instead?: string): CommandError {
  return new CommandError(
    "not-in-this-version",
    `${option} is not in this version of eqm.${instead === undefined ? "" : ` ${instead}`}`,
    { option },
    "usage",
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EACCES: "permission denied",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  EFBIG: "the file is too large",
  EIO: "the device reports an error",
};

/** Why a system call failed, in words; undefined when `error` is no error of the system. */
export function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  if (!("syscall" in error)) return undefined;
  return REASONS[error.code] ?? error.code;
}

/** A file that the user named can't be read. Rethrows what is no error of the system. */
export function unreadable(path: string, error: unknown): CommandError {
  const reason = systemReason(error);
  if (reason === undefined) throw error;
  return new CommandError("unreadable", `${path}: cannot be read: ${reason}.`, { path });
}

/** A file can't be written. Rethrows what is no error of the system. */
export function unwritable(path: string, error: unknown): CommandError {
  const reason = systemReason(error);
  if (reason === undefined) throw error;
  return new CommandError("unwritable", `${path}: cannot be written: ${reason}. Nothing was changed.`, { path });
}

/** The contents of a file are not what its place asks for. */
export function badFile(path: string, problem: string): CommandError {
  return new CommandError("bad-file", `${path}: ${problem}`, { path });
}

/** Data and model do not go together. */
export function badData(problem: string): CommandError {
  return new CommandError("bad-data", problem);
}

/** A check of the finished model failed (exit code 3). */
export function failedVerification(message: string, details: Readonly<Record<string, unknown>> = {}): CommandError {
  return new CommandError("verification-failed", message, details, "quality");
}

/** The user stopped the command (exit code 130). */
export function interrupted(): CommandError {
  return new CommandError("interrupted", "interrupted; nothing was written.", {}, "interrupted");
}
