/**
 * Writes a file whole or not at all: into a temporary file of the same folder, synced, then moved into place. Disk full, a kill or
 * Ctrl-C leave the old file as it was. The writing itself is synchronous, so a handled signal never falls into its middle.
 */
import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { unreadable, unwritable, wrongUsage } from "../errors.ts";

/**
 * Checks before any work that `path` may be written: its folder is there and writable, nothing is overwritten without `force`, and
 * what is overwritten is a regular file and none of `sources`.
 *
 * @throws CompileError fault "usage" where the command line has to change, "input" where the folder's permissions have to
 */
export function checkOutput(path: string, force: boolean, sources: readonly string[] = []): void {
  const folder = dirname(resolve(path));
  const info = statOrUndefined(folder);
  if (info === undefined) throw wrongUsage(`${path}: the folder ${dirname(path)} does not exist.`);
  if (!info.isDirectory()) throw wrongUsage(`${path}: ${dirname(path)} is not a folder.`);
  const old = lstatOrUndefined(path);
  if (old !== undefined) {
    const target = old.isSymbolicLink() ? statOrUndefined(path) : old;
    if (target?.isDirectory()) throw wrongUsage(`${path}: it is a folder; name a file.`);
    if (target !== undefined && !target.isFile()) throw wrongUsage(`${path}: it is not a regular file and is not replaced.`);
    if (sources.some((source) => isSameFile(source, path)))
      throw wrongUsage(`${path}: the output would replace an input; give it another name.`);
    if (!force) throw wrongUsage(`${path}: it exists already. Pass --force to replace it.`);
  }
  try {
    accessSync(dirname(finalPath(path)), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/**
 * Writes `bytes` to `path` through a temporary file beside it.
 *
 * @param force replace what is there; otherwise a file that appeared meanwhile is left alone
 * @throws CompileError `unwritable`, or `wrong-usage` when the file exists and `force` is off; no file is left behind in either case
 */
export function writeFileWhole(path: string, bytes: Uint8Array | string, force: boolean): void {
  const target = finalPath(path);
  const temporary = join(dirname(target), `.${basename(target).slice(0, 200)}.${randomBytes(4).toString("hex")}.tmp`);
  const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  let written = false;
  try {
    const file = openSync(temporary, "wx", force ? (statOrUndefined(target)?.mode ?? 0o666) & 0o777 : 0o666);
    written = true;
    try {
      for (let at = 0; at < data.length; ) at += writeSync(file, data, at, data.length - at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (force) renameSync(temporary, target);
    else moveToFreeName(temporary, target);
    written = force ? false : existsSync(temporary);
  } catch (error) {
    if (isCode(error, "EEXIST") && written) throw wrongUsage(`${path}: it exists already. Pass --force to replace it.`);
    throw unwritable(path, error);
  } finally {
    if (written) unlinkSync(temporary);
  }
}

/** A hard link fails where the name is taken, a rename does not; file systems without hard links get a check and a rename. */
function moveToFreeName(temporary: string, target: string): void {
  try {
    linkSync(temporary, target);
  } catch (error) {
    if (isCode(error, "EEXIST") || existsSync(target)) throw error;
    renameSync(temporary, target);
  }
}

/** Where the bytes go: behind a symbolic link, the file that it points to. */
function finalPath(path: string): string {
  const full = resolve(path);
  return existsSync(full) ? realpathSync(full) : full;
}

function isSameFile(a: string, b: string): boolean {
  const [first, second] = [statOrUndefined(a), statOrUndefined(b)];
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev;
}

function statOrUndefined(path: string): Stats | undefined {
  return statWith(statSync, path);
}

function lstatOrUndefined(path: string): Stats | undefined {
  return statWith(lstatSync, path);
}

function statWith(stat: (path: string) => Stats, path: string): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    if (isCode(error, "ENOENT") || isCode(error, "ENOTDIR")) return undefined;
    throw unreadable(path, error);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
