/** Comma-separated tables (RFC 4180): quoted cells, either line end, a byte order mark, blank lines left out. */
import { badFile } from "../errors.ts";

/** A row with the number of its first line, from 1. */
export interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/** All rows of `text`. @throws CompileError `bad-file` for a quote that never ends */
export function parseCsv(text: string, path: string): readonly CsvRow[] {
  const rows: CsvRow[] = [];
  let cells: string[] = [];
  let cell = "";
  let quoted = false;
  let line = 1;
  let startLine = 1;
  const endRow = (): void => {
    cells.push(cell);
    if (cells.length > 1 || cell.trim() !== "") rows.push({ line: startLine, cells: cells.map((value) => value.trim()) });
    cells = [];
    cell = "";
  };
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; at++) {
    const c = text[at] as string;
    if (c === "\n") line++;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (c === '"' && cell.trim() === "") {
      cell = "";
      quoted = true;
    } else if (c === ",") {
      cells.push(cell);
      cell = "";
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[at + 1] === "\n") {
        at++;
        line++;
      }
      endRow();
      startLine = line;
    } else cell += c;
  }
  if (quoted) throw badFile(path, `line ${startLine}: a quote is opened and never closed.`);
  if (cell !== "" || cells.length > 0) endRow();
  return rows;
}

/** A table of files, labels or both. */
export interface FileTable {
  readonly files: readonly string[] | undefined;
  /** As many as rows, whole numbers. */
  readonly labels: readonly number[] | undefined;
}

/**
 * Reads `file,label` tables: columns by the names in the first row (`file` and `label`, any other is left alone), else the
 * first column is the file and the second, where it holds whole numbers only, the label; a single column of numbers is labels.
 *
 * @throws CompileError `bad-file`: no rows, a row that is short, a label that is no whole number
 */
export function parseFileTable(text: string, path: string): FileTable {
  const all = parseCsv(text, path);
  const titles = (all[0]?.cells ?? []).map((title) => title.toLowerCase());
  const titled = titles.includes("file") || titles.includes("label");
  const rows = titled ? all.slice(1) : all;
  if (rows.length === 0) throw badFile(path, "it has no rows.");
  const numeric = (column: number): boolean => rows.every(({ cells }) => /^[+-]?\d+$/.test(cells[column] ?? ""));
  const untitledFile = numeric(0) && titles.length === 1 ? -1 : 0;
  const fileColumn = titled ? titles.indexOf("file") : untitledFile;
  const labelColumn = titled ? titles.indexOf("label") : untitledFile < 0 ? 0 : numeric(1) ? 1 : -1;
  const cellsOf = (column: number, title: string): readonly string[] =>
    rows.map(({ cells, line }) => {
      const value = cells[column] ?? "";
      if (value === "") throw badFile(path, `line ${line}: the ${title} is missing.`);
      return value;
    });
  return {
    files: fileColumn < 0 ? undefined : cellsOf(fileColumn, "file"),
    labels: labelColumn < 0 ? undefined : cellsOf(labelColumn, "label").map((value, at) => wholeLabel(value, path, rows[at]?.line ?? 0)),
  };
}

function wholeLabel(value: string, path: string, line: number): number {
  if (!/^[+-]?\d{1,15}$/.test(value))
    throw badFile(path, `line ${line}: the label ${JSON.stringify(value)} is no whole number; labels are class indices from 0.`);
  return Number(value);
}
