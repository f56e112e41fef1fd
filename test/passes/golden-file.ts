/**
 * Golden texts of one pass, graph in and graph out, several cases in a file:
 *
 *   == declines when the weights are shared
 *   <graph>
 *   --
 *   <what the pass did, written by UPDATE=1>
 */
import { readFileSync, writeFileSync } from "node:fs";

/** One case of a golden file. */
export interface GoldenCase {
  readonly title: string;
  readonly input: string;
  readonly expected: string;
}

/** Reads a golden file. */
export function readGolden(file: URL): readonly GoldenCase[] {
  return readFileSync(file, "utf8")
    .split(/^== /m)
    .slice(1)
    .map((part) => {
      const [head, expected = ""] = part.split(/^--\n/m) as [string, string?];
      const end = head.indexOf("\n");
      return { title: head.slice(0, end), input: `${head.slice(end + 1).trim()}\n`, expected: expected.trimEnd() };
    });
}

/** Writes a golden file anew. */
export function writeGolden(file: URL, cases: readonly GoldenCase[]): void {
  writeFileSync(file, cases.map(({ title, input, expected }) => `== ${title}\n${input}--\n${expected}\n`).join("\n"));
}
