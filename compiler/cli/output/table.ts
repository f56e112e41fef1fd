/** Aligned text tables: plain characters, so that they read the same in a log, a mail and a terminal. */

/** One column: its title, and on which side its cells line up. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * Lines of `rows` under their titles, two spaces between columns, no space at the end of a line, a newline at the end.
 *
 * @param rows one array per row, as many cells as columns
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, at) => [titles, ...rows].reduce((width, row) => Math.max(width, displayWidth(row[at] ?? "")), 0));
  const rule = widths.map((width) => "-".repeat(width));
  return [titles, rule, ...rows].map((row) => `${formatRow(row, columns, widths)}\n`).join("");
}

/** Lines of `name  value`, the values lined up, a newline at the end. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...facts.map(([name]) => displayWidth(name)));
  return facts.map(([name, value]) => `${pad(name, width, "left")}  ${value}`.trimEnd().concat("\n")).join("");
}

function formatRow(row: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  return widths
    .map((width, at) => pad(row[at] ?? "", width, columns[at]?.align ?? "left"))
    .join("  ")
    .trimEnd();
}

function pad(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + space : space + text;
}

function displayWidth(text: string): number {
  return [...text].length;
}
