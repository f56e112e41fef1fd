/** LABELS of the command line: the right class of each sample, and files of class names. */
import { extname } from "node:path";
import { badData, badFile, wrongUsage } from "../errors.ts";
import { parseFileTable } from "./csv.ts";
import type { Dataset } from "./dataset.ts";
import { readBytes, readText } from "./file.ts";
import { decodeNpy } from "./npy.ts";

/**
 * One label for each sample of `data`: from `path` (.npy of whole numbers, or .csv; one with a `file` column is matched by file
 * where the data has files), else those of the data itself.
 *
 * @throws CompileError `wrong-usage` where there are none, `bad-data` where they are not as many as samples
 */
export function readLabels(path: string | undefined, data: Dataset): readonly number[] {
  if (path === undefined) {
    if (data.labels === undefined) throw wrongUsage(`${data.path} carries no labels: pass --labels with a .npy or a .csv.`);
    return data.labels;
  }
  const labels = extname(path).toLowerCase() === ".npy" ? npyLabels(path) : csvLabels(path, data);
  if (labels.length !== data.length) throw badData(`${path} has ${labels.length} labels, ${data.path} has ${data.length} samples.`);
  return labels;
}

function npyLabels(path: string): readonly number[] {
  const { shape, data } = decodeNpy(readBytes(path), path);
  if (shape.filter((size) => size !== 1).length > 1)
    throw badFile(path, `labels are one number a sample; its shape is ${shape.join("×")}.`);
  return Array.from(data as ArrayLike<number | bigint>, (value, at) => {
    const label = Number(value);
    if (!Number.isSafeInteger(label)) throw badFile(path, `label ${at} is ${label}, no whole number; labels are class indices from 0.`);
    return label;
  });
}

function csvLabels(path: string, data: Dataset): readonly number[] {
  if (extname(path).toLowerCase() !== ".csv") throw badFile(path, "labels are a .npy or a .csv.");
  const { files, labels } = parseFileTable(readText(path), path);
  if (labels === undefined) throw badFile(path, "it has no column `label` of whole numbers.");
  if (files === undefined || data.files === undefined) return labels;
  const byFile = new Map(files.map((file, at) => [file, labels[at] as number]));
  return data.files.map((file) => {
    const label = byFile.get(file);
    if (label === undefined) throw badData(`${path} has no label for ${file}.`);
    return label;
  });
}

/** The names of the classes, one a line; blank lines at the end are dropped. @throws CompileError */
export function readClassNames(path: string): readonly string[] {
  const lines = readText(path)
    .split(/\r?\n/)
    .map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw badFile(path, "it names no classes.");
  return lines;
}
