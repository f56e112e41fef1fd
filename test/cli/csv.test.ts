import { describe, expect, it } from "vitest";
import { parseCsv, parseFileTable } from "../../compiler/cli/data/csv.ts";

const cells = (text: string): readonly (readonly string[])[] => parseCsv(text, "t.csv").map((row) => row.cells);

describe("tables", () => {
  it("reads quoted cells, both line ends, a byte order mark, and leaves out blank lines", () => {
    expect(cells('\ufeffa,b\r\n"x, ""y""\nz",2\n\n  \nlast,3')).toEqual([
      ["a", "b"],
      ['x, "y"\nz', "2"],
      ["last", "3"],
    ]);
  });

  it("keeps empty cells", () => {
    expect(cells(",\n")).toEqual([["", ""]]);
  });

  it("counts the lines inside of quotes", () => {
    expect(parseCsv('a\n"b\nc"\nd', "t.csv").map(({ line }) => line)).toEqual([1, 2, 4]);
  });

  it("refuses a quote that never ends", () => {
    expect(() => parseCsv('a\n"b', "t.csv")).toThrow("t.csv: line 2: a quote is opened and never closed.");
  });
});

describe("file tables", () => {
  it("finds columns by their titles, whatever stands between", () => {
    expect(parseFileTable("width,File,label\n1,a.jpg,7\n2,b.jpg,8\n", "t")).toEqual({ files: ["a.jpg", "b.jpg"], labels: [7, 8] });
  });

  it("takes a table without a label column as unlabelled", () => {
    expect(parseFileTable("file,width,height\na.jpg,3,4\n", "t")).toEqual({ files: ["a.jpg"], labels: undefined });
  });

  it("reads tables without titles", () => {
    expect(parseFileTable("a.jpg,1\nb.jpg,2\n", "t")).toEqual({ files: ["a.jpg", "b.jpg"], labels: [1, 2] });
    expect(parseFileTable("a.jpg\nb.jpg\n", "t")).toEqual({ files: ["a.jpg", "b.jpg"], labels: undefined });
    expect(parseFileTable("3\n4\n", "t")).toEqual({ files: undefined, labels: [3, 4] });
  });

  it.each([
    ["a missing label", "file,label\na.jpg\n", "t: line 2: the label is missing."],
    [
      "a label that is a name",
      "file,label\na.jpg,cat\n",
      't: line 2: the label "cat" is no whole number; labels are class indices from 0.',
    ],
    ["no rows", "file,label\n", "t: it has no rows."],
    ["nothing", "", "t: it has no rows."],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseFileTable(text, "t")).toThrow(expect.objectContaining({ message, fault: "input" }));
  });
});
