/** Reading of files that the user named, with errors that name the file. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { badFile, unreadable } from "../errors.ts";

/** Largest file that is read whole. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;

/** All bytes of a regular file. @throws CompileError `unreadable` or `bad-file` */
export function readBytes(path: string): Uint8Array {
  try {
    const info = statSync(path);
    if (info.isFile() && info.size > MAX_FILE_BYTES)
      throw badFile(path, `it has ${info.size} bytes; more than ${MAX_FILE_BYTES} are not read at once.`);
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** A file as text, UTF-8, without a byte order mark. @throws CompileError `unreadable` or `bad-file` */
export function readText(path: string): string {
  const bytes = readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badFile(path, "it is not UTF-8 text.");
  }
}

/** A file's value as JSON. @throws CompileError `unreadable` or `bad-file` */
export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badFile(path, `it is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** "file", "folder", or undefined where there is nothing. @throws CompileError `unreadable` */
export function pathKind(path: string): "file" | "folder" | undefined {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/** A file open for reading pieces, closed by `close`. */
export interface OpenFile {
  readonly path: string;
  readonly bytes: number;
  /** `length` bytes at `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Opens a regular file. @throws CompileError `unreadable` or `bad-file` */
export function openFile(path: string): OpenFile {
  try {
    const file = openSync(path, "r");
    const info = fstatSync(file);
    if (!info.isFile()) {
      closeSync(file);
      throw badFile(path, "it is not a regular file.");
    }
    return {
      path,
      bytes: info.size,
      read(offset, length) {
        const out = new Uint8Array(Math.max(0, Math.min(length, info.size - offset)));
        let got = 0;
        try {
          while (got < out.length) {
            const count = readSync(file, out, got, out.length - got, offset + got);
            if (count === 0) break;
            got += count;
          }
        } catch (error) {
          throw unreadable(path, error);
        }
        return got === out.length ? out : out.subarray(0, got);
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    throw unreadable(path, error);
  }
}
