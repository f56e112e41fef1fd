import { describe, expect, it } from "vitest";
import {
  parseBytes,
  parseChoice,
  parseCount,
  parseInputs,
  parseMs,
  parseReal,
  parseShapes,
  parseStates,
  parseThreads,
  parseWhole,
} from "../../compiler/cli/options.ts";

const usage = (message: string): unknown => expect.objectContaining({ message, fault: "usage" });

describe("option values", () => {
  it("takes one of a choice, and tells what comes later from what is wrong", () => {
    expect(parseChoice("--precision", "int8", ["int8", "float32"], ["mixed"])).toBe("int8");
    expect(() => parseChoice("--precision", "int9", ["int8", "float32"], ["mixed"])).toThrow(
      usage("--precision int9: it must be int8 or float32."),
    );
    expect(() => parseChoice("--precision", "mixed", ["int8", "float32"], ["mixed"])).toThrow(
      usage("--precision mixed is not in this version of eqm. Choose int8 or float32."),
    );
  });

  it("takes whole numbers in their range only", () => {
    expect(parseWhole("--top", "5", 0)).toBe(5);
    expect(parseWhole("--label-offset", "-1", Number.MIN_SAFE_INTEGER)).toBe(-1);
    for (const value of ["", "1.5", "x", "1e3", "0x10", "99999999999999999999"])
      expect(() => parseWhole("--top", value, 0)).toThrow(usage(`--top ${value}: it must be a whole number of at least 0.`));
    expect(() => parseWhole("--n", "9", 1, 8)).toThrow(usage("--n 9: it must be a whole number in 1 to 8."));
  });

  it("takes finite numbers only", () => {
    expect(parseReal("--min-sqnr", "-12.5")).toBe(-12.5);
    for (const value of ["", "ten", "NaN", "Infinity"])
      expect(() => parseReal("--min-sqnr", value)).toThrow(usage(`--min-sqnr ${value}: it must be a number.`));
  });

  it("takes sizes with and without a unit", () => {
    const sizes = ["30KB", "1.5MB", "30000", "7 b", "0.5kb"].map((value) => parseBytes("--target-size", value));
    expect(sizes).toEqual([30_000, 1_500_000, 30_000, 7, 500]);
    for (const value of ["", "KB", "-1", "0", "1e3", "1,5MB", "3KiB", "0.1"])
      expect(() => parseBytes("--target-size", value)).toThrow(
        usage(`--target-size ${value}: it must be a size, as in 30KB, 1.5MB or 30000.`),
      );
  });

  it("takes counts with and without a unit", () => {
    expect(["5M", "12.5k", "7", "1 g"].map((value) => parseCount("--target-macs", value))).toEqual([5e6, 12_500, 7, 1e9]);
    for (const value of ["", "M", "-1", "0", "5MB", "1e6"])
      expect(() => parseCount("--target-macs", value)).toThrow(
        usage(`--target-macs ${value}: it must be a count, as in 5M, 12.5k or 5000000.`),
      );
  });

  it("takes times with and without a unit, in ms", () => {
    expect(["2ms", "0.5", "800us", "1.5 s"].map((value) => parseMs("--target-latency", value))).toEqual([2, 0.5, 0.8, 1500]);
    for (const value of ["", "ms", "-1", "0", "2min", "1e3"])
      expect(() => parseMs("--target-latency", value)).toThrow(
        usage(`--target-latency ${value}: it must be a time, as in 2ms, 800us or 1.5.`),
      );
  });

  it("takes 1 to 64 threads", () => {
    expect(parseThreads("1")).toBe(1);
    expect(parseThreads("64")).toBe(64);
    expect(() => parseThreads("65")).toThrow(usage("--threads 65: it must be at most 64."));
    expect(() => parseThreads("0")).toThrow(usage("--threads 0: it must be a whole number of at least 1."));
  });
});

describe("--state", () => {
  it("gives the input of each output", () => {
    expect(parseStates(["hn=h0", "cn=c0"])).toEqual({ hn: "h0", cn: "c0" });
  });

  it.each(["hn", "=h0", "hn=", "a=b=c"])("refuses %s", (value) => {
    expect(() => parseStates([value])).toThrow(usage(`--state ${value}: write OUTPUT=INPUT, as in --state hn=h0.`));
  });

  it("refuses an output twice", () => {
    expect(() => parseStates(["hn=h0", "hn=h1"])).toThrow(usage("--state: hn is given twice."));
  });
});

describe("--shape", () => {
  it("binds names and axes of inputs, also such as hold = or :", () => {
    expect(parseShapes(["batch=1", "input:2=224", "a=b=3"])).toEqual({ batch: [1], "input:2": [224], "a=b": [3] });
    expect(parseShapes(["batch=1,8", "t=50"])).toEqual({ batch: [1, 8], t: [50] });
    expect(parseShapes([])).toEqual({});
    expect(Object.keys(parseShapes(["__proto__=2"]))).toEqual(["__proto__"]);
  });

  it.each([
    ["batch", "--shape batch: write NAME=DIM, as in --shape batch=1 or --shape input:2=224."],
    ["=3", "--shape =3: write NAME=DIM, as in --shape batch=1 or --shape input:2=224."],
    ["batch=", "--shape batch=: write NAME=DIM, as in --shape batch=1 or --shape input:2=224."],
    ["batch=0", "--shape batch=0: a size is a whole number from 1 to 2147483647."],
    ["batch=1,x", "--shape batch=1,x: a size is a whole number from 1 to 2147483647."],
    ["batch=1,8,1", "--shape batch=1,8,1: a size stands twice."],
  ])("refuses %s", (value, message) => {
    expect(() => parseShapes([value])).toThrow(usage(message));
  });

  it("refuses a name twice", () => {
    expect(() => parseShapes(["n=1", "n=2"])).toThrow(usage("--shape: n is given twice; write its sizes as n=1,4."));
  });
});

describe("--input", () => {
  it("splits at the first =", () => {
    expect(parseInputs(["image=a=b.npy", "c.jpg"])).toEqual([
      { name: "image", path: "a=b.npy" },
      { name: undefined, path: "c.jpg" },
    ]);
  });

  it("refuses what lacks a side", () => {
    for (const value of ["=a", "a=", ""])
      expect(() => parseInputs([value])).toThrow(usage(`--input ${value}: write NAME=FILE, or a FILE alone for a model with one input.`));
  });
});
