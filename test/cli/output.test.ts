import { describe, expect, it } from "vitest";
import { formatFacts, formatTable } from "../../compiler/cli/output/table.ts";
import { formatBytes, formatCount, formatMs, formatPercent, formatReal, formatShape } from "../../compiler/cli/output/units.ts";

describe("numbers for people", () => {
  it("counts 1000 bytes to the KB, with three digits", () => {
    expect([0, 999, 1000, 12_345, 99_949, 99_950, 999_499, 999_500, 1_234_567, 2 ** 31].map(formatBytes)).toEqual([
      "0 B",
      "999 B",
      "1.00 KB",
      "12.3 KB",
      "99.9 KB",
      "100 KB",
      "999 KB",
      "1.00 MB",
      "1.23 MB",
      "2.15 GB",
    ]);
    expect([7, 12_500, 300_800_000, 2_984_900_000].map(formatCount)).toEqual(["7", "12.5 k", "301 M", "2.98 G"]);
  });

  it("writes times, shares, shapes and reals", () => {
    expect([0.0123, 0.9996, 12.34, 123.4, 1234].map(formatMs)).toEqual(["0.012 ms", "1.00 ms", "12.3 ms", "123 ms", "1.23 s"]);
    expect(formatPercent(0.8725)).toBe("87.25 %");
    expect([[], [1, 3, 224, 224], ["N", 10]].map(formatShape)).toEqual(["scalar", "1×3×224×224", "N×10"]);
    expect([0, 1.23456, 1e-9, 123456789, Number.NaN].map(formatReal)).toEqual(["0", "1.235", "1.000e-9", "1.235e+8", "NaN"]);
  });
});

describe("tables", () => {
  it("lines columns up and leaves no space at the end of a line", () => {
    const text = formatTable(
      [{ title: "name" }, { title: "ms", align: "right" }, { title: "note" }],
      [
        ["a×b", "1.5", ""],
        ["longer name", "10.25", "slow"],
      ],
    );
    expect(text).toBe("name            ms  note\n-----------  -----  ----\na×b            1.5\nlonger name  10.25  slow\n");
  });

  it("lines facts up", () => {
    expect(
      formatFacts([
        ["a", "1"],
        ["long", "2"],
      ]),
    ).toBe("a     1\nlong  2\n");
  });
});
